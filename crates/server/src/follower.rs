//! Follower of the change feed: applies changes of all replicas to the cache in order. Each complete poll extends the
//! cache's lease, counted from the start of the poll.

mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use latchkey_config::FollowerSettings;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::SystemError;
use latchkey_core::ports::{ChangeFeed, ChangeNotifications, ChangeSubject};
use latchkey_core::time::{Clock, MonotonicInstant};
use latchkey_management::ports::{ManagementStore, Propagation};
use latchkey_profile::{Catalog, Profile};
use latchkey_redis::Notifier;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{sleep, timeout};

use crate::signing::SigningKeyLoader;
pub(crate) use peers::Peers;

/// Dependency in the error of a caller that gives up before the change is applied everywhere.
const PROPAGATION_PENDING: &str = "the change is committed and not yet applied everywhere: a replica";

/// Number of changes that are read at once.
const PAGE_SIZE: u32 = 1_000;
/// Dependencies of a [`Follower`].
pub(crate) struct FollowerParts {
    pub(crate) feed: Arc<dyn ChangeFeed>,
    pub(crate) ledger: Arc<dyn ManagementStore>,
    pub(crate) cache: Arc<ReplicaCache>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: FollowerSettings,
    pub(crate) peers: Peers,
    /// Notifier of the other replicas, by Redis.
    pub(crate) notifier: Option<Notifier>,
    /// Sources of notifications for this replica.
    pub(crate) wakeups: Mutex<Vec<Box<dyn ChangeNotifications>>>,
    pub(crate) signing: SigningKeyLoader,
}

/// Applies the change feed to the cache and to the profiles in force.
pub(crate) struct Follower {
    parts: FollowerParts,
    wake: Notify,
    applied: watch::Sender<u64>,
    /// Monotonic time of this replica's last heartbeat, in nanoseconds; 0 before the first.
    last_heartbeat: AtomicU64,
    /// Number of complete and of failed polls.
    polls: [AtomicU64; 2],
    /// Number of other replicas that hold a lease; [`PEERS_UNKNOWN`] before the first count.
    peer_count: AtomicU64,
}

/// Status of a follower, for metrics and readiness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowerStatus {
    pub(crate) revision: u64,
    /// Time since the start of the last complete poll; `None` before the first.
    pub(crate) lag: Option<Duration>,
    /// Time for which the cache's lease is still valid.
    pub(crate) lease_remaining: Duration,
    /// Number of complete and of failed polls.
    pub(crate) polls: [u64; 2],
    /// Number of replicas that hold a lease, including this one; `None` if it is unknown.
    pub(crate) replicas: Option<u64>,
}

/// Value of `peer_count` before the first count.
const PEERS_UNKNOWN: u64 = u64::MAX;

impl Follower {
    pub(crate) fn new(parts: FollowerParts) -> Self {
        Self {
            parts,
            wake: Notify::new(),
            applied: watch::channel(0).0,
            last_heartbeat: AtomicU64::new(0),
            polls: Default::default(),
            peer_count: AtomicU64::new(PEERS_UNKNOWN),
        }
    }

    /// Returns the present status.
    pub(crate) fn status(&self) -> FollowerStatus {
        let (now, until) = (self.parts.clock.monotonic(), self.parts.cache.lease_expiry());
        let lease_remaining = until.since(now);
        // A lease starts when its poll starts.
        let lag = (until > MonotonicInstant(0)).then(|| now.plus(self.parts.settings.lease).since(until));
        let peers = self.peer_count.load(Ordering::Relaxed);
        FollowerStatus {
            revision: self.parts.cache.applied_revision(),
            lag,
            lease_remaining,
            polls: [0, 1].map(|n| self.polls[n].load(Ordering::Relaxed)),
            replicas: (peers != PEERS_UNKNOWN).then(|| peers + 1),
        }
    }

    /// Starts from the present state of the database. The cache is empty, so earlier changes do not matter.
    pub(crate) async fn initialize(&self) -> Result<(), SystemError> {
        let revision = self.parts.feed.revision().await?;
        self.reload_profiles().await?;
        self.parts.signing.reload().await?;
        self.mark_applied(revision);
        self.poll().await
    }

