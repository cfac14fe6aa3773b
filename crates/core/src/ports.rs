//! Interfaces that the decisions need from outside: key lookups, the rate limiter, the profiles in force, and the
//! change feed with its replicas. The clock is in [`crate::time`]; randomness is a parameter.

mod lookup;
pub mod shadow;
pub mod timing;
pub mod tokens;
pub mod usage;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::lookup::{KeyStore, LookupResult};
pub use self::tokens::{FamilyLookup, TokenFamily};

use crate::error::SystemError;
use crate::id::{FamilyId, TenantId, UserId};
use crate::limit::{BucketCharge, ChargeOptions, Levels};
use crate::policy::Policy;
use crate::secret::KeyHash;
use crate::time::Moment;

/// Counts. Every bucket of a call or none; exact under concurrency.
pub trait Limiter: Send + Sync {
    /// Takes the charge's cost from each bucket if all have room, and returns whether they had. A cost of zero
    /// takes nothing; so does a look, which still says whether the cost would find room. Writes the level of
    /// every bucket into `levels`, in place of what was there. Ready on its first poll where no other process
    /// has to be asked.
    fn charge(
        &self,
        charges: &[BucketCharge],
        options: ChargeOptions,
        now: Moment,
        levels: &mut Levels,
    ) -> impl Future<Output = Result<bool, SystemError>> + Send;
}

/// The profiles in force on this replica.
pub trait Policies: Send + Sync {
    /// The newest version of the profile of this name.
    fn named(&self, name: &str) -> Option<Arc<Policy>>;
    /// Whether a value has the form of any profile's keys.
    fn matches_key_format(&self, value: &str) -> bool;
}

/// One row of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Gap-free, in commit order.
    pub revision: u64,
    /// What changed.
    pub subject: ChangeSubject,
}

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeSubject {
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

/// The change feed, for what follows it.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Changes after `revision`, oldest first, at most `limit`, without a gap.
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<Change>, SystemError>;
    /// The store's revision now.
    async fn revision(&self) -> Result<u64, SystemError>;
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
    async fn heartbeat(&self, replica: &Replica, revision: u64, holds: Duration) -> Result<(), SystemError>;
    /// Tells that an entered replica has applied everything up to `revision`. Cheaper than `report`: what gets
    /// lost of it costs a writer time and nothing else.
    async fn set_applied(&self, replica: &Replica, revision: u64) -> Result<(), SystemError>;
    /// Takes a replica out: it trusts its memory no more.
    async fn deregister(&self, replica: &Replica) -> Result<(), SystemError>;
    /// How many others still hold and have not applied this revision.
    async fn count_lagging(&self, replica: &Replica, revision: u64) -> Result<u64, SystemError>;
}

/// Tells when something may have changed. Missing a call costs time, never truth.
#[async_trait]
pub trait ChangeNotifications: Send {
    /// Returns when something may have changed, at once after a connection was lost and found again.
    async fn next(&mut self);
}
