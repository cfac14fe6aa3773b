//! Follower of the change feed: applies the changes of all replicas to the cache in order, and keeps the cache's lease.
//!
//! A *round* extends the lease: the heartbeat is committed, and then everything up to the newest revision is applied;
//! both by one session, so that the server that is read is one that accepts writes. The lease counts from the start of
//! the round. *Polls* between rounds apply changes earlier and extend nothing. `docs/revocation.md` has the protocol.

mod apply;
mod holders;
mod host;
mod lease;
mod membership;
mod outdated;
mod propagation;
mod recovery;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use latchkey_config::FollowerSettings;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::SystemError;
use latchkey_core::ports::{ChangeFeed, ChangeNotifications, FeedPoll};
use latchkey_core::record::ProfileRecord;
use latchkey_core::time::{Clock, MonotonicInstant};
use latchkey_management::ports::ManagementStore;
use latchkey_management::ports::recovery::RecoveryStore;
use latchkey_profile::Catalog;
use latchkey_redis::Notifier;
use tokio::sync::{Mutex, Notify, watch};

use self::membership::OwnRow;
use crate::signing::SigningKeyLoader;
pub(crate) use host::identity as host_identity;
pub(crate) use membership::{EntryError, Membership, MembershipSettings};
pub(crate) use recovery::HISTORY_LOST;
pub(crate) use status::FollowerStatus;

/// Number of changes that are read at once, besides the one that was applied last.
const PAGE_SIZE: u32 = 1_000;
/// Time between two rounds, unless polls are less frequent. Each round is one small durable write.
const ROUND_INTERVAL: Duration = Duration::from_secs(1);
/// Number of rounds that are begun in one lease, at least.
const ROUNDS_PER_LEASE: u32 = 4;

/// Dependencies of a [`Follower`].
pub(crate) struct FollowerParts {
    pub(crate) feed: Arc<dyn ChangeFeed>,
    pub(crate) store: Arc<dyn ManagementStore>,
    pub(crate) recovery: Arc<dyn RecoveryStore>,
    pub(crate) cache: Arc<ReplicaCache>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: FollowerSettings,
    /// Place among the replicas; `None` if the database belongs to this process alone.
    pub(crate) membership: Option<Membership>,
    /// Notifier of the other replicas, by Redis.
    pub(crate) notifier: Option<Notifier>,
    /// Sources of notifications for this replica.
    pub(crate) notifications: Mutex<Vec<Box<dyn ChangeNotifications>>>,
    pub(crate) signing: SigningKeyLoader,
}

/// Applies the change feed to the cache and to the profiles in force.
pub(crate) struct Follower {
    parts: FollowerParts,
    wake: Notify,
    /// Newest revision that is in force here.
    applied: watch::Sender<u64>,
    /// End of the cache's lease, for calls that wait for a new one.
    lease_end: watch::Sender<MonotonicInstant>,
    /// Number of rounds that have begun.
    rounds_begun: AtomicU64,
    /// Number of the last complete round, and its start; 0 before the first.
    last_round: watch::Sender<(u64, MonotonicInstant)>,
    /// True if the next poll must be a round, whenever the last one was.
    round_requested: AtomicBool,
    /// Revision that the database must have since the last recovery.
    required_head: AtomicU64,
    /// True after a poll that failed.
    failing: AtomicBool,
    /// Documents of the profiles in force.
    documents: std::sync::Mutex<Vec<ProfileRecord>>,
    counts: status::FollowerCounts,
}

impl Follower {
    pub(crate) fn new(parts: FollowerParts) -> Self {
        Self {
            parts,
            wake: Notify::new(),
            applied: watch::channel(0).0,
            lease_end: watch::channel(MonotonicInstant(0)).0,
            rounds_begun: AtomicU64::new(0),
            last_round: watch::channel((0, MonotonicInstant(0))).0,
            round_requested: AtomicBool::new(true),
            required_head: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            documents: std::sync::Mutex::default(),
            counts: status::FollowerCounts::default(),
        }
    }

    /// Starts from the present state of the database. The cache is empty, so earlier changes do not matter.
    pub(crate) async fn initialize(&self) -> Result<(), EntryError> {
        let extent = self.parts.feed.extent().await?;
        if let Some(damage) = extent.rows_behind() {
            return Err(SystemError::Internal(damage).into());
        }
        if let Some(others) = extent.other_heads() {
            tracing::error!("{others}");
        }
        let head = extent.head;
        self.reapply_outdated().await?;
        if let Some(history) = self.history_of(head).await? {
            self.parts.cache.applied_changes().record_history(head, history);
        }
        self.parts.feed.require_revision(head);
        self.reload_profiles().await?;
        self.parts.signing.reload(head).await?;
        self.mark_applied(head);
        self.poll(true).await
    }

