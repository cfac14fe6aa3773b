//! Creates users, changes one by a rule, and counts sign-in attempts.

use latchkey_core::error::RequestError;
use latchkey_core::id::{TenantId, UserId};
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::time::Timestamp;
use latchkey_core::user::{FailedLogins, MAX_FAILED_LOGINS, UserRecord};
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::tokens::{LoginAttempt, UserUpdateFn};
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::entity::user::{ActiveModel, Column, Entity};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::row;

/// Creates the user if its e-mail address is free in the tenant.
pub(crate) async fn create(
    connection: PooledConnection,
    mut user: UserRecord,
    password: PasswordHash,
    audit: &AuditEntry,
) -> Result<WriteResult<UserRecord>, StoreError> {
    let insert = Entity::insert(row::user::row(&user, Some(&password)));
    let insert = insert.on_conflict(OnConflict::new().do_nothing().to_owned());
    if insert.exec_without_returning(&connection).await? == 0 {
        return Err(RequestError::AlreadyExists("a user has this e-mail address already".to_owned()).into());
    }
    let change = ChangeSubject::User(user.id).into();
    let appended = journal::append_changes(&connection, &[change], audit).await?;
    user.revision = appended.first;
    write(&connection, &user, None).await?;
    connection.commit().await?;
    Ok(WriteResult::written(user.revision, user).with_history(appended.history))
}

/// Replaces the user by the rule's result, and the password if there is a new one.
pub(crate) async fn change(
    connection: PooledConnection,
    id: UserId,
    rule: UserUpdateFn<'_>,
    password: Option<PasswordHash>,
    audit: &AuditEntry,
) -> Result<WriteResult<UserRecord>, StoreError> {
    let row = Entity::find_by_id(id.0).lock_exclusive().one(&connection).await?;
    let before = row::user::record(row.ok_or(RequestError::NotFound("user"))?)?;
    let mut after = rule(&before)?;
    if after == before && password.is_none() {
        return journal::unchanged(&connection, before.revision, before).await;
    }
    let effect = match (after.disabled && !before.disabled, after.generation > before.generation) {
        (true, _) => Some(ChangeEffect::Disabled),
        (false, true) => Some(ChangeEffect::Restricted),
        (false, false) => None,
    };
    let change = ChangeSubject::User(id).with_effect(effect);
    let appended = journal::append_changes(&connection, &[change], audit).await?;
    after.revision = appended.first;
    write(&connection, &after, password.as_ref()).await?;
    connection.commit().await?;
    Ok(WriteResult::written(after.revision, after).with_history(appended.history))
}

async fn write(
    connection: &PooledConnection,
    user: &UserRecord,
    password: Option<&PasswordHash>,
) -> Result<(), StoreError> {
    let row = ActiveModel { id: Unchanged(user.id.0), ..row::user::row(user, password) };
    Entity::update(row).exec_without_returning(connection).await?;
    Ok(())
}

/// Counts an attempt as failed, unless the limit is reached. The row is locked meanwhile, so that concurrent
/// attempts cannot exceed the limit. The last permitted attempt appends an audit event.
pub(crate) async fn attempt(
    connection: PooledConnection,
    tenant: TenantId,
    email: &str,
    mut lock: AuditEntry,
) -> Result<Option<LoginAttempt>, StoreError> {
    let of_tenant = Entity::find().filter(Column::TenantId.eq(tenant.0)).filter(Column::Email.eq(email));
    let Some(row) = of_tenant.lock_exclusive().one(&connection).await? else { return Ok(None) };
    let failed = u32::try_from(row.failed).unwrap_or(u32::MAX);
    let next = FailedLogins { failed, last: Timestamp(row.failed_at) }.record_attempt(lock.time);
    if let Some(next) = next {
        let counted = ActiveModel {
            id: Unchanged(row.id),
            failed: Set(i32::try_from(next.failed).unwrap_or(i32::MAX)),
            failed_at: Set(next.last.0),
            ..Default::default()
        };
        Entity::update(counted).exec_without_returning(&connection).await?;
        if next.failed == MAX_FAILED_LOGINS {
            lock.target = UserId(row.id).to_string();
            journal::append_audit(&connection, &lock).await?;
        }
        connection.commit().await?;
    }
    let password = PasswordHash(row.password.clone());
    Ok(Some(LoginAttempt { user: row::user::record(row)?, password, allowed: next.is_some() }))
}

/// Resets the number of failed logins.
pub(crate) async fn reset_failed_logins(connection: &PooledConnection, id: UserId) -> Result<(), StoreError> {
    let reset = ActiveModel { id: Unchanged(id.0), failed: Set(0), ..Default::default() };
    Entity::update(reset).exec_without_returning(connection).await?;
    Ok(())
}
