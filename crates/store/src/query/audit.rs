//! The audit log: read back, and checked link by link.

use std::collections::BTreeMap;

use latchkey_core::id::TenantId;
use latchkey_core::time::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use super::Page;
use super::feed::head;
use crate::entity::audit_event::{Column, Entity, Model};
use crate::entry::chain;
use crate::pool::Lease;
use crate::row::{Place, number};
use crate::stop::Stop;

/// A line of the audit log as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its place, from 1 on, without a gap.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// Whose things, where they are a tenant's.
    pub tenant: Option<TenantId>,
    /// The subject that acted.
    pub actor: String,
    /// What it did.
    pub action: String,
    /// What it did it to.
    pub target: String,
    /// The request's identifier.
    pub request_id: String,
    /// More.
    pub details: BTreeMap<String, String>,
    /// The hash of this line and of all before it.
    pub hash: Vec<u8>,
}

/// What checking the audit log found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditState {
    /// Every line is as it was written and none is missing.
    Whole {
        /// How many there are.
        lines: u64,
    },
    /// The first line that isn't what was written at its place, or isn't there.
    Broken {
        /// Its place.
        sequence: u64,
    },
}

/// How many lines are checked at once.
const CHUNK: u64 = 500;

/// Lines before `before`, newest first, at most `limit`; one tenant's, or everybody's.
pub(crate) async fn page(
    lease: &Lease,
    tenant: Option<TenantId>,
    page: Page<u64>,
) -> Result<Vec<AuditRecord>, Stop> {
    let of_tenant = tenant.map(|id| Column::TenantId.eq(id.0));
    let older = page.before.map(|sequence| Column::Sequence.lt(number::stored(sequence)));
    let query = Entity::find().order_by_desc(Column::Sequence).limit(u64::from(page.limit));
    let query = of_tenant.into_iter().chain(older).fold(query, QueryFilter::filter);
    query.all(lease).await?.into_iter().map(record).collect()
}

fn record(row: Model) -> Result<AuditRecord, Stop> {
    let place = Place::new("audit_events", &row.sequence);
    Ok(AuditRecord {
        sequence: number::read(place, "sequence", row.sequence)?,
        time: Timestamp(row.time),
        tenant: row.tenant_id.map(TenantId),
        details: place.json("details", &row.details)?,
        actor: row.actor,
        action: row.action,
        target: row.target,
        request_id: row.request_id,
        hash: row.hash,
    })
}

/// How far a check has come: the last line that is good, and its hash.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    sequence: i64,
    hash: Vec<u8>,
    /// The line that the check ends at, and the hash that it must have come to.
    end: (i64, Vec<u8>),
}

/// Begins a check: what is written meanwhile is left to the next one.
pub(crate) async fn begin(lease: &Lease) -> Result<Progress, Stop> {
    let head = head(lease).await?;
    Ok(Progress { sequence: 0, hash: chain::START.to_vec(), end: (head.audit_sequence, head.audit_hash) })
}

/// Checks the next lines; an answer, where there is one already.
pub(crate) async fn proceed(lease: &Lease, progress: &mut Progress) -> Result<Option<AuditState>, Stop> {
    let query = Entity::find().filter(Column::Sequence.gt(progress.sequence));
    let rows = query.order_by_asc(Column::Sequence).limit(CHUNK).all(lease).await?;
    let before = progress.sequence;
    for row in rows.iter().take_while(|row| row.sequence <= progress.end.0) {
        let hash = chain::link(&progress.hash, row);
        if row.sequence != progress.sequence + 1 || row.hash != hash {
            return broken(progress);
        }
        (progress.sequence, progress.hash) = (row.sequence, hash.to_vec());
    }
    match progress {
        Progress { sequence, hash, end } if *sequence == end.0 && *hash == end.1 => {
            let lines = number::read(Place::new("head", &1), "audit_sequence", *sequence)?;
            Ok(Some(AuditState::Whole { lines }))
        }
        Progress { sequence, .. } if *sequence == before => broken(progress),
        _ => Ok(None),
    }
}

/// The line after the last good one is not what it was. (Where all are good and the head says otherwise,
/// lines are missing at the end, or the head itself was changed.)
fn broken(progress: &Progress) -> Result<Option<AuditState>, Stop> {
    let sequence =
        number::read(Place::new("audit_events", &progress.sequence), "sequence", progress.sequence)?;
    Ok(Some(AuditState::Broken { sequence: sequence + 1 }))
}