    /// Wakes the follower on every notification, until the future is dropped.
    pub(crate) async fn receive_notifications(&self) {
        let mut sources = self.parts.notifications.lock().await;
        let subscriptions = sources.iter_mut().map(|source| async {
            loop {
                source.next().await;
                self.wake.notify_one();
            }
        });
        let _: Vec<()> = join_all(subscriptions).await;
        std::future::pending::<()>().await;
    }

    /// Notifies the other replicas by Redis of a write. The database notifies them too.
    pub(crate) fn notify_peers(&self) {
        if let Some(notifier) = &self.parts.notifier {
            notifier.notify();
        }
    }

    /// Leaves the fleet: stops deciding, and then marks its row as departed, so that writers need not wait for this
    /// replica. The order matters: workers may still have calls in flight.
    pub(crate) async fn leave(&self) {
        self.parts.cache.close();
        if let Some(membership) = &self.parts.membership
            && let Err(error) = membership.depart().await
        {
            tracing::warn!(
                error = %error.log_text(),
                "failed to leave the fleet; writers wait for the end of this replica's lease"
            );
        }
    }

    /// Polls once; a round if `round` is true.
    async fn poll(&self, round: bool) -> Result<(), EntryError> {
        self.parts.feed.check_identity().inspect_err(|_| self.parts.cache.end_lease())?;
        let started = self.parts.clock.monotonic();
        let number = self.rounds_begun.fetch_add(u64::from(round), Ordering::SeqCst) + 1;
        let before = self.applied_revision();
        // Taken first: what was looked up before the poll was committed before it.
        let looked_up = self.parts.cache.reads().get();
        let polled = self.read(round, before).await?;
        if !self.check_own_row(round, &polled).await? {
            return Ok(());
        }
        let head = polled.fleet.revision;
        let required = before.max(looked_up.newest()).max(self.required_head.load(Ordering::SeqCst));
        let lost = head < required || self.has_diverged(before, &looked_up, &polled.changes);
        let unknown = !lost && self.cannot_compare(before, &polled.changes);
        if (lost || unknown) && !round {
            // Only a server that accepts writes can confirm this.
            self.request_round();
            return Ok(());
        }
        if lost {
            return Ok(self.recover(head).await?);
        }
        if unknown {
            self.resync(head).await?;
        } else if looked_up.are_mixed() || looked_up.differ_from(|revision| self.history(revision)) {
            tracing::warn!(
                "look-ups were answered by a state that is not in the database; the cache is cleared"
            );
            self.restart_from(before).await?;
        }
        self.apply_all(polled.changes, &looked_up).await?;
        self.parts.cache.reads().forget(&looked_up, self.applied_revision());
        if self.applied_revision() < head {
            if !round {
                self.request_round();
                return Ok(());
            }
            self.resync(head).await?;
        }
        if round {
            self.complete_round(number, started);
        }
        let after = self.applied_revision();
        match &self.parts.membership {
            Some(membership) if after != before => {
                Ok(membership.set_applied(after, self.history(after)).await?)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reads the feed and the replicas, in a round after the heartbeat.
    async fn read(&self, round: bool, from: u64) -> Result<FeedPoll, EntryError> {
        let (feed, limit) = (&self.parts.feed, PAGE_SIZE + 1);
        let Some(membership) = self.parts.membership.as_ref().filter(|_| round) else {
            return Ok(feed.poll(None, from, limit).await?);
        };
        if !membership.is_registered() {
            let announced = membership.next_announcement(from, self.history(from));
            membership.register(announced, &*self.parts.clock).await?;
        }
        let announced = membership.next_announcement(from, self.history(from));
        let polled = feed.poll(Some((&membership.replica, &announced)), from, limit).await?;
        membership.heartbeat_written(announced, polled.heartbeat);
        Ok(polled)
    }

    /// Returns whether this replica's row is as it was written. If it is not, the replica trusts nothing until it has
    /// registered again.
    async fn check_own_row(&self, round: bool, polled: &FeedPoll) -> Result<bool, EntryError> {
        let Some(membership) = &self.parts.membership else { return Ok(true) };
        match membership.observe(&polled.fleet, self.parts.clock.monotonic()).await? {
            OwnRow::AsWritten => return Ok(true),
            OwnRow::Missing | OwnRow::Altered | OwnRow::Taken(_) if !round => {
                // Only a server that accepts writes can confirm this.
                self.request_round();
                return Ok(false);
            }
            OwnRow::Challenged => {
                self.request_round();
                return Ok(true);
            }
            OwnRow::Missing => tracing::warn!("this replica's row is gone; it registers again"),
            OwnRow::Altered => {
                tracing::warn!("another program has changed this replica's row; it registers again");
            }
            OwnRow::Taken(text) => {
                self.parts.cache.close();
                return Err(EntryError::Conflict(text));
            }
        }
        self.parts.cache.end_lease();
        membership.forget_row(&polled.fleet).await?;
        self.request_round();
        Ok(false)
    }

    fn applied_revision(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Makes the next poll a round, and starts it now.
    fn request_round(&self) {
        self.round_requested.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod simulation;
