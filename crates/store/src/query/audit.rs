//! Reads and verifies the audit log.

use std::collections::BTreeMap;

use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::audit::{
    ActionFilter, Anchor, AuditCheck, AuditEvent, AuditFilter, AuditPage, EventSubjects,
};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{CaseStatement, ExprTrait, Func, LikeExpr, Query, SelectStatement};
use sea_orm::{FromQueryResult, QueryOrder, QueryResult, QuerySelect, QueryTrait, TryGetable};

use super::Page;
use super::feed::HEAD_ROW;
use crate::entity::audit_event::{Column, Entity, Model};
use crate::entity::head;
use crate::error::StoreError;
use crate::journal::{chain, has_possible_end};
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

/// Events that are verified in one step.
const CHUNK: u64 = 1_000;

/// Events that are compared with a filter for one page.
const WINDOW: u64 = 10_000;

/// Returns at most `limit` events before `before`, newest first. Rows outside of the log, which begins with event 1 and
/// ends with the head, are left out: verification reports them.
///
/// One condition is served by an index; the others are applied to a limited number of the rows that it finds.
pub(crate) async fn page(
    connection: &PooledConnection,
    filter: &AuditFilter,
    page: Page<u64>,
) -> Result<AuditPage, StoreError> {
    let conditions = [
        filter.from.map(|at| Column::Time.gte(at.0)),
        filter.until.map(|at| Column::Time.lt(at.0)),
        page.before.map(|sequence| Column::Sequence.lt(number::to_i64(sequence))),
        Some(Column::Sequence.gte(1)),
        Some(Expr::col(Column::Sequence).lte(readable_end())),
        (!filter.pruned).then(|| Column::Actor.ne("")),
    ];
    // The most selective condition comes first.
    let mut equal = [
        filter.target.as_ref().map(|target| Column::Target.eq(target)),
        filter.actor.as_ref().map(|actor| Column::Actor.eq(actor)),
        match &filter.action {
            Some(ActionFilter::Is(action)) => Some(Column::Action.eq(action)),
            Some(ActionFilter::StartsWith(_)) | None => None,
        },
        filter.tenant.map(|id| Column::TenantId.eq(id.0)),
    ]
    .into_iter()
    .flatten();
    let served = conditions.into_iter().flatten().chain(equal.next());
    let begins = match &filter.action {
        Some(ActionFilter::StartsWith(prefix)) => Some(starts_with(prefix)),
        Some(ActionFilter::Is(_)) | None => None,
    };
    let rest: Vec<Expr> = equal.chain(begins).collect();
    let query = served.fold(Entity::find().order_by_desc(Column::Sequence), QueryFilter::filter);
    let mut next = None;
    if !rest.is_empty() {
        let window = query.clone().select_only().column(Column::Sequence).limit(1).offset(WINDOW - 1);
        next = window.into_tuple::<i64>().one(connection).await?;
    }
    let within = next.map(|sequence| Column::Sequence.gte(sequence));
    let query = rest.into_iter().chain(within).fold(query, QueryFilter::filter);
    let query = query.limit(u64::from(page.limit) + 1);
    let rows = connection.query_all(query.as_query()).await?;
    let mut events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut next = next.and_then(|sequence| u64::try_from(sequence).ok());
    if events.len() > limit {
        events.truncate(limit);
        next = events.last().map(|event| event.sequence);
    }
    Ok(AuditPage { events, next })
}

fn starts_with(prefix: &str) -> Expr {
    let escaped = prefix.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    Column::Action.like(LikeExpr::new(format!("{escaped}%")).escape('\\'))
}

/// Returns the newest event of an action since a time.
pub(crate) async fn newest(
    connection: &PooledConnection,
    action: &str,
    since: Timestamp,
) -> Result<Option<AuditEvent>, StoreError> {
    let inside = Column::Sequence.gte(1).and(Expr::col(Column::Sequence).lte(end()));
    let query =
        Entity::find().filter(Column::Time.gte(since.0)).filter(Column::Action.eq(action)).filter(inside);
    let query = query.order_by_desc(Column::Sequence).limit(1);
    connection.query_all(query.as_query()).await?.first().map(event).transpose()
}

