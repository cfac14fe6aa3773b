//! Interfaces that management needs from outside: the database for its reads and writes, and waiting until a change
//! is applied everywhere.

pub mod audit;
pub mod sealed_values;
pub mod shadow;
pub mod tokens;
pub mod usage;

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::record::{KeyRecord, KeyState, ProfileRecord, TenantRecord, TenantRef};
use latchkey_core::time::{MonotonicInstant, Timestamp};

/// One line of the audit log, written in the transaction of what it tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub time: Timestamp,
    /// Whose things, where they are a tenant's.
    pub tenant: Option<TenantId>,
    /// The subject that acted.
    pub actor: String,
    /// What it did (`key.revoke`).
    pub action: &'static str,
    /// What it did it to.
    pub target: String,
    /// The request's identifier.
    pub request_id: String,
    /// More, never secrets.
    pub details: BTreeMap<String, String>,
}

/// What a write left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteResult<T> {
    /// What was written, as it is now.
    pub value: T,
    /// The revision that it got; 0 where nothing had to be written.
    pub revision: u64,
}

/// What came of applying a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyResult {
    /// It is the newest version.
    Written(WriteResult<ProfileRecord>),
    /// Another document was applied since the others were read: look at them again.
    Conflict,
}

/// What a page of keys is asked by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// One kind alone.
    pub kind: Option<String>,
    /// One environment alone.
    pub environment: Option<String>,
    /// One state alone, at a moment.
    pub state: Option<(KeyState, Timestamp)>,
    /// These bindings, among others.
    pub bindings: BTreeMap<String, String>,
}

/// A key to be made, with what makes making it idempotent.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key.
    pub record: KeyRecord,
    /// The caller's idempotency key, and a hash of everything else that it asked.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// What came of making a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    New(KeyRecord),
    /// The same call had made it before.
    Existing(KeyRecord),
}

/// Decides on a key inside the write's own transaction: what it becomes, or why not.
pub type KeyUpdateFn<'a> = Box<dyn FnOnce(&KeyRecord) -> Result<KeyRecord, RequestError> + Send + 'a>;
/// The same for a rotation: what the old key becomes, and its successor.
pub type KeyRotationFn<'a> =
    Box<dyn FnOnce(&KeyRecord) -> Result<(KeyRecord, KeyRecord), RequestError> + Send + 'a>;
/// The same for a tenant.
pub type TenantUpdateFn<'a> =
    Box<dyn FnOnce(&TenantRecord) -> Result<TenantRecord, RequestError> + Send + 'a>;

/// The authority: reads for management, and every write. Each write that can change a decision takes the
/// next revision last in its own transaction, and leaves its feed row and its audit entry there.
#[async_trait]
pub trait ManagementStore: Send + Sync {
    /// The key of this id.
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, SystemError>;
    /// Keys of a tenant, newest first, older than `before`, at most `limit`.
    async fn keys(
        &self,
        tenant: TenantId,
        filter: &KeyFilter,
        before: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, SystemError>;
    /// The tenant of this name.
    async fn tenant(&self, tenant: &TenantRef) -> Result<Option<TenantRecord>, SystemError>;
    /// Tenants, newest first, older than `before`, at most `limit`.
    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<TenantRecord>, SystemError>;
    /// The newest version of every profile, by name.
    async fn profiles(&self) -> Result<Vec<ProfileRecord>, SystemError>;
    /// A profile's version; none: the newest.
    async fn profile(&self, name: &str, version: Option<u64>) -> Result<Option<ProfileRecord>, SystemError>;

    /// Makes keys: all or none. A hash that exists already is `AlreadyExists`, naming the key by its place.
    async fn create_keys(
        &self,
        keys: Vec<NewKey>,
        audit: AuditEntry,
    ) -> Result<WriteResult<Vec<Created>>, ManagementError>;
    /// Changes a key by a rule. An unchanged record is not written.
    async fn change_key(
        &self,
        id: KeyId,
        rule: KeyUpdateFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<KeyRecord>, ManagementError>;
    /// Changes a key and makes its successor; answers both, the successor second.
    async fn rotate_key(
        &self,
        id: KeyId,
        rule: KeyRotationFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<(KeyRecord, KeyRecord)>, ManagementError>;
    /// Makes a tenant; a slug that exists is `AlreadyExists`.
    async fn create_tenant(
        &self,
        tenant: TenantRecord,
        audit: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError>;
    /// Changes a tenant by a rule. An unchanged record is not written.
    async fn change_tenant(
        &self,
        id: TenantId,
        rule: TenantUpdateFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError>;
    /// Stores a document as the next version, if `among` is still the newest revision of any profile (0: there is
    /// none): what the document was held against is then still all there is. The newest version's very text is not
    /// stored again.
    async fn apply_profile(
        &self,
        (name, document): (&str, &str),
        expected_revision: u64,
        audit: AuditEntry,
    ) -> Result<ApplyResult, ManagementError>;
    /// Makes sure of the operators' tenant and of a first key: `first` is made where the tenant has no key
    /// at all, or, with `insist`, where no key has its hash. Answers whether it was made. Racing callers
    /// make one.
    async fn bootstrap_operator(
        &self,
        tenant: TenantRecord,
        first: KeyRecord,
        insist: bool,
        audit: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError>;
}

/// Waits until every replica that decides has applied a revision.
#[async_trait]
pub trait Propagation: Send + Sync {
    /// Returns when no replica decides by a state older than `revision` any more. Waits until `deadline` at the
    /// latest, where there is one, and returns an outage if the revision is not applied everywhere by then: the change
    /// is committed all the same.
    async fn wait_until_applied(
        &self,
        revision: u64,
        deadline: Option<MonotonicInstant>,
    ) -> Result<(), SystemError>;
}
