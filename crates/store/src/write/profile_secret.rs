//! Writes secrets that profiles name. Each write is a change of its profile, so that every replica loads the profile
//! with its secrets again before the call returns.

use latchkey_core::error::RequestError;
use latchkey_core::ports::ChangeSubject;
use latchkey_core::record::ProfileSecretRecord;
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::entity::profile_secret::{ActiveModel, Column, Entity};
use crate::error::StoreError;
use crate::journal::{self, JournalPosition};
use crate::pool::PooledConnection;
use crate::query;
use crate::write::stored;

/// Sets a secret, in place of an earlier one of its name, if its profile was not deleted meanwhile.
pub(crate) async fn set(
    connection: PooledConnection,
    secret: ProfileSecretRecord,
    audit: &AuditEntry,
) -> Result<WriteResult<ProfileSecretRecord>, StoreError> {
    // First: a deletion of the profile has the head before it deletes the secrets, too.
    journal::lock_head(&connection).await?;
    let newest = query::profile::last_row(&connection, &secret.profile).await?;
    if newest.is_none_or(|newest| query::profile::is_deleted(&newest)) {
        return Err(RequestError::not_found("profile", &secret.profile).into());
    }
    let row = ActiveModel {
        profile: Set(secret.profile.to_string()),
        name: Set(secret.name.to_string()),
        sealed: Set(secret.sealed.0.clone()),
        set_at: Set(secret.set.0),
    };
    let replace = OnConflict::columns([Column::Profile, Column::Name])
        .update_columns([Column::Sealed, Column::SetAt])
        .to_owned();
    let inserted = Entity::insert(row).on_conflict(replace).exec_without_returning(&connection).await?;
    stored::all("profile_secrets", 1, inserted)?;
    let appended = append(&connection, &secret.profile, audit).await?;
    connection.commit().await?;
    Ok(WriteResult::written(appended.first, secret).with_history(appended.history))
}

/// Deletes a secret. The result is false if there is none; its revision is not older than that of an earlier deletion.
pub(crate) async fn delete(
    connection: PooledConnection,
    profile: &str,
    name: &str,
    audit: &AuditEntry,
) -> Result<WriteResult<bool>, StoreError> {
    journal::lock_head(&connection).await?;
    let id = || (profile.to_owned(), name.to_owned());
    let deleted = Entity::delete_by_id(id()).exec(&connection).await?;
    if deleted.rows_affected == 0 {
        let left = Entity::find_by_id(id()).one(&connection).await?;
        stored::all("profile_secrets", usize::from(left.is_some()), 0)?;
        return journal::unchanged_at_head(&connection, false).await;
    }
    let appended = append(&connection, profile, audit).await?;
    connection.commit().await?;
    Ok(WriteResult::written(appended.first, true).with_history(appended.history))
}

async fn append(
    connection: &PooledConnection,
    profile: &str,
    audit: &AuditEntry,
) -> Result<JournalPosition, StoreError> {
    let change = ChangeSubject::Profile(profile.into()).into();
    journal::append_changes(connection, &[change], audit).await
}
