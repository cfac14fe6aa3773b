//! Interfaces that management needs from outside: the database for its reads and writes, and waiting until a change
//! is applied everywhere.

mod acting_caller;
mod action;
pub mod audit;
pub mod bulk;
pub mod deletion;
pub mod impact;
pub mod listing;
pub mod recovery;
pub mod sealed_values;
pub mod shadow;
pub mod tokens;
pub mod usage;

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::ports::HistoryHash;
use latchkey_core::profile_change::AffectedRecords;
use latchkey_core::record::{KeyRecord, ProfileRecord, ProfileSecretRecord, TenantRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::{MonotonicInstant, Timestamp};

pub use self::acting_caller::{ActingCaller, ActingKey, ActingSubject, ActingUser};
pub use self::action::AuditAction;
use self::impact::Impact;
pub use self::listing::{
    EventFilter, KeyFilter, KeyOrder, ListPart, ListRange, OrderValue, Position, TenantFilter, TenantOrder,
    TimeRange, UserFilter, UserOrder,
};

/// Audit log entry, written in the transaction of the change that it describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Time of the action.
    pub time: Timestamp,
    /// Tenant that the entry belongs to; `None` for actions outside of tenants.
    pub tenant: Option<TenantId>,
    /// Subject that performed the action.
    pub actor: String,
    /// Caller that must not have lost rights when the entry is written; `None` for an action that no caller asks for, and
    /// for one that may have ended the caller itself. The log does not have it.
    pub caller: Option<ActingCaller>,
    /// Action.
    pub action: AuditAction,
    /// Object of the action.
    pub target: String,
    /// Identifier of the request.
    pub request_id: String,
    /// Further details; never secrets.
    pub details: BTreeMap<String, String>,
}

/// Result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteResult<T> {
    /// Value as it is stored after the write.
    pub value: T,
    /// Revision of the write. If nothing had to be written, the revision that last changed the value, or a newer one:
    /// the caller waits for it all the same, since an earlier call may have returned before it was applied everywhere.
    pub revision: u64,
    /// History of the database at that revision; `None` if it is unknown. A database that loses commits gives the number
    /// of a lost revision to another write.
    pub history: Option<HistoryHash>,
    /// True if something was written.
    pub changed: bool,
}

impl<T> WriteResult<T> {
    /// Returns the result of a write with this revision.
    pub fn written(revision: u64, value: T) -> Self {
        Self { value, revision, history: None, changed: true }
    }

    /// Returns the result of a call that found its value in place, which this revision or an earlier one wrote.
    pub fn unchanged(revision: u64, value: T) -> Self {
        Self { value, revision, history: None, changed: false }
    }

    /// Sets the history at the revision.
    #[must_use]
    pub fn with_history(self, history: Option<HistoryHash>) -> Self {
        Self { history, ..self }
    }
}

/// Document to store as the next version of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewProfileVersion<'a> {
    /// Name of the profile.
    pub name: &'a str,
    /// Text of the document.
    pub document: &'a str,
    /// Comment on the change; empty for none.
    pub comment: &'a str,
    /// Newest revision of the profiles that the document was checked against; 0 if there were none.
    pub expected_revision: u64,
}

/// Result of applying a profile document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyResult {
    /// The document is the newest version.
    Written(WriteResult<ProfileRecord>),
    /// Another document was applied since the caller read the profiles: the caller must check against them again.
    Conflict,
}

/// Key to create, with the data for idempotency.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Record of the key.
    pub record: KeyRecord,
    /// Idempotency key of the caller, and a hash of all other fields of the request.
    pub idempotency: Option<(String, [u8; 32])>,
    /// True if the value was not made here, so that it may be the value of a key that was deleted.
    pub imported: bool,
}

/// Key that has a hash already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingHash {
    /// A key that exists.
    Present,
    /// A key that was deleted. Its value can't be used again.
    Deleted,
}

/// Result of creating a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The key was created.
    New(KeyRecord),
    /// An earlier call with the same idempotency key created this key.
    Existing(KeyRecord),
}

/// Decision on a key inside the write's transaction: the changed record, or the reason for a rejection.
pub type KeyUpdateFn<'a> = Box<dyn FnOnce(&KeyRecord) -> Result<KeyRecord, RequestError> + Send + 'a>;
/// Decision on a rotation inside the write's transaction: the changed old key and its successor.
pub type KeyRotationFn<'a> =
    Box<dyn FnOnce(&KeyRecord) -> Result<(KeyRecord, KeyRecord), RequestError> + Send + 'a>;
