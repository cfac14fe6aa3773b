//! Takes access away again after a database has lost the change that did: it was restored from a backup, or a
//! standby without the newest commits became the primary. Each is a write with an audit event of its own, and does
//! nothing if the access is already gone.

use std::sync::Arc;

use latchkey_core::cache::TakenAway;
use latchkey_core::error::RequestError;
use latchkey_core::id::{FamilyId, KeyId, TenantId, UserId};
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::token::SigningKeyRecord;
use latchkey_core::user::UserRecord;
use latchkey_management::ports::recovery::ReapplyTo;
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

use super::{change, family, signing_key, tenant, user};
use crate::entity::key;
use crate::error::StoreError;
use crate::journal;
use crate::pool::{Pool, PooledConnection};

/// Reason that a key revoked again carries.
const REASON: &str = "revoked again: the database had lost the revocation";

/// Takes the access away again. Returns a revision at which it is gone.
pub(crate) async fn reapply(
    pool: &Arc<Pool>,
    taken: &TakenAway,
    objects: ReapplyTo,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let connection = pool.begin().await?;
    // Access that was given back since stays.
    let stays = |revision: u64| objects == ReapplyTo::Outdated && revision >= taken.revision;
    let done = match (&taken.subject, &taken.effect) {
        (ChangeSubject::Key(hash), effect) => end_key(connection, hash, effect, &stays, audit).await,
        (ChangeSubject::Tenant(id), _) => suspend(connection, *id, &stays, audit).await,
        (ChangeSubject::User(id), _) => disable_user(connection, *id, &stays, audit).await,
        (ChangeSubject::Family(id), _) => end_family(connection, *id, audit).await,
        (ChangeSubject::SigningKeys(profile), ChangeEffect::Withdrawn(id)) => {
            withdraw(connection, profile, id, audit).await
        }
        (ChangeSubject::SigningKeys(_) | ChangeSubject::Profile(_), _) => nothing(pool).await,
    };
    match done {
        // What the database does not have any more cannot be admitted.
        Err(StoreError::Refused(RequestError::NotFound { .. })) => nothing(pool).await,
        done => done,
    }
}

/// Returns the result where nothing is to be written: the present revision.
async fn nothing(pool: &Arc<Pool>) -> Result<WriteResult<()>, StoreError> {
    journal::unchanged_at_head(&pool.acquire().await?, ()).await
}

fn without_value<T>(written: &WriteResult<T>) -> WriteResult<()> {
    WriteResult { value: (), revision: written.revision, history: written.history, changed: written.changed }
}

async fn end_key(
    connection: PooledConnection,
    hash: &KeyHash,
    effect: &ChangeEffect,
    stays: &(dyn Fn(u64) -> bool + Sync),
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let query = key::Entity::find().select_only().column(key::Column::Id);
    let query = query.filter(key::Column::Hash.eq(hash.0.to_vec()));
    let id: Option<Uuid> = query.into_tuple().one(&connection).await?;
    let id = id.ok_or(RequestError::no_such("key"))?;
    let revoked = *effect == ChangeEffect::Revoked;
    let rule = |key: &KeyRecord| {
        let lifecycle = match &key.lifecycle {
            KeyLifecycle::Revoked { .. } => key.lifecycle.clone(),
            _ if !revoked && stays(key.revision) => key.lifecycle.clone(),
            _ if revoked => KeyLifecycle::Revoked { at: audit.time, reason: REASON.to_owned() },
            _ => KeyLifecycle::Disabled,
        };
        let sealed = if revoked { None } else { key.sealed.clone() };
        Ok(KeyRecord { lifecycle, sealed, ..key.clone() })
    };
    Ok(without_value(&change::key(connection, KeyId(id), Box::new(rule), audit).await?))
}

async fn suspend(
    connection: PooledConnection,
    id: TenantId,
    stays: &(dyn Fn(u64) -> bool + Sync),
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let rule = |tenant: &TenantRecord| {
        let suspended = tenant.suspended || !stays(tenant.revision);
        Ok(TenantRecord { suspended, ..tenant.clone() })
    };
    Ok(without_value(&tenant::change(connection, id, Box::new(rule), audit).await?))
}

/// Disables a user, and ends all tokens: it is unknown which of the lost changes took which access away.
async fn disable_user(
    connection: PooledConnection,
    id: UserId,
    stays: &(dyn Fn(u64) -> bool + Sync),
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let rule = |user: &UserRecord| {
        if stays(user.revision) {
            return Ok(user.clone());
        }
        let generation = user.generation + u64::from(!user.disabled);
        Ok(UserRecord { disabled: true, generation, ..user.clone() })
    };
    Ok(without_value(&user::change(connection, id, Box::new(rule), None, audit).await?))
}

async fn end_family(
    connection: PooledConnection,
    id: FamilyId,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    Ok(without_value(&family::end(connection, id, audit.time, audit).await?))
}

/// Withdraws a signing key. If it was the one that signs, the schedule creates another.
async fn withdraw(
    connection: PooledConnection,
    profile: &str,
    id: &str,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let rule = |keys: &[SigningKeyRecord]| {
        let lost = keys.iter().filter(|key| *key.id == *id && key.withdrawn.is_none());
        let withdrawn =
            |key: &SigningKeyRecord| SigningKeyRecord { withdrawn: Some(audit.time), ..key.clone() };
        Ok(lost.map(withdrawn).collect())
    };
    Ok(without_value(&signing_key::change(connection, profile, Box::new(rule), audit.time, audit).await?))
}