/// Returns the sequence number of the last event for a list: no end, if the head was altered to a number that it cannot
/// have, so that the events are listed anyway.
fn readable_end() -> Expr {
    let sequence = Expr::SubQuery(None, Box::new(head_sequence().into()));
    CaseStatement::new().case(sequence.clone().lt(0), i64::MAX).finally(sequence).into()
}

/// Returns the sequence number of the last event, as an expression.
fn end() -> Expr {
    Expr::SubQuery(None, Box::new(head_sequence().into()))
}

fn head_sequence() -> SelectStatement {
    let row = head::Column::Id.eq(HEAD_ROW);
    Query::select().column(head::Column::AuditSequence).from(head::Entity).and_where(row).take()
}

/// Returns the sequence number of a row outside of the log and the number of such rows, if there are any. Rows and head
/// are read by one statement, so that an event that is being written is no such row.
pub(crate) async fn outside(connection: &PooledConnection) -> Result<Option<(i64, u64)>, StoreError> {
    let mut query = Query::select();
    query.expr_as(Func::min(Expr::col(Column::Sequence)), "first");
    query.expr_as(Func::count(Expr::col(Column::Sequence)), "number");
    let beyond = Expr::col(Column::Sequence).lt(1).or(Expr::col(Column::Sequence).gt(end()));
    query.from(Entity).and_where(beyond);
    let rows = connection.query_all(&query).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let number: i64 = row.try_get("", "number")?;
    let first: Option<i64> = row.try_get("", "first")?;
    Ok(first.zip(u64::try_from(number).ok()))
}

/// Returns the keys and users with these identifiers that there are. A corrupt row is left out.
pub(crate) async fn subjects(
    connection: &PooledConnection,
    keys: &[KeyId],
    users: &[UserId],
) -> Result<EventSubjects, StoreError> {
    let keys = super::key::by_ids(connection, keys).await?;
    let users = super::user::by_ids(connection, users).await?;
    Ok(EventSubjects { keys, users })
}

/// Detail of an event that names the columns that cannot be read.
const UNREADABLE: &str = "unreadable_columns";

/// Returns the event of a row. A column that cannot be read is empty, and named in the details: a corrupt event must not
/// hide the others from a list; verification reports it.
fn event(row: &QueryResult) -> Result<AuditEvent, StoreError> {
    let sequence: i64 = row.try_get_by("sequence")?;
    let mut unreadable = Vec::new();
    let time = readable(row, "time", &mut unreadable);
    let tenant: Option<Uuid> = readable(row, "tenant_id", &mut unreadable);
    let mut text = |column| readable::<String>(row, column, &mut unreadable);
    let [actor, action, target, request_id, details] =
        ["actor", "action", "target", "request_id", "details"].map(&mut text);
    let hash = readable(row, "hash", &mut unreadable);
    let read = serde_json::from_str(&details);
    // An event whose content was deleted has a digest in place of its details, and no actor.
    if read.is_err() && !actor.is_empty() && !unreadable.contains(&"details") {
        unreadable.push("details");
    }
    let mut details: BTreeMap<String, String> = read.unwrap_or_default();
    if !unreadable.is_empty() {
        let _ = details.insert(UNREADABLE.to_owned(), unreadable.join(", "));
    }
    Ok(AuditEvent {
        sequence: number::to_u64(RowContext::new("audit_events", &sequence), "sequence", sequence)?,
        time: Timestamp(time),
        tenant: tenant.map(TenantId),
        details,
        actor,
        action,
        target,
        request_id,
        hash,
    })
}

