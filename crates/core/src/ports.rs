//! What the law needs from outside: somewhere to look keys up, someone who counts, the profiles in force,
//! a ledger for management. The clock is in [`crate::time`]; randomness is a parameter of what issues.

pub mod audit;
mod lookup;
pub mod seals;
pub mod shadow;
pub mod timing;
pub mod tokens;
pub mod usage;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::lookup::{Found, KeyStore};
pub use self::tokens::{FoundFamily, KnownFamily};

use crate::id::{FamilyId, KeyId, TenantId, UserId};
use crate::limit::{Charge, Demand, Levels, Spending};
use crate::policy::Policy;
use crate::record::{KeyRecord, KeyState, ProfileRecord, TenantRecord, TenantRef};
use crate::secret::KeyHash;
use crate::time::{Moment, Timestamp};
use crate::trouble::{Failure, Refusal, Trouble};

/// Counts. Every bucket of a call or none; exact under concurrency.
pub trait Limiter: Send + Sync {
    /// Takes `cost` from each bucket if all have room. A cost of zero looks and takes nothing; so does
    /// `look`, which still answers whether `cost` would find room.
    fn spend(
        &self,
        demands: &[Demand],
        cost: u32,
        look: bool,
        now: Moment,
    ) -> impl Future<Output = Result<Spending, Trouble>> + Send;

    /// The same, where nobody has to be asked; none where someone has to, and then nothing was taken. Answers
    /// whether every bucket had room, and leaves their levels in their place, which is large.
    fn spend_at_once(&self, _: &[Demand], _: Charge, _: Moment, _: &mut Levels) -> Option<bool> {
        None
    }
}

/// The profiles in force on this replica.
pub trait Policies: Send + Sync {
    /// The newest version of the profile of this name.
    fn named(&self, name: &str) -> Option<Arc<Policy>>;
    /// Whether a value has the form of any profile's keys.
    fn recognises(&self, value: &str) -> bool;
}

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
pub struct Written<T> {
    /// What was written, as it is now.
    pub value: T,
    /// The revision that it got; 0 where nothing had to be written.
    pub revision: u64,
}

/// What came of applying a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is the newest version.
    Written(Written<ProfileRecord>),
    /// Another document was applied since the others were read: look at them again.
    Overtaken,
}

/// One row of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Gap-free, in commit order.
    pub revision: u64,
    /// What changed.
    pub subject: Changed,
}

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A key, by the hash that memory knows it by.
    Key(KeyHash),
    /// A tenant.
    Tenant(TenantId),
    /// A profile.
    Profile(Box<str>),
    /// A user.
    User(UserId),
    /// A family of tokens.
    Family(FamilyId),
    /// A profile's signing keys.
    SigningKeys(Box<str>),
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
pub enum Made {
    /// It was made.
    New(KeyRecord),
    /// The same call had made it before.
    Before(KeyRecord),
}

/// Decides on a key inside the write's own transaction: what it becomes, or why not.
pub type KeyRule<'a> = Box<dyn FnOnce(&KeyRecord) -> Result<KeyRecord, Refusal> + Send + 'a>;
/// The same for a rotation: what the old key becomes, and its successor.
pub type RotateRule<'a> = Box<dyn FnOnce(&KeyRecord) -> Result<(KeyRecord, KeyRecord), Refusal> + Send + 'a>;
/// The same for a tenant.
pub type TenantRule<'a> = Box<dyn FnOnce(&TenantRecord) -> Result<TenantRecord, Refusal> + Send + 'a>;

