//! Applying a profile's document: the next version, unless the newest says the very same. It was held against the
//! other profiles before; where one of them has changed since, nothing is written.

use latchkey_core::ports::Changed;
use latchkey_core::record::ProfileRecord;
use latchkey_management::ports::{Applied, AuditEntry, Written};
use sea_orm::entity::prelude::*;

use crate::entity::profile::Entity;
use crate::entry;
use crate::pool::Lease;
use crate::query;
use crate::row;
use crate::stop::Stop;

/// Stores the document. The ledger is locked from the start: of two who apply at once, the second counts on
/// from the first.
pub(crate) async fn apply(
    lease: Lease,
    (name, document): (&str, &str),
    among: u64,
    audit: &AuditEntry,
) -> Result<Applied, Stop> {
    entry::lock(&lease).await?;
    if query::profile::newest_revision(&lease).await? != among {
        return Ok(Applied::Overtaken);
    }
    let newest = query::profile::version(&lease, name, None).await?;
    let version = match newest {
        Some(newest) if newest.document == document => {
            return Ok(Applied::Written(Written { value: newest, revision: 0 }));
        }
        newest => newest.map_or(0, |newest| newest.version) + 1,
    };
    let revision = entry::leave(&lease, &[Changed::Profile(name.into())], audit).await?;
    let (name, document) = (name.into(), document.to_owned());
    let value = ProfileRecord { name, version, document, applied: audit.time, revision };
    Entity::insert(row::profile::row(&value)).exec_without_returning(&lease).await?;
    lease.commit().await?;
    Ok(Applied::Written(Written { value, revision }))
}
