//! Interfaces that decisions need from outside: key lookups, the rate limiter, the profiles in force, and the
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

/// Charges buckets. It charges all buckets of a call or none, and is exact under concurrency.
pub trait Limiter: Send + Sync {
    /// Takes the cost from each bucket if all of them have room for it, and returns whether they had. A cost
    /// of zero takes nothing. A dry run takes nothing either, but its result says whether the cost would have
    /// room. The levels of all buckets replace the content of `levels`. The future is ready on its first poll
    /// if no other process has to be asked.
    fn charge(
        &self,
        charges: &[BucketCharge],
        options: ChargeOptions,
        now: Moment,
        levels: &mut Levels,
    ) -> impl Future<Output = Result<bool, SystemError>> + Send;
}

/// Profiles in force on this replica.
pub trait Policies: Send + Sync {
    /// Returns the newest version of the profile of this name.
    fn named(&self, name: &str) -> Option<Arc<Policy>>;
    /// Returns whether a value has the format of the keys of any profile.
    fn matches_key_format(&self, value: &str) -> bool;
}

/// A row of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The revision: gap-free, in commit order.
    pub revision: u64,
    /// The changed object.
    pub subject: ChangeSubject,
}

/// Object that a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeSubject {
    /// A key, by the hash that the cache finds it by.
    Key(KeyHash),
    /// A tenant.
    Tenant(TenantId),
    /// A profile, by name.
    Profile(Box<str>),
    /// A user.
    User(UserId),
    /// A token family.
    Family(FamilyId),
    /// The signing keys of a profile, by its name.
    SigningKeys(Box<str>),
}

/// The change feed, as followers read it.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Returns the changes after the revision `after`, oldest first and without a gap: `limit` of them at
    /// most.
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<Change>, SystemError>;
    /// Returns the newest revision of the database.
    async fn revision(&self) -> Result<u64, SystemError>;
}

/// A process that decides from a cache of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Identifier, new at each start of the process.
    pub id: Box<str>,
    /// Name for people: the address that the replica serves on.
    pub name: Box<str>,
}

/// Replicas that may use their caches, as the database knows them. Times are by the database's clock.
#[async_trait]
pub trait Replicas: Send + Sync {
    /// Registers a replica or renews its row. The replica has applied all changes up to `revision`, and its
    /// cache is trusted no longer than `lease` from now.
    async fn heartbeat(&self, replica: &Replica, revision: u64, lease: Duration) -> Result<(), SystemError>;
    /// Records that a registered replica has applied all changes up to `revision`. It costs less than a
    /// heartbeat. If a call is lost, a writer waits longer, and nothing else happens.
    async fn set_applied(&self, replica: &Replica, revision: u64) -> Result<(), SystemError>;
    /// Removes the row of a replica that no longer uses its cache.
    async fn deregister(&self, replica: &Replica) -> Result<(), SystemError>;
    /// Returns the number of other replicas whose lease is valid and that have not applied this revision.
    async fn count_lagging(&self, replica: &Replica, revision: u64) -> Result<u64, SystemError>;
}

/// Notifications that the change feed may have grown. A lost notification costs time until the next poll,
/// never correctness.
#[async_trait]
pub trait ChangeNotifications: Send {
    /// Returns when something may have changed. It returns at once after a lost connection was restored.
    async fn next(&mut self);
}