    /// Wakes the follower on every notification, until the future is dropped.
    pub(crate) async fn receive_notifications(&self) {
        let mut wakeups = self.parts.wakeups.lock().await;
        let subscriptions = wakeups.iter_mut().map(|wakeups| async {
            loop {
                wakeups.next().await;
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

    /// Gives the lease up, so that writers do not wait for this replica. The caller must have stopped serving.
    pub(crate) async fn deregister(&self) {
        // If this fails, writers wait for the end of the lease instead.
        let _ = self.parts.peers.deregister().await;
    }

    /// Polls the feed until the future is dropped.
    pub(crate) async fn run(&self) {
        let mut failing = false;
        loop {
            let polled = self.poll().await;
            self.polls[usize::from(polled.is_err())].fetch_add(1, Ordering::Relaxed);
            let was_failing = std::mem::replace(&mut failing, polled.is_err());
            match (polled, was_failing) {
                (Ok(()), false) => {}
                (Ok(()), true) => tracing::info!("the change feed can be read again"),
                (Err(error), false) => {
                    tracing::warn!(
                        ?error,
                        "failed to read the change feed; it is read again at the next poll, and the cache is used until its lease expires"
                    );
                }
                (Err(error), true) => {
                    tracing::debug!(?error, "the change feed is still unreadable");
                }
            }
            tokio::select! {
                () = sleep(self.parts.settings.feed_poll_interval) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Reads all new changes. A write that is not yet committed is not among them, so the lease starts when the poll
    /// starts, and the other replicas know of this one before anything is read.
    async fn poll(&self) -> Result<(), SystemError> {
        let FollowerSettings { lease, .. } = self.parts.settings;
        let started = self.parts.clock.now().monotonic;
        let heartbeat_due = started.since(MonotonicInstant(self.last_heartbeat.load(Ordering::SeqCst)))
            > lease / 2
            || !self.has_heartbeat();
        if heartbeat_due {
            self.heartbeat(started).await?;
        }
        let before = *self.applied.borrow();
        let head = self.parts.feed.revision().await?;
        while self.apply_page().await? {}
        let after = *self.applied.borrow();
        if after < head || head < before {
            self.resync(head).await?;
        }
        self.parts.cache.extend_lease(started.plus(lease));
        let after = *self.applied.borrow();
        if after != before {
            self.parts.peers.set_applied(after).await?;
        }
        // For metrics only, so an error is ignored.
        if heartbeat_due && let Ok(Some(peers)) = self.parts.peers.count().await {
            self.peer_count.store(peers, Ordering::Relaxed);
        }
        Ok(())
    }

    fn has_heartbeat(&self) -> bool {
        self.last_heartbeat.load(Ordering::SeqCst) > 0
    }

    /// Writes a heartbeat that is valid for half a lease longer than the cache's lease, so that one heartbeat in half
    /// a lease is enough.
    async fn heartbeat(&self, started: MonotonicInstant) -> Result<(), SystemError> {
        let lease = self.parts.settings.lease;
        let applied = *self.applied.borrow();
        self.parts.peers.heartbeat(applied, lease + lease / 2).await?;
        self.last_heartbeat.store(started.0.max(1), Ordering::SeqCst);
        Ok(())
    }

    /// Starts again from the present state of the database, with an empty cache. Needed if the feed has a gap
    /// (changes were pruned while this replica was away) or the database was restored from a backup: it is unknown
    /// which entries are stale.
    async fn resync(&self, revision: u64) -> Result<(), SystemError> {
        tracing::warn!(revision, "the change feed has a gap; the cache is cleared");
        self.parts.cache.reset_to(revision);
        self.parts.signing.reload().await?;
        self.reload_profiles().await?;
        self.applied.send_replace(revision);
        Ok(())
    }

    /// Applies one page; returns true if there can be more. Profiles and signing keys are in force before the
    /// revision of their change counts as applied.
    async fn apply_page(&self) -> Result<bool, SystemError> {
        let after = *self.applied.borrow();
        let changes = self.parts.feed.changes(after, PAGE_SIZE).await?;
        if changes.iter().any(|change| matches!(change.subject, ChangeSubject::Profile(_))) {
            self.reload_profiles().await?;
        }
        if changes.iter().any(|change| matches!(change.subject, ChangeSubject::SigningKeys(_))) {
            self.parts.signing.reload().await?;
        }
        for change in &changes {
            self.parts.cache.apply(change);
        }
        if let Some(last) = changes.last() {
            self.mark_applied(last.revision);
        }
        Ok(changes.len() >= PAGE_SIZE as usize)
    }

    fn mark_applied(&self, revision: u64) {
        self.parts.cache.set_applied(revision);
        self.applied.send_replace(revision);
    }

    /// Puts the newest version of each profile in force. A profile that does not compile here (a newer release has
    /// stored it) is left out: calls to it are denied rather than decided by an outdated version.
    async fn reload_profiles(&self) -> Result<(), SystemError> {
        let records = self.parts.ledger.profiles().await?;
        let compiled = records.iter().filter_map(|record| match Profile::compile(&record.document, record.version) {
            Ok(profile) => Some(profile),
            Err(errors) => {
                tracing::error!(profile = %record.name, version = record.version, %errors, "failed to compile a stored profile; calls to it are denied");
                None
            }
        });
        self.parts.catalog.replace_all(compiled.collect());
        Ok(())
    }
}

#[async_trait]
impl Propagation for Follower {
    /// Waits for this replica and then for the others, until the end of a lease that starts now at the latest: by
    /// then no cache is trusted that does not have the change, this replica's included. A caller whose deadline is
    /// earlier gets an error that says that the change is committed and not yet applied everywhere.
    async fn wait_until_applied(
        &self,
        revision: u64,
        deadline: Option<MonotonicInstant>,
    ) -> Result<(), SystemError> {
        let clock = &*self.parts.clock;
        let now = clock.now().monotonic;
        let lease_end = now.plus(self.parts.settings.lease);
        let end = deadline.map_or(lease_end, |deadline| lease_end.min(deadline));
        let mut applied = self.applied.subscribe();
        self.wake.notify_one();
        self.notify_peers();
        let here = applied.wait_for(|at| *at >= revision);
        let here = timeout(end.since(now), here).await.is_ok();
        let there = self.parts.peers.wait_until_applied(clock, revision, end).await;
        if (here && there) || clock.now().monotonic >= lease_end {
            return Ok(());
        }
        Err(SystemError::Unavailable {
            dependency: PROPAGATION_PENDING,
            retry_after: lease_end.since(clock.now().monotonic),
        })
    }
}

#[cfg(test)]
mod tests;
