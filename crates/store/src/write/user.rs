//! Creates users, and changes one by a rule.

use latchkey_core::error::RequestError;
use latchkey_core::id::UserId;
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::tokens::UserUpdateFn;
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::ActiveValue::Unchanged;
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::entity::user::{ActiveModel, Column, Entity};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::row;
use crate::write::insert::no_tenant;
use crate::write::{login, stored};

/// Creates the user if its e-mail address is free in the tenant, and forgets failed logins with the address.
pub(crate) async fn create(
    connection: PooledConnection,
    mut user: UserRecord,
    password: PasswordHash,
    audit: &AuditEntry,
) -> Result<WriteResult<UserRecord>, StoreError> {
    let insert = Entity::insert(row::user::row(&user, Some(&password)));
    let insert = insert.on_conflict(OnConflict::new().do_nothing().to_owned());
    let inserted = insert.exec_without_returning(&connection).await.map_err(no_tenant)?;
    if inserted == 0 {
        return Err(RequestError::AlreadyExists("a user has this e-mail address already".to_owned()).into());
    }
    // Failed logins count for addresses without a user too. Before the journal, as for a new password.
    login::forget(&connection, user.tenant, &user.email).await?;
    let change = ChangeSubject::User(user.id).into();
    let appended = journal::append_changes(&connection, &[change], audit).await?;
    user.revision = appended.first;
    write(&connection, &user, None).await?;
    connection.commit().await?;
    Ok(WriteResult::written(user.revision, user).with_history(appended.history))
}

/// Replaces the user by the rule's result, and the password if there is a new one, which also forgets failed logins.
pub(crate) async fn change(
    connection: PooledConnection,
    id: UserId,
    rule: UserUpdateFn<'_>,
    password: Option<PasswordHash>,
    audit: &AuditEntry,
) -> Result<WriteResult<UserRecord>, StoreError> {
    let row = Entity::find_by_id(id.0).lock_exclusive().one(&connection).await?;
    let before = row::user::record(row.ok_or_else(|| RequestError::not_found("user", &id))?)?;
    let mut after = rule(&before)?;
    if after == before && password.is_none() {
        return journal::unchanged(&connection, before.revision, before).await;
    }
    let effect = effect(&before, &after, password.is_some());
    if password.is_some() {
        // Before the journal: a login can hold these rows and wait for it.
        login::forget(&connection, after.tenant, &after.email).await?;
    }
    let change = ChangeSubject::User(id).with_effect(effect);
    let audit = audit.clone().with_change_of_user(&before, &after);
    let appended = journal::append_changes(&connection, &[change], &audit).await?;
    after.revision = appended.first;
    write(&connection, &after, password.as_ref()).await?;
    connection.commit().await?;
    Ok(WriteResult::written(after.revision, after).with_history(appended.history))
}

/// Returns the access that a change of a user takes away, as `write::change` does for keys. A new generation ends
/// the tokens.
fn effect(before: &UserRecord, after: &UserRecord, new_password: bool) -> Option<ChangeEffect> {
    let ends_tokens = after.generation > before.generation;
    let only_state =
        UserRecord { disabled: before.disabled, generation: before.generation, ..after.clone() } == *before;
    if ends_tokens && (!after.disabled || !only_state || new_password) {
        Some(ChangeEffect::Restricted)
    } else {
        after.disabled.then_some(ChangeEffect::Disabled)
    }
}

async fn write(
    connection: &PooledConnection,
    user: &UserRecord,
    password: Option<&PasswordHash>,
) -> Result<(), StoreError> {
    let row = ActiveModel { id: Unchanged(user.id.0), ..row::user::row(user, password) };
    stored::one("users", Entity::update(row).exec_without_returning(connection).await)
}

/// Replaces a user's password hash by another one of the same password, unless it was changed in the meantime.
pub(crate) async fn replace_password(
    connection: PooledConnection,
    id: UserId,
    old: &PasswordHash,
    new: PasswordHash,
) -> Result<(), StoreError> {
    let update = Entity::update_many()
        .col_expr(Column::Password, Expr::value(new.0))
        .filter(Column::Id.eq(id.0))
        .filter(Column::Password.eq(old.0.clone()));
    update.exec(&connection).await?;
    Ok(connection.commit().await?)
}
