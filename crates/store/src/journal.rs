//! Records that end every write, in its own transaction: revisions, change-feed rows and an audit event. The
//! lock on the head row orders all writes: its holder commits or rolls back before the next write takes a
//! revision. Revisions therefore become visible in order and without a gap.
//!
//! The price is that each write waits for the one before it from here to the commit. Everything that may wait
//! for another lock (a row, a unique name) is therefore done earlier, so that the holder of the head lock never
//! waits for another transaction.

mod callers;
pub(crate) mod chain;
mod rows;

use latchkey_core::error::RequestError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::{HistoryHash, PendingChange};
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

use self::rows::NewRows;
use crate::entity::{audit_event, head};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::query::feed;
use crate::row::{RowContext, json_map, number};
use crate::write::insert;

/// Maximum number of rows in one statement; SQLite takes 32766 values in one.
pub(crate) const ROWS: usize = 500;

/// Number of bytes of an event's hash.
const HASH_BYTES: usize = 32;
/// Largest number of events of a log. No log reaches it, so that no number of an event overflows.
const MOST_EVENTS: i64 = i64::MAX / 2;

/// Locks the head row. [`append_changes`] does it; a write calls it earlier only if it must see the whole
/// database unchanged.
pub(crate) async fn lock_head(connection: &PooledConnection) -> Result<head::Model, StoreError> {
    let head = head::Entity::find_by_id(feed::HEAD_ROW).lock_exclusive().one(connection).await?;
    head.ok_or_else(|| RowContext::new("head", &1).corrupt("being missing"))
}

/// Place of a write in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalPosition {
    /// Revision of the first change; the others have the numbers that follow.
    pub(crate) first: u64,
    /// Hash of the audit chain after the write.
    pub(crate) history: Option<HistoryHash>,
}

/// Rows that one write appends.
#[derive(Clone, Copy)]
pub(crate) struct JournalEntry<'a> {
    /// Changes, each with a revision and a change-feed row of its own.
    pub(crate) changes: &'a [PendingChange],
    /// The audit event.
    pub(crate) audit: &'a AuditEntry,
    /// True if replicas are to apply the changes at once, and not at their next poll.
    pub(crate) urgent: bool,
}

impl<'a> JournalEntry<'a> {
    /// Returns the entry of a write whose changes replicas apply at once.
    pub(crate) fn new(changes: &'a [PendingChange], audit: &'a AuditEntry) -> Self {
        Self { changes, audit, urgent: !changes.is_empty() }
    }

    /// Returns the entry of a write whose changes replicas need not know: they cache nothing that it changes.
    pub(crate) fn deferred(changes: &'a [PendingChange], audit: &'a AuditEntry) -> Self {
        Self { changes, audit, urgent: false }
    }
}