/// Decision on a tenant inside the write's transaction.
pub type TenantUpdateFn<'a> =
    Box<dyn FnOnce(&TenantRecord) -> Result<TenantRecord, RequestError> + Send + 'a>;

/// Reads for management, and all writes. The database is the authority. Each write that can change a decision takes
/// the next revision last in its own transaction, and appends its feed row and its audit entry there.
#[async_trait]
pub trait ManagementStore: Send + Sync {
    /// Reads a key by id.
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, SystemError>;
    /// Reads a part of a list of keys.
    async fn keys(
        &self,
        filter: &KeyFilter,
        range: &ListRange<KeyOrder>,
    ) -> Result<ListPart<KeyRecord>, SystemError>;
    /// Reads a tenant by id or slug.
    async fn tenant(&self, tenant: &TenantRef) -> Result<Option<TenantRecord>, SystemError>;
    /// Reads the tenants with these identifiers that exist.
    async fn tenants_by_id(&self, ids: &[TenantId]) -> Result<Vec<TenantRecord>, SystemError>;
    /// Reads a part of a list of tenants.
    async fn tenants(
        &self,
        filter: &TenantFilter,
        range: &ListRange<TenantOrder>,
    ) -> Result<ListPart<TenantRecord>, SystemError>;
    /// Reads the newest version of every profile, ordered by name.
    async fn profiles(&self) -> Result<Vec<ProfileRecord>, SystemError>;
    /// Reads a version of a profile; `None` for the newest.
    async fn profile(&self, name: &str, version: Option<u64>) -> Result<Option<ProfileRecord>, SystemError>;

    /// Returns those of the hashes by which keys exist already, or existed until they were deleted.
    async fn existing_hashes(
        &self,
        hashes: &[KeyHash],
    ) -> Result<HashMap<KeyHash, ExistingHash>, SystemError>;

    /// Creates keys: all or none. A hash that exists already is `AlreadyExists`, which names the key by its index.
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
    /// Changes a key and creates its successor; returns both, the successor second.
    async fn rotate_key(
        &self,
        id: KeyId,
        rule: KeyRotationFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<(KeyRecord, KeyRecord)>, ManagementError>;
    /// Creates a tenant; a slug that exists is `AlreadyExists`.
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
    /// Reads the versions of a profile that are older than `before`, newest first, at most `limit`. Their documents are
    /// left empty.
    async fn profile_versions(
        &self,
        name: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ProfileRecord>, SystemError>;
    /// Counts the keys, users or tenants of a profile that a change affects, up to [`impact::MAX_COUNT`].
    async fn impact(
        &self,
        profile: &str,
        affected: &AffectedRecords,
        now: Timestamp,
    ) -> Result<Impact, SystemError>;
    /// Stores a document as the next version, if `expected_revision` is still the newest revision of all profiles, so
    /// that the profiles that the document was checked against are still in force. The actor of the audit entry is the
    /// version's author. A document that is identical to the newest version is not stored again.
    async fn apply_profile(
        &self,
        version: NewProfileVersion<'_>,
        audit: AuditEntry,
    ) -> Result<ApplyResult, ManagementError>;
    /// Reads the secrets of all profiles.
    async fn profile_secrets(&self) -> Result<Vec<ProfileSecretRecord>, SystemError>;
    /// Sets a secret of a profile, in place of an earlier one of its name.
    async fn set_profile_secret(
        &self,
        secret: ProfileSecretRecord,
        audit: AuditEntry,
    ) -> Result<WriteResult<ProfileSecretRecord>, ManagementError>;
    /// Deletes a secret of a profile. The value of the result is false if there was none.
    async fn delete_profile_secret(
        &self,
        profile: &str,
        name: &str,
        audit: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError>;
    /// Ensures that the operators' tenant and a first key exist: `first` is created if the tenant has no key at all
    /// or, with `insist`, if no key has its hash. Returns true if it was created. Concurrent callers create one key.
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
    /// Returns when no replica decides by a state older than `revision`, which has this history. Waits until `deadline` at the latest, if
    /// there is one, and returns `Unavailable` if the revision is not applied everywhere by then; the change is
    /// committed in either case.
    async fn wait_until_applied(
        &self,
        revision: u64,
        history: Option<HistoryHash>,
        deadline: Option<MonotonicInstant>,
    ) -> Result<(), SystemError>;
}
