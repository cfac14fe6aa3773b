//! Conversion between a tenant's row and its record.

use latchkey_core::id::TenantId;
use latchkey_core::record::TenantRecord;
use latchkey_core::time::Timestamp;
use sea_orm::ActiveValue::Set;

use super::{RowContext, limits, number};
use crate::entity::tenant;
use crate::error::StoreError;

/// Converts a row into a record.
pub(crate) fn record(row: tenant::Model) -> Result<TenantRecord, StoreError> {
    let context = RowContext::new("tenants", &row.id);
    Ok(TenantRecord {
        id: TenantId(row.id),
        limits: limits::read(&row.limits).ok_or_else(|| context.corrupt("limits"))?,
        revision: number::to_u64(context, "revision", row.revision)?,
        slug: row.slug.into(),
        display_name: row.display_name,
        profile: row.profile.into(),
        plan: row.plan.map(Into::into),
        suspended: row.suspended,
        created: Timestamp(row.created_at),
    })
}

/// Converts a record into its row.
pub(crate) fn row(record: &TenantRecord) -> tenant::ActiveModel {
    tenant::ActiveModel {
        id: Set(record.id.0),
        slug: Set(record.slug.to_string()),
        display_name: Set(record.display_name.clone()),
        profile: Set(record.profile.to_string()),
        plan: Set(record.plan.as_deref().map(str::to_owned)),
        suspended: Set(record.suspended),
        limits: Set(limits::stored(&record.limits)),
        created_at: Set(record.created.0),
        revision: Set(number::to_i64(record.revision)),
    }
}
