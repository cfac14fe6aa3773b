//! Rows of the journal, and the statements that write them. The rows are counted: an event or a change that the database
//! does not store would break the chain, or keep a revocation from replicas.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{
    CommonTableExpression, InsertStatement, Query, SubQueryStatement, UpdateStatement, WithClause,
};
use sea_orm::{IntoActiveModel, QueryTrait, SqlErr};

use super::{ROWS, refused};
use crate::entity::{audit_event, change, head};
use crate::error::StoreError;
use crate::notifications;
use crate::pool::PooledConnection;
use crate::write::stored;

/// Rows that a transaction writes at its end, while it has the lock on the head row.
pub(super) struct NewRows {
    pub(super) changes: Vec<change::Model>,
    pub(super) events: Vec<audit_event::Model>,
    /// Statements that assign revisions to keys, [`ROWS`] in each.
    pub(super) numbering: Vec<UpdateStatement>,
    /// Number of those keys.
    pub(super) new_keys: usize,
    /// The new head.
    pub(super) head: head::Model,
    /// True if listeners are notified of the commit.
    pub(super) notify: bool,
}

/// Table and number of the rows that a statement must change.
type ExpectedRows = (&'static str, usize);

impl NewRows {
    /// Writes all of it: on PostgreSQL by one statement, and so one round trip, unless there are very many rows. Fails if the
    /// database keeps a row from being stored.
    pub(super) async fn write(self, connection: &PooledConnection) -> Result<(), StoreError> {
        let named = self.named();
        let Self { changes, events, numbering, head, notify, .. } = self;
        let first_event = events.first().map_or(head.audit_sequence, |event| event.sequence);
        let call = notifications::call(connection).filter(|_| notify);
        let changes = changes.chunks(ROWS).map(insert::<change::Entity>);
        let events = events.chunks(ROWS).map(insert::<audit_event::Entity>);
        let inserts: Vec<InsertStatement> = changes.chain(events).collect();
        let update = update_of(head);
        let changed = if connection.dialect().is_some() && inserts.len() <= 2 {
            at_once(connection, inserts, numbering, update, call).await
        } else {
            one_by_one(connection, &inserts, &numbering, update, call).await
        };
        let changed = changed.map_err(|error| foreign_event(error, first_event))?;
        named
            .into_iter()
            .zip(changed)
            .try_for_each(|((table, rows), changed)| stored::all(table, rows, changed))
    }

    /// Returns what each statement must change: the head, then the others in their order.
    fn named(&self) -> Vec<ExpectedRows> {
        let changes = self.changes.chunks(ROWS).map(|rows| ("changes", rows.len()));
        let events = self.events.chunks(ROWS).map(|rows| ("audit_events", rows.len()));
        let keys = (0..self.new_keys).step_by(ROWS).map(|start| ("keys", ROWS.min(self.new_keys - start)));
        std::iter::once(("head", 1)).chain(changes).chain(events).chain(keys).collect()
    }
}

/// Runs one statement that does what all of these do. Returns the numbers of rows that each has changed, that of the head
/// first.
async fn at_once(
    connection: &PooledConnection,
    inserts: Vec<InsertStatement>,
    numbering: Vec<UpdateStatement>,
    mut update: UpdateStatement,
    call: Option<Expr>,
) -> Result<Vec<u64>, DbErr> {
    let each_row = || Query::returning().expr(Expr::cust("1"));
    let mut statements: Vec<SubQueryStatement> = Vec::new();
    for mut insert in inserts {
        insert.returning(each_row());
        statements.push(insert.into());
    }
    for mut numbered in numbering {
        numbered.returning(each_row());
        statements.push(numbered.into());
    }
    let count = statements.len();
    let mut with = WithClause::new();
    for (n, statement) in statements.into_iter().enumerate() {
        let name = format!("written_{n}");
        with.cte(CommonTableExpression::new().query(statement).table_name(name).to_owned());
    }
    let counts = (0..count).map(|n| Expr::cust(format!("(SELECT COUNT(*) FROM written_{n})")));
    update.returning(Query::returning().exprs(counts.chain(call)));
    // Without a row, the head is as it was.
    let Some(row) = connection.query_one(&with.query(update)).await? else { return Ok(vec![0]) };
    let mut changed = vec![1];
    for n in 0..count {
        changed.push(u64::try_from(row.try_get_by_index::<i64>(n)?).unwrap_or_default());
    }
    Ok(changed)
}

/// Runs these statements one after the other. Returns the numbers of rows that each has changed, that of the head first.
async fn one_by_one(
    connection: &PooledConnection,
    inserts: &[InsertStatement],
    numbering: &[UpdateStatement],
    mut update: UpdateStatement,
    call: Option<Expr>,
) -> Result<Vec<u64>, DbErr> {
    let mut changed = vec![0];
    for insert in inserts {
        changed.push(connection.execute(insert).await?.rows_affected());
    }
    for numbered in numbering {
        changed.push(connection.execute(numbered).await?.rows_affected());
    }
    if let Some(call) = call {
        update.returning(Query::returning().expr(call));
    }
    changed[0] = connection.execute(&update).await?.rows_affected();
    Ok(changed)
}

fn insert<E>(rows: &[E::Model]) -> InsertStatement
where
    E: EntityTrait<Model: IntoActiveModel<E::ActiveModel> + Clone>,
{
    E::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model)).into_query()
}

fn update_of(head: head::Model) -> UpdateStatement {
    Query::update()
        .table(head::Entity)
        .value(head::Column::Revision, head.revision)
        .value(head::Column::AuditSequence, head.audit_sequence)
        .value(head::Column::AuditHash, head.audit_hash)
        .and_where(head::Column::Id.eq(head.id))
        .to_owned()
}

/// Returns the error of a write whose audit event cannot be inserted. The head is locked, so an event that is there
/// already was not written by this program.
fn foreign_event(error: DbErr, first: i64) -> StoreError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(constraint)) if constraint.contains("audit_events") => {}
        _ => return error.into(),
    }
    let what = format!("the audit log has an event behind its end, at sequence {first} or later");
    tracing::error!(
        target: "latchkey::internal",
        "failed to append to the audit log: {what}; writes are refused. Either something else wrote the event, which is \
         then removed from the table audit_events, or the end of the log was put back in the table head, and the event \
         is genuine: compare with a backup or an anchor first (`latchkey audit verify` names the event)"
    );
    refused(&what)
}
