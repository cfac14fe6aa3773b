//! Interfaces that decisions need from outside: key lookups, the rate limiter, the profiles in force, and the
//! change feed with its replicas. The clock is in [`crate::time`]; randomness is a parameter.

mod feed;
mod lookup;
mod replicas;
pub mod shadow;
pub mod timing;
pub mod tokens;
pub mod usage;

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::feed::{
    Change, ChangeEffect, ChangeFeed, ChangeSubject, FeedExtent, FeedPoll, HistoryHash, PendingChange,
};
pub use self::lookup::{HashUse, HashUses, KeyStore, LookupResult, ReadAt, RefreshTokenLookup};
pub use self::replicas::{Announcement, Fleet, FleetCounts, Replica, ReplicaRow, Replicas};
pub use self::tokens::{FamilyLookup, TokenFamily};

use crate::error::SystemError;
use crate::imported_hash::ImportedHashes;
use crate::limit::{BucketCharge, ChargeOptions, Levels};
use crate::policy::Policy;
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
    /// Returns the hashes, besides SHA-256, by which a key of this value may be stored in any profile.
    fn imported_hashes(&self, _value: &str) -> ImportedHashes {
        ImportedHashes::new()
    }
}

/// Renewal of the cache's lease, for a call that finds it expired.
#[async_trait]
pub trait LeaseRenewal: Send + Sync {
    /// Returns when the lease is valid again. Returns `Unavailable` if it is not in time for a Check.
    async fn renew(&self) -> Result<(), SystemError>;
}

/// A renewal that fails at once, for gates whose cache has a lease without end.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRenewal;

#[async_trait]
impl LeaseRenewal for NoRenewal {
    async fn renew(&self) -> Result<(), SystemError> {
        Err(SystemError::database())
    }
}

/// Notifications that the change feed may have grown. A lost notification costs time until the next poll,
/// never correctness.
#[async_trait]
pub trait ChangeNotifications: Send {
    /// Returns when something may have changed. It returns at once after a lost connection was restored.
    async fn next(&mut self);
}
