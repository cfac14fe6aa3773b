//! Conversion between a key's row and its record. The scopes are rows of their own and passed separately.

use ipnet::IpNet;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::network;
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use sea_orm::ActiveValue::{NotSet, Set};

use super::{RowContext, json, json_map, limits, number};
use crate::entity::key;
use crate::error::StoreError;

pub(crate) const ACTIVE: &str = "active";
pub(crate) const DISABLED: &str = "disabled";
pub(crate) const REVOKED: &str = "revoked";

/// Time of the last use of a key that was never used.
pub(crate) const NEVER_USED: i64 = i64::MIN;
/// Value of `expires_order` of a key that never expires.
pub(crate) const NEVER_EXPIRES: i64 = i64::MAX;

/// Converts a row and its scopes into a record.
pub(crate) fn record(row: key::Model, mut scopes: Vec<String>) -> Result<KeyRecord, StoreError> {
    let id = KeyId(row.id);
    let context = RowContext::new("keys", &id);
    // Databases may sort text by other rules.
    scopes.sort_unstable();
    Ok(KeyRecord {
        tenant: TenantId(row.tenant_id),
        hash: row.hash.as_slice().try_into().map(KeyHash).map_err(|_| context.corrupt("hash"))?,
        scopes: scopes.into_iter().map(Into::into).collect(),
        bindings: context.json("bindings", &row.bindings)?,
        networks: networks(context, &row.networks)?,
        limits: limits::read(&row.limits).ok_or_else(|| context.corrupt("limits"))?,
        metadata: context.json("metadata", &row.metadata)?,
        lifecycle: lifecycle(context, &row)?,
        revision: number::to_u64(context, "revision", row.revision)?,
        name: row.name,
        kind: row.kind.into(),
        environment: row.environment.into(),
        prefix: row.prefix.into(),
        hint: row.hint.into(),
        created: Timestamp(row.created_at),
        created_by: row.created_by,
        expires: row.expires_at.map(Timestamp),
        rotated_from: row.rotated_from.map(KeyId),
        rotated_to: row.rotated_to.map(KeyId),
        bucket_key: row.bucket_key.map(KeyId),
        sealed: row.sealed.map(Sealed),
        last_used: row.last_used_at.map(Timestamp),
        id,
    })
}

/// Converts a record into its row, without the idempotency columns.
pub(crate) fn row(record: &KeyRecord) -> key::ActiveModel {
    let (state, revoked_at, reason) = match &record.lifecycle {
        KeyLifecycle::Active => (ACTIVE, None, None),
        KeyLifecycle::Disabled => (DISABLED, None, None),
        KeyLifecycle::Revoked { at, reason } => (REVOKED, Some(at.0), Some(reason.clone())),
    };
    key::ActiveModel {
        id: Set(record.id.0),
        tenant_id: Set(record.tenant.0),
        hash: Set(record.hash.0.to_vec()),
        name: Set(record.name.clone()),
        kind: Set(record.kind.to_string()),
        environment: Set(record.environment.to_string()),
        prefix: Set(record.prefix.to_string()),
        hint: Set(record.hint.to_string()),
        bindings: Set(json_map(&record.bindings)),
        networks: Set(json(&record.networks.iter().map(IpNet::to_string).collect::<Vec<_>>())),
        limits: Set(limits::stored(&record.limits)),
        metadata: Set(json_map(&record.metadata)),
        state: Set(state.to_owned()),
        revoked_at: Set(revoked_at),
        revoke_reason: Set(reason),
        created_at: Set(record.created.0),
        created_by: Set(record.created_by.clone()),
        expires_at: Set(record.expires.map(|at| at.0)),
        rotated_from: Set(record.rotated_from.map(|id| id.0)),
        rotated_to: Set(record.rotated_to.map(|id| id.0)),
        bucket_key: Set(record.bucket_key.map(|id| id.0)),
        sealed: Set(record.sealed.as_ref().map(|sealed| sealed.0.clone())),
        last_used_at: Set(record.last_used.map(|at| at.0)),
        idempotency_key: NotSet,
        idempotency_hash: NotSet,
        revision: Set(number::to_i64(record.revision)),
    }
}

fn lifecycle(context: RowContext<'_>, row: &key::Model) -> Result<KeyLifecycle, StoreError> {
    match (row.state.as_str(), row.revoked_at, &row.revoke_reason) {
        (ACTIVE, None, None) => Ok(KeyLifecycle::Active),
        (DISABLED, None, None) => Ok(KeyLifecycle::Disabled),
        (REVOKED, Some(at), Some(reason)) => {
            Ok(KeyLifecycle::Revoked { at: Timestamp(at), reason: reason.clone() })
        }
        // An unknown word, or one that contradicts the other columns: the key's state is undefined.
        _ => Err(context.corrupt("state")),
    }
}

fn networks(context: RowContext<'_>, text: &str) -> Result<Vec<IpNet>, StoreError> {
    let texts: Vec<String> = context.json("networks", text)?;
    // Networks of IPv4-mapped addresses were stored as such by earlier versions.
    let networks = texts.iter().map(|text| network::parse(text).or_else(|| text.parse().ok()));
    networks.collect::<Option<_>>().ok_or_else(|| context.corrupt("networks"))
}