/// The authority: reads for management, and every write. Each write that can change a decision takes the
/// next revision last in its own transaction, and leaves its feed row and its audit entry there.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The key of this id.
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, Trouble>;
    /// Keys of a tenant, newest first, older than `before`, at most `limit`.
    async fn keys(
        &self,
        tenant: TenantId,
        filter: &KeyFilter,
        before: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, Trouble>;
    /// The tenant of this name.
    async fn tenant(&self, tenant: &TenantRef) -> Result<Option<TenantRecord>, Trouble>;
    /// Tenants, newest first, older than `before`, at most `limit`.
    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<TenantRecord>, Trouble>;
    /// The newest version of every profile, by name.
    async fn profiles(&self) -> Result<Vec<ProfileRecord>, Trouble>;
    /// A profile's version; none: the newest.
    async fn profile(&self, name: &str, version: Option<u64>) -> Result<Option<ProfileRecord>, Trouble>;

    /// Makes keys: all or none. A hash that exists already is `AlreadyExists`, naming the key by its place.
    async fn create_keys(&self, keys: Vec<NewKey>, audit: AuditEntry) -> Result<Written<Vec<Made>>, Failure>;
    /// Changes a key by a rule. An unchanged record is not written.
    async fn change_key(
        &self,
        id: KeyId,
        rule: KeyRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<KeyRecord>, Failure>;
    /// Changes a key and makes its successor; answers both, the successor second.
    async fn rotate_key(
        &self,
        id: KeyId,
        rule: RotateRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<(KeyRecord, KeyRecord)>, Failure>;
    /// Makes a tenant; a slug that exists is `AlreadyExists`.
    async fn create_tenant(
        &self,
        tenant: TenantRecord,
        audit: AuditEntry,
    ) -> Result<Written<TenantRecord>, Failure>;
    /// Changes a tenant by a rule. An unchanged record is not written.
    async fn change_tenant(
        &self,
        id: TenantId,
        rule: TenantRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<TenantRecord>, Failure>;
    /// Stores a document as the next version, if `among` is still the newest revision of any profile (0: there is
    /// none): what the document was held against is then still all there is. The newest version's very text is not
    /// stored again.
    async fn apply_profile(
        &self,
        (name, document): (&str, &str),
        among: u64,
        audit: AuditEntry,
    ) -> Result<Applied, Failure>;
    /// Makes sure of the operators' tenant and of a first key: `first` is made where the tenant has no key
    /// at all, or, with `insist`, where no key has its hash. Answers whether it was made. Racing callers
    /// make one.
    async fn found(
        &self,
        tenant: TenantRecord,
        first: KeyRecord,
        insist: bool,
        audit: AuditEntry,
    ) -> Result<Written<bool>, Failure>;
}

/// The change feed, for what follows it.
#[async_trait]
pub trait Feed: Send + Sync {
    /// Changes after `revision`, oldest first, at most `limit`, without a gap.
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<Change>, Trouble>;
    /// The store's revision now.
    async fn revision(&self) -> Result<u64, Trouble>;
}

/// A process that decides by what it remembers of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its own, made anew at each start.
    pub id: Box<str>,
    /// For people: where it answers.
    pub name: Box<str>,
}

/// The replicas that may decide by memory, as the store knows them. Times are by the store's clock.
#[async_trait]
pub trait Replicas: Send + Sync {
    /// Enters a replica, or renews its entry: it has applied everything up to `revision`, and trusts its
    /// memory no longer than `holds` from now.
    async fn report(&self, replica: &Replica, revision: u64, holds: Duration) -> Result<(), Trouble>;
    /// Tells that an entered replica has applied everything up to `revision`. Cheaper than `report`: what gets
    /// lost of it costs a writer time and nothing else.
    async fn advance(&self, replica: &Replica, revision: u64) -> Result<(), Trouble>;
    /// Takes a replica out: it trusts its memory no more.
    async fn leave(&self, replica: &Replica) -> Result<(), Trouble>;
    /// How many others still hold and have not applied this revision.
    async fn behind(&self, replica: &Replica, revision: u64) -> Result<u64, Trouble>;
}

/// Tells when something may have changed. Missing a call costs time, never truth.
#[async_trait]
pub trait Wakeups: Send {
    /// Returns when something may have changed, at once after a connection was lost and found again.
    async fn next(&mut self);
}

/// Waits until every memory that could answer has seen a revision.
#[async_trait]
pub trait Spreading: Send + Sync {
    /// Returns when nothing decides by a state older than `revision` any more.
    async fn spread(&self, revision: u64) -> Result<(), Trouble>;
}