/// Appends the change-feed rows and the audit event of each write, in this order. Each row carries the hash of its
/// write's event. Returns the place of each write; `first` has no meaning for one without changes. A write whose caller
/// has lost rights is refused, with all others of the call.
pub(crate) async fn append(
    connection: &PooledConnection,
    entries: &[JournalEntry<'_>],
) -> Result<Vec<JournalPosition>, StoreError> {
    append_with_keys(connection, entries, &[]).await
}

/// Appends writes, and assigns the revisions of the first changes to keys that were just inserted.
pub(crate) async fn append_with_keys(
    connection: &PooledConnection,
    entries: &[JournalEntry<'_>],
    new_keys: &[KeyId],
) -> Result<Vec<JournalPosition>, StoreError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let mut head = lock_head(connection).await?;
    check_head(&head)?;
    callers::check(connection, entries).await?;
    let mut next = number::to_u64(RowContext::new("head", &head.id), "revision", head.revision)? + 1;
    let numbering = insert::numbering(new_keys, next);
    let (mut rows, mut events, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for JournalEntry { changes, audit, .. } in entries {
        let event = event(&head, audit);
        places.push(JournalPosition { first: next, history: event.hash.as_slice().try_into().ok() });
        for change in *changes {
            rows.push(feed::row(next, change, &event.hash));
            next += 1;
        }
        (head.audit_sequence, head.audit_hash) = (event.sequence, event.hash.clone());
        events.push(event);
    }
    head.revision = rows.last().map_or(head.revision, |row| row.revision);
    let notify = entries.iter().any(|entry| entry.urgent);
    let new_keys = new_keys.len();
    NewRows { changes: rows, events, numbering, new_keys, head, notify }.write(connection).await?;
    Ok(places)
}

/// Returns whether this program can have written the end of the log that the head names.
pub(crate) fn has_possible_end(head: &head::Model) -> bool {
    (0..=MOST_EVENTS).contains(&head.audit_sequence) && head.audit_hash.len() == HASH_BYTES
}

/// Refuses to append to a head that this program cannot have written: its event would be outside of the log.
fn check_head(head: &head::Model) -> Result<(), StoreError> {
    if has_possible_end(head) {
        return Ok(());
    }
    let what = "the end of the audit log was modified";
    tracing::error!(
        target: "latchkey::internal", sequence = head.audit_sequence, hash_bytes = head.audit_hash.len(),
        "failed to append to the audit log: {what}; writes are refused until the row of the table head has the sequence \
         and the hash of the last event in audit_events again"
    );
    Err(refused(what))
}

/// Returns the error of a write to a damaged log. Callers of a tenant get it too, so it names no table.
fn refused(what: &str) -> StoreError {
    let text = format!("{what}: nothing can be changed until an operator has repaired the log");
    RequestError::FailedPrecondition(text).into()
}

/// Appends the changes and the audit event of one write.
pub(crate) async fn append_changes(
    connection: &PooledConnection,
    changes: &[PendingChange],
    audit: &AuditEntry,
) -> Result<JournalPosition, StoreError> {
    single(append(connection, &[JournalEntry::new(changes, audit)]).await?)
}

/// Returns the place of the only write.
pub(crate) fn single(places: Vec<JournalPosition>) -> Result<JournalPosition, StoreError> {
    let missing = || StoreError::Corrupt("a write without a place in the journal".to_owned());
    places.into_iter().next().ok_or_else(missing)
}

/// Appends only an audit event, for actions that change no decision.
pub(crate) async fn append_audit(
    connection: &PooledConnection,
    audit: &AuditEntry,
) -> Result<(), StoreError> {
    append(connection, &[JournalEntry::new(&[], audit)]).await.map(drop)
}

/// Returns the result of a write that finds nothing to change, where the row says which revision changed it last.
pub(crate) async fn unchanged<T>(
    connection: &PooledConnection,
    revision: u64,
    value: T,
) -> Result<WriteResult<T>, StoreError> {
    let histories = feed::histories(connection, revision, 1).await?;
    match histories.first() {
        Some((found, history)) if *found == revision => {
            Ok(WriteResult::unchanged(revision, value).with_history(Some(*history)))
        }
        // The change was pruned long ago. The newest one has a history to compare with.
        Some(_) | None => unchanged_at_head(connection, value).await,
    }
}

/// Returns the result of a write that finds nothing to change, where the row does not say which revision changed it
/// last: the newest revision, which is not older.
pub(crate) async fn unchanged_at_head<T>(
    connection: &PooledConnection,
    value: T,
) -> Result<WriteResult<T>, StoreError> {
    let revision = feed::revision(connection).await?;
    let histories = feed::histories(connection, revision, 1).await?;
    let history = histories.first().filter(|(found, _)| *found == revision).map(|(_, history)| *history);
    Ok(WriteResult::unchanged(revision, value).with_history(history))
}

fn event(head: &head::Model, audit: &AuditEntry) -> audit_event::Model {
    let mut event = audit_event::Model {
        sequence: head.audit_sequence + 1,
        time: audit.time.0,
        tenant_id: audit.tenant.map(|tenant| tenant.0),
        actor: audit.actor.clone(),
        action: audit.action.text().to_owned(),
        target: audit.target.clone(),
        request_id: audit.request_id.clone(),
        details: json_map(&audit.details),
        hash: Vec::new(),
    };
    event.hash = chain::event_hash(&head.audit_hash, &event).to_vec();
    event
}
