//! What every write leaves behind, last, in its own transaction: its revisions, their rows of the feed, its
//! audit event. Locking the head is what puts writes in order: whoever holds it has committed or gone before
//! the next one takes a number, so that numbers become visible in order and without a gap.
//!
//! The price is that writes wait for each other from here to their commit. What can wait for something else
//! (a row's lock, a unique name) is therefore done before: nobody who holds the head waits for anybody.

pub(crate) mod chain;

use latchkey_core::ports::Changed;
use latchkey_management::ports::AuditEntry;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::{IntoActiveModel, QuerySelect};

use crate::entity::{audit_event, change, head};
use crate::pool::Lease;
use crate::query::feed;
use crate::row::{Place, number, words};
use crate::stop::Stop;
use crate::wakeups;

/// How many rows go into one statement; SQLite takes 32766 values in one.
pub(crate) const ROWS: usize = 500;

/// Takes the head's lock. Done by [`leave`]; early only by what must see the whole ledger stand still.
pub(crate) async fn lock(lease: &Lease) -> Result<head::Model, Stop> {
    let head = head::Entity::find().lock_exclusive().one(lease).await?;
    head.ok_or_else(|| Place::new("head", &1).spoiled("being missing"))
}

/// Leaves a row of the feed for each change, and one audit event. Answers the first change's revision; the
/// others follow it one by one.
pub(crate) async fn leave(lease: &Lease, changes: &[Changed], audit: &AuditEntry) -> Result<u64, Stop> {
    let head = lock(lease).await?;
    let first = number::read(Place::new("head", &head.id), "revision", head.revision)? + 1;
    let rows: Vec<_> =
        (first..).zip(changes).map(|(revision, subject)| feed::row(revision, subject)).collect();
    for rows in rows.chunks(ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        change::Entity::insert_many(rows).exec_without_returning(lease).await?;
    }
    let revision = rows.last().map_or(head.revision, |row| row.revision);
    tell(lease, head::Model { revision, ..head }, audit).await?;
    wakeups::say(lease).await?;
    Ok(first)
}

/// Leaves an audit event alone, of what changes no decision.
pub(crate) async fn note(lease: &Lease, audit: &AuditEntry) -> Result<(), Stop> {
    let head = lock(lease).await?;
    tell(lease, head, audit).await
}

async fn tell(lease: &Lease, head: head::Model, audit: &AuditEntry) -> Result<(), Stop> {
    let event = event(&head, audit);
    let next = head::ActiveModel {
        id: Set(head.id),
        revision: Set(head.revision),
        audit_sequence: Set(event.sequence),
        audit_hash: Set(event.hash.clone()),
    };
    audit_event::Entity::insert(event.into_active_model()).exec_without_returning(lease).await?;
    head::Entity::update(next).exec_without_returning(lease).await?;
    Ok(())
}

fn event(head: &head::Model, audit: &AuditEntry) -> audit_event::Model {
    let mut event = audit_event::Model {
        sequence: head.audit_sequence + 1,
        time: audit.time.0,
        tenant_id: audit.tenant.map(|tenant| tenant.0),
        actor: audit.actor.clone(),
        action: audit.action.to_owned(),
        target: audit.target.clone(),
        request_id: audit.request_id.clone(),
        details: words(&audit.details),
        hash: Vec::new(),
    };
    event.hash = chain::link(&head.audit_hash, &event).to_vec();
    event
}
