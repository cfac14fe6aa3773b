//! Deletion of keys, users, tenants and profiles. Access ends with the commit of the first write of a deletion; its
//! revision is what callers wait for. A record of the deletion stays, without personal data.

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::record::{KeyRecord, TenantRecord, TenantRef};
use latchkey_core::user::UserRecord;

use super::{AuditEntry, WriteResult};

/// Object that may have been deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletedObject {
    /// A key.
    Key(KeyId),
    /// A user.
    User(UserId),
    /// A tenant; by its slug, the one that was deleted last.
    Tenant(TenantRef),
}

/// Record of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Tenant that the object belonged to; a tenant itself.
    pub tenant: TenantId,
    /// Subject that deleted it.
    pub actor: String,
    /// Result of the call that deleted it: its revision is the one to wait for.
    pub written: WriteResult<()>,
}

/// Numbers of erased objects of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErasedObjects {
    /// Keys.
    pub keys: u64,
    /// Users.
    pub users: u64,
}

impl ErasedObjects {
    /// Returns whether nothing was erased.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds other numbers.
    pub fn add(&mut self, other: Self) {
        self.keys += other.keys;
        self.users += other.users;
    }
}

/// Check of a key inside the write's transaction: an error keeps the key.
pub type KeyDeletionRule<'a> = &'a (dyn Fn(&KeyRecord) -> Result<(), RequestError> + Send + Sync);
/// Check of a user inside the write's transaction: an error keeps the user.
pub type UserDeletionRule<'a> = &'a (dyn Fn(&UserRecord) -> Result<(), RequestError> + Send + Sync);

/// Store of deletions. The database is the authority.
#[async_trait]
pub trait DeletionStore: Send + Sync {
    /// Reads the record of a deletion; `None` if no such object was deleted.
    async fn deletion(&self, object: &DeletedObject) -> Result<Option<Deletion>, SystemError>;
    /// Deletes a key with its token families, if the rule lets it. The hash of its value stays, so that the value cannot
    /// be imported again.
    async fn delete_key(
        &self,
        id: KeyId,
        rule: KeyDeletionRule<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError>;
    /// Deletes a user with its password hash, login history and token families, if the rule lets it.
    async fn delete_user(
        &self,
        id: UserId,
        rule: UserDeletionRule<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError>;
    /// Ends a tenant permanently: it is suspended, its slug is free, and no call of management finds it any more. Its
    /// keys and users are still there. A tenant that has ended already is not written.
    async fn begin_tenant_deletion(
        &self,
        id: TenantId,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError>;
    /// Erases a batch of the keys and users of a tenant that has ended. An empty result says that none is left.
    async fn erase_tenant(&self, id: TenantId, actor: &str) -> Result<ErasedObjects, SystemError>;
    /// Removes a tenant that has ended and whose keys and users are erased. Returns false if there are some again, from
    /// calls that ran at the same time. A tenant that is removed already is not written.
    async fn finish_tenant_deletion(&self, id: TenantId, audit: AuditEntry) -> Result<bool, SystemError>;
    /// Reads at most `limit` tenants of a profile.
    async fn tenants_of_profile(&self, profile: &str, limit: u32) -> Result<Vec<TenantRecord>, SystemError>;
    /// Reads at most `limit` tenants of a profile that have ended and that are not removed yet.
    async fn ended_tenants_of_profile(&self, profile: &str, limit: u32)
    -> Result<Vec<TenantId>, SystemError>;
    /// Deletes all versions of a profile and its signing keys, unless a tenant uses it, which is `FailedPrecondition`. A
    /// profile that was deleted before is not written; one that never existed is `NotFound`.
    async fn delete_profile(&self, name: &str, audit: AuditEntry)
    -> Result<WriteResult<()>, ManagementError>;
}
