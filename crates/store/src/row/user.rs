//! A user's row and its record. The password's hash and the failed attempts stay in the row.

use latchkey_core::id::{TenantId, UserId};
use latchkey_core::time::Timestamp;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use sea_orm::ActiveValue::{NotSet, Set};

use super::{Place, number, words};
use crate::entity::user;
use crate::stop::Stop;

/// What the row says.
pub(crate) fn record(row: user::Model) -> Result<UserRecord, Stop> {
    let id = UserId(row.id);
    let place = Place::new("users", &id);
    Ok(UserRecord {
        tenant: TenantId(row.tenant_id),
        bindings: place.json("bindings", &row.bindings)?,
        environment: row.environment.map(Into::into),
        generation: number::read(place, "generation", row.generation)?,
        revision: number::read(place, "revision", row.revision)?,
        email: row.email,
        role: row.role.into(),
        disabled: row.disabled,
        created: Timestamp(row.created_at),
        id,
    })
}

/// The row that says it, with a new password and no failed attempts, or with those that there are.
pub(crate) fn row(record: &UserRecord, password: Option<&PasswordHash>) -> user::ActiveModel {
    user::ActiveModel {
        id: Set(record.id.0),
        tenant_id: Set(record.tenant.0),
        email: Set(record.email.clone()),
        password: password.map_or(NotSet, |hash| Set(hash.0.clone())),
        role: Set(record.role.to_string()),
        bindings: Set(words(&record.bindings)),
        environment: Set(record.environment.as_deref().map(str::to_owned)),
        disabled: Set(record.disabled),
        generation: Set(number::stored(record.generation)),
        failed: password.map_or(NotSet, |_| Set(0)),
        failed_at: password.map_or(NotSet, |_| Set(0)),
        created_at: Set(record.created.0),
        revision: Set(number::stored(record.revision)),
    }
}
