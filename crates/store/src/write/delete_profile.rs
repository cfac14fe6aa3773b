//! Deletes a profile: all of its documents, its secrets and its signing keys. A row without a document stays, so that a
//! profile of the same name that is applied later continues its versions: replicas tell versions apart by their numbers.

use latchkey_core::error::RequestError;
use latchkey_core::ports::{ChangeSubject, PendingChange};
use latchkey_core::record::ProfileRecord;
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::entity::prelude::*;

use crate::entity::{profile, profile_secret, signing_key};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::query;
use crate::row;
use crate::write::stored;

/// Deletes the profile, unless a tenant uses it. The head is locked before the profile is read, so that no version is
/// applied meanwhile.
pub(crate) async fn delete(
    connection: PooledConnection,
    name: &str,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    // First, as in the writes of signing keys and secrets: none is stored after the rows are deleted here.
    journal::lock_head(&connection).await?;
    let signing_keys = signing_key::Entity::delete_many().filter(signing_key::Column::Profile.eq(name));
    signing_keys.exec(&connection).await?;
    if signing_key::Entity::find()
        .filter(signing_key::Column::Profile.eq(name))
        .one(&connection)
        .await?
        .is_some()
    {
        return Err(stored::lost("signing_keys"));
    }
    let secrets = profile_secret::Entity::delete_many().filter(profile_secret::Column::Profile.eq(name));
    secrets.exec(&connection).await?;
    let of_profile = profile_secret::Column::Profile.eq(name);
    if profile_secret::Entity::find().filter(of_profile).one(&connection).await?.is_some() {
        return Err(stored::lost("profile_secrets"));
    }
    let newest = query::profile::last_row(&connection, name).await?;
    let newest = newest.ok_or_else(|| RequestError::not_found("profile", name))?;
    if query::profile::is_deleted(&newest) {
        return journal::unchanged(&connection, newest.revision, ()).await;
    }
    if let Some(tenant) = query::tenant::of_profile(&connection, name, 1).await?.first() {
        let text = format!("the tenant {} uses the profile {name}; delete its tenants first", tenant.slug);
        return Err(RequestError::FailedPrecondition(text).into());
    }
    let changes: [PendingChange; 2] =
        [ChangeSubject::Profile(name.into()).into(), ChangeSubject::SigningKeys(name.into()).into()];
    let appended = journal::append_changes(&connection, &changes, audit).await?;
    let revision = appended.first + 1;
    profile::Entity::delete_many().filter(profile::Column::Name.eq(name)).exec(&connection).await?;
    let left = ProfileRecord {
        name: name.into(),
        version: newest.version + 1,
        document: String::new(),
        applied: audit.time,
        applied_by: audit.actor.as_str().into(),
        comment: "".into(),
        revision,
    };
    let inserted =
        profile::Entity::insert(row::profile::row(&left)).exec_without_returning(&connection).await?;
    stored::all("profiles", 1, inserted)?;
    connection.commit().await?;
    Ok(WriteResult::written(revision, ()).with_history(appended.history))
}