/// Returns the value of a column; the default of its type if it cannot be read.
fn readable<T: TryGetable + Default>(
    row: &QueryResult,
    column: &'static str,
    unreadable: &mut Vec<&'static str>,
) -> T {
    row.try_get("", column).unwrap_or_else(|_| {
        unreadable.push(column);
        T::default()
    })
}

/// Returns the last event's sequence and hash as recorded in the head; `None` if this service cannot have written the
/// head: it is missing or cannot be read, its sequence is negative or too large, or its hash has another length.
pub(crate) async fn last(connection: &PooledConnection) -> Result<Option<Anchor>, StoreError> {
    let rows = connection.query_all(head::Entity::find_by_id(HEAD_ROW).as_query()).await?;
    let head = rows.first().and_then(|row| head::Model::from_query_result(row, "").ok());
    Ok(head.filter(has_possible_end).and_then(|head| {
        let hash = head.audit_hash.try_into().ok()?;
        Some(Anchor { sequence: u64::try_from(head.audit_sequence).ok()?, hash })
    }))
}

/// Returns whether an event has this hash. Reads the events from the newest one on, since hashes have no index.
pub(crate) async fn has_hash(connection: &PooledConnection, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let query = Entity::find().select_only().column(Column::Sequence).filter(Column::Hash.eq(hash.to_vec()));
    let found: Option<i64> =
        query.order_by_desc(Column::Sequence).limit(1).into_tuple().one(connection).await?;
    Ok(found.is_some())
}

/// Returns the row as the next anchor if it continues the chain.
fn follows(last: &Anchor, row: &Model) -> Option<Anchor> {
    let sequence = last.sequence + 1;
    let hash = chain::verified_hash(&last.hash, row)?;
    (u64::try_from(row.sequence) == Ok(sequence)).then_some(Anchor { sequence, hash })
}

/// Condition of SQLite on events: that the values have the types that this program writes. A tenant or a hash that was
/// converted to text is read as the same bytes, but no condition on it finds it: its event would be in no list of its
/// tenant. Values of other columns cannot be read in another type.
const WRITTEN_TYPES: &str = r#"typeof("tenant_id") IN ('blob', 'null') AND typeof("hash") = 'blob'"#;

/// Verifies some of the events after a valid one, up to `until`, and whether those from `kept_since` on have their
/// content. An event with a value of another type counts as missing.
pub(crate) async fn check(
    connection: &PooledConnection,
    after: Anchor,
    until: u64,
    kept_since: Timestamp,
) -> Result<AuditCheck, StoreError> {
    let behind = Column::Sequence.gt(number::to_i64(after.sequence));
    let query = Entity::find().filter(behind).filter(Column::Sequence.lte(number::to_i64(until)));
    // In PostgreSQL, each column has one type.
    let typed = connection.dialect().is_none().then(|| Expr::cust(WRITTEN_TYPES));
    let query = typed.into_iter().fold(query, QueryFilter::filter);
    let query = query.order_by_asc(Column::Sequence).limit(CHUNK);
    let rows = connection.query_all(query.as_query()).await?;
    let mut last = after;
    let mut good = Vec::with_capacity(rows.len());
    let mut pruned_early = None;
    for row in &rows {
        // An unreadable row does not match what was written either.
        let row = Model::from_query_result(row, "").ok();
        let Some((next, row)) = row.and_then(|row| Some((follows(&last, &row)?, row))) else {
            return Ok(AuditCheck { valid: good, broken: Some(last.sequence + 1), pruned_early });
        };
        if pruned_early.is_none() && row.time >= kept_since.0 && chain::is_pruned(&row) {
            pruned_early = Some(next.sequence);
        }
        last = next;
        good.push(next);
    }
    let short = u64::try_from(rows.len()).unwrap_or(u64::MAX) < CHUNK && last.sequence < until;
    Ok(AuditCheck { valid: good, broken: short.then_some(last.sequence + 1), pruned_early })
}
