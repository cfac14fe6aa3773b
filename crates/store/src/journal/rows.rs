//! Rows of the journal, and the statements that write them.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{
    CommonTableExpression, InsertStatement, Query, SubQueryStatement, UpdateStatement, WithClause, WithQuery,
};
use sea_orm::{IntoActiveModel, QueryTrait, SqlErr};

use super::{ROWS, refused};
use crate::entity::{audit_event, change, head};
use crate::error::StoreError;
use crate::notifications;
use crate::pool::PooledConnection;

/// Rows that a transaction writes at its end, while it has the lock on the head row.
pub(super) struct NewRows {
    pub(super) changes: Vec<change::Model>,
    pub(super) events: Vec<audit_event::Model>,
    /// Statements that assign revisions to keys.
    pub(super) numbering: Vec<UpdateStatement>,
    /// The new head.
    pub(super) head: head::Model,
    /// True if listeners are notified of the commit.
    pub(super) notify: bool,
}

impl NewRows {
    /// Writes all of it: on PostgreSQL by one statement, and so one round trip, unless there are very many rows.
    pub(super) async fn write(self, connection: &PooledConnection) -> Result<(), StoreError> {
        let Self { changes, events, numbering, head, notify } = self;
        let first_event = events.first().map_or(head.audit_sequence, |event| event.sequence);
        let changes = changes.chunks(ROWS).map(insert::<change::Entity>);
        let events = events.chunks(ROWS).map(insert::<audit_event::Entity>);
        let inserts: Vec<InsertStatement> = changes.chain(events).collect();
        let update = update_of(head, connection, notify);
        let written = if connection.dialect().is_some() && inserts.len() <= 2 {
            connection.execute(&together(inserts, numbering, update)).await.map(drop)
        } else {
            one_by_one(connection, &inserts, &numbering, &update).await
        };
        written.map_err(|error| foreign_event(error, first_event))
    }
}

/// Returns one statement that does what all of these do.
fn together(
    inserts: Vec<InsertStatement>,
    numbering: Vec<UpdateStatement>,
    update: UpdateStatement,
) -> WithQuery {
    let inserts = inserts.into_iter().map(SubQueryStatement::from);
    let statements = inserts.chain(numbering.into_iter().map(SubQueryStatement::from));
    let mut with = WithClause::new();
    for (n, statement) in statements.enumerate() {
        let name = format!("written_{n}");
        with.cte(CommonTableExpression::new().query(statement).table_name(name).to_owned());
    }
    with.query(update)
}

async fn one_by_one(
    connection: &PooledConnection,
    inserts: &[InsertStatement],
    numbering: &[UpdateStatement],
    update: &UpdateStatement,
) -> Result<(), DbErr> {
    for insert in inserts {
        connection.execute(insert).await?;
    }
    for update in numbering.iter().chain([update]) {
        connection.execute(update).await?;
    }
    Ok(())
}

fn insert<E>(rows: &[E::Model]) -> InsertStatement
where
    E: EntityTrait<Model: IntoActiveModel<E::ActiveModel> + Clone>,
{
    E::insert_many(rows.iter().cloned().map(IntoActiveModel::into_active_model)).into_query()
}

fn update_of(head: head::Model, connection: &PooledConnection, notify: bool) -> UpdateStatement {
    let mut update = Query::update()
        .table(head::Entity)
        .value(head::Column::Revision, head.revision)
        .value(head::Column::AuditSequence, head.audit_sequence)
        .value(head::Column::AuditHash, head.audit_hash)
        .and_where(head::Column::Id.eq(head.id))
        .to_owned();
    if let Some(call) = notifications::call(connection).filter(|_| notify) {
        update.returning(Query::returning().expr(call));
    }
    update
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
