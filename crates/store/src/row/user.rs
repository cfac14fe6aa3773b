//! Conversion between a user's row and its record. The password's hash stays in the row.

use latchkey_core::id::{TenantId, UserId};
use latchkey_core::time::Timestamp;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use sea_orm::ActiveValue::{NotSet, Set};

use super::{RowContext, json_map, number};
use crate::entity::user;
use crate::error::StoreError;

/// Converts a row into a record.
pub(crate) fn record(row: user::Model) -> Result<UserRecord, StoreError> {
    let id = UserId(row.id);
    let context = RowContext::new("users", &id);
    Ok(UserRecord {
        tenant: TenantId(row.tenant_id),
        bindings: context.json("bindings", &row.bindings)?,
        environment: row.environment.map(Into::into),
        generation: number::to_u64(context, "generation", row.generation)?,
        revision: number::to_u64(context, "revision", row.revision)?,
        email: row.email,
        role: row.role.into(),
        disabled: row.disabled,
        created: Timestamp(row.created_at),
        id,
    })
}

/// Converts a record into its row. Without a new password, the stored one stays.
pub(crate) fn row(record: &UserRecord, password: Option<&PasswordHash>) -> user::ActiveModel {
    user::ActiveModel {
        id: Set(record.id.0),
        tenant_id: Set(record.tenant.0),
        email: Set(record.email.clone()),
        password: password.map_or(NotSet, |hash| Set(hash.0.clone())),
        role: Set(record.role.to_string()),
        bindings: Set(json_map(&record.bindings)),
        environment: Set(record.environment.as_deref().map(str::to_owned)),
        disabled: Set(record.disabled),
        generation: Set(number::to_i64(record.generation)),
        failed: password.map_or(NotSet, |_| Set(0)),
        failed_at: password.map_or(NotSet, |_| Set(0)),
        created_at: Set(record.created.0),
        revision: Set(number::to_i64(record.revision)),
    }
}
