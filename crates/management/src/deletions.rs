//! Calls that delete keys, users, tenants and profiles with all objects that belong to them. No replica admits any of
//! them when a call returns. Names, e-mail addresses, hints and password hashes are erased; audit events stay, and name
//! what was deleted by its identifier.
//!
//! A call for an object that was deleted before changes nothing and waits for the same revision, so that it can be repeated
//! until it succeeds. A call for an object that never existed is `NotFound`.

mod tenants;

use std::sync::Arc;

pub use self::tenants::{DeleteProfile, DeletedProfile, DeletedTenant};

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::{KeyId, UserId};
use latchkey_core::record::{KeyRecord, KeyState, TenantRef};
use latchkey_core::user::UserRecord;

use super::grants::Grants;
use super::missing::ObjectType;
use super::tokens::TokenIssuer;
use super::{CallContext, Caller, ManagementService};
use crate::ports::deletion::{DeletedObject, Deletion, DeletionStore};
use crate::ports::{AuditAction, WriteResult};

/// Key to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteKey {
    /// Identifier of the key.
    pub id: String,
    /// True to delete a key that is neither revoked nor expired.
    pub force: bool,
}

/// Carries out deletions.
pub struct Deletions {
    management: Arc<ManagementService>,
    tokens: Arc<TokenIssuer>,
    store: Arc<dyn DeletionStore>,
}

impl Deletions {
    /// Creates the service from its dependencies.
    #[must_use]
    pub fn new(
        management: Arc<ManagementService>,
        tokens: Arc<TokenIssuer>,
        store: Arc<dyn DeletionStore>,
    ) -> Self {
        Self { management, tokens, store }
    }

    /// Deletes a key: one that is revoked or has expired, or any with `force`. Returns the revision of the deletion.
    pub async fn delete_key(
        &self,
        caller: &Caller,
        request: DeleteKey,
        call: &CallContext,
    ) -> Result<u64, ManagementError> {
        let management = &*self.management;
        management.manages_keys(caller)?;
        caller.require_creator()?;
        let not_found = || management.not_found(ObjectType::Key, &request.id);
        let id: KeyId = request.id.parse().map_err(|_| not_found())?;
        let (key, tenant) = match management.managed_key(caller, &request.id).await {
            Err(missing @ ManagementError::Request(RequestError::NotFound { .. })) => {
                return self.deleted_before(caller, &DeletedObject::Key(id), missing, call).await;
            }
            found => found?,
        };
        let now = management.parts.clock.now().wall;
        let own = caller.bounded_in(&tenant);
        let policy = own.map(|_| management.policy_of(&tenant)).transpose()?;
        let rule = |key: &KeyRecord| {
            if own.zip(policy.as_deref()).is_some_and(|(own, policy)| !Grants::of(own, policy).reaches(key)) {
                return Err(not_found());
            }
            check_ended(key, key.state(now), request.force)
        };
        let entry = management
            .audit_entry(caller, AuditAction::KeyDelete, call)
            .for_tenant(tenant.id)
            .on_target(&key.id);
        let entry = entry.with_detail("force", if request.force { "true" } else { "" });
        match self.store.delete_key(id, &rule, entry).await {
            // Another call has deleted it first.
            Err(missing @ ManagementError::Request(RequestError::NotFound { .. })) => {
                self.deleted_before(caller, &DeletedObject::Key(id), missing, call).await
            }
            written => Ok(management.wait_until_applied(written?, call).await?.revision),
        }
    }

    /// Deletes a user with all of its tokens. Returns the revision of the deletion.
    pub async fn delete_user(
        &self,
        caller: &Caller,
        id: &str,
        call: &CallContext,
    ) -> Result<u64, ManagementError> {
        let management = &*self.management;
        management.manages_keys(caller)?;
        caller.require_creator()?;
        let not_found = || management.not_found(ObjectType::User, id);
        let user_id: UserId = id.parse().map_err(|_| not_found())?;
        let (user, tenant) = match self.tokens.managed_user(caller, id).await {
            Err(missing @ ManagementError::Request(RequestError::NotFound { .. })) => {
                return self.deleted_before(caller, &DeletedObject::User(user_id), missing, call).await;
            }
            found => found?,
        };
        let policy = caller.principal().map(|_| management.policy_of(&tenant)).transpose()?;
        let rule = |user: &UserRecord| {
            let reached = caller.principal().zip(policy.as_deref());
            let reached = reached.is_none_or(|(own, policy)| crate::users::reach::reaches(own, user, policy));
            if reached { Ok(()) } else { Err(not_found()) }
        };
        let entry = management
            .audit_entry(caller, AuditAction::UserDelete, call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        match self.store.delete_user(user_id, &rule, entry).await {
            Err(missing @ ManagementError::Request(RequestError::NotFound { .. })) => {
                self.deleted_before(caller, &DeletedObject::User(user_id), missing, call).await
            }
            written => Ok(management.wait_until_applied(written?, call).await?.revision),
        }
    }

    /// Waits for the deletion of an object that is missing; `missing` if the caller may not know of one.
    async fn deleted_before(
        &self,
        caller: &Caller,
        object: &DeletedObject,
        missing: ManagementError,
        call: &CallContext,
    ) -> Result<u64, ManagementError> {
        let deletion = self.store.deletion(object).await?;
        let Some(deletion) = deletion.filter(|deletion| self.may_know_of(caller, deletion)) else {
            return Err(missing);
        };
        let written: WriteResult<()> = self.management.wait_until_applied(deletion.written, call).await?;
        Ok(written.revision)
    }

    /// Returns whether a caller may know that an object was deleted. A caller that is confined to bindings or an
    /// environment may only if it deleted the object itself, because the bindings and the environment of the object are
    /// not known any more.
    fn may_know_of(&self, caller: &Caller, deletion: &Deletion) -> bool {
        let Some(own) = caller.principal() else { return true };
        let policy = self.management.policy_of(&own.tenant);
        let confined = policy.map_or(true, |policy| Grants::of(own, &policy).is_confined());
        own.tenant.id == deletion.tenant && (!confined || deletion.actor == caller.subject)
    }

    /// Returns the tenant that an operator names; the record of its deletion if it was deleted.
    async fn tenant_or_deletion(&self, name: &str) -> Result<TenantOrDeletion, ManagementError> {
        let not_found = || self.management.not_found(ObjectType::Tenant, name);
        let name = TenantRef::parse(name).ok_or_else(not_found)?;
        if let Some(tenant) = self.management.parts.store.tenant(&name).await? {
            return Ok(TenantOrDeletion::Tenant(Box::new(tenant)));
        }
        let deletion = self.store.deletion(&DeletedObject::Tenant(name)).await?;
        Ok(TenantOrDeletion::Deletion(deletion.ok_or_else(not_found)?))
    }
}

/// Tenant that there is, or that was deleted.
enum TenantOrDeletion {
    Tenant(Box<latchkey_core::record::TenantRecord>),
    Deletion(Deletion),
}

/// Checks that a key can be deleted in its state.
fn check_ended(key: &KeyRecord, state: KeyState, force: bool) -> Result<(), RequestError> {
    let state = match state {
        KeyState::Revoked | KeyState::Expired => return Ok(()),
        KeyState::Active => "active",
        KeyState::Disabled => "disabled",
    };
    if force {
        return Ok(());
    }
    let id = key.id;
    Err(RequestError::FailedPrecondition(format!(
        "{id} is {state}: revoke it first, or set force to delete a key that is neither revoked nor expired"
    )))
}
