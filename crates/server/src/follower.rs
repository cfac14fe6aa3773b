//! Follows the change feed: what another replica, or this one, has written is applied to memory in order, and
//! each poll that began at a moment and read everything lets memory be trusted for one lease from then.

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

/// Who did not answer, when a caller gives up early.
const PROPAGATION_PENDING: &str = "the change is committed and still spreading: a replica";

/// Changes read at once.
const PAGE_SIZE: u32 = 1_000;
/// What following needs.
pub(crate) struct FollowerParts {
    pub(crate) feed: Arc<dyn ChangeFeed>,
    pub(crate) ledger: Arc<dyn ManagementStore>,
    pub(crate) cache: Arc<ReplicaCache>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: FollowerSettings,
    pub(crate) peers: Peers,
    /// Wakes the others by Redis.
    pub(crate) notifier: Option<Notifier>,
    /// Who wakes this one.
    pub(crate) wakeups: Mutex<Vec<Box<dyn ChangeNotifications>>>,
    pub(crate) signing: SigningKeyLoader,
}

/// Keeps memory and the profiles in force up with the store.
pub(crate) struct Follower {
    parts: FollowerParts,
    wake: Notify,
    applied: watch::Sender<u64>,
    /// When this replica last told the others of itself.
    last_heartbeat: AtomicU64,
    /// Polls that read everything, and those that failed.
    polls: [AtomicU64; 2],
    /// How many other replicas hold a lease; all ones, where nobody has counted.
    peer_count: AtomicU64,
}

/// How following goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowerStatus {
    pub(crate) revision: u64,
    /// Since the last poll began that read everything; none before the first.
    pub(crate) lag: Option<Duration>,
    /// How long memory is still trusted.
    pub(crate) lease_remaining: Duration,
    /// Polls that read everything, and those that failed.
    pub(crate) polls: [u64; 2],
    /// Replicas that hold a lease, this one among them; none where they aren't known.
    pub(crate) replicas: Option<u64>,
}

/// Nobody has counted the others.
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

    /// How following goes now.
    pub(crate) fn status(&self) -> FollowerStatus {
        let (now, until) = (self.parts.clock.monotonic(), self.parts.cache.lease_expiry());
        let lease_remaining = until.since(now);
        // The lease began with the poll.
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

    /// Takes the store as it is now for the beginning. Memory is empty yet, so nothing before matters.
    pub(crate) async fn initialize(&self) -> Result<(), SystemError> {
        let revision = self.parts.feed.revision().await?;
        self.reload_profiles().await?;
        self.parts.signing.reload().await?;
        self.mark_applied(revision);
        self.poll().await
    }

    /// Follows every wake-up that is heard, until it is dropped.
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

    /// Tells the others that something was written. The database does so too.
    pub(crate) fn notify_peers(&self) {
        if let Some(notifier) = &self.parts.notifier {
            notifier.notify();
        }
    }

    /// Gives the lease up: memory is trusted no more, and nobody needs to wait for this replica.
    pub(crate) async fn deregister(&self) {
        // Whoever writes waits one lease instead.
        let _ = self.parts.peers.deregister().await;
    }

    /// Follows until it is dropped.
    pub(crate) async fn run(&self) {
        let mut failing = false;
        loop {
            let polled = self.poll().await;
            self.polls[usize::from(polled.is_err())].fetch_add(1, Ordering::Relaxed);
            let was_failing = std::mem::replace(&mut failing, polled.is_err());
            match (polled, was_failing) {
                (Ok(()), false) => {}
                (Ok(()), true) => tracing::info!("the change feed is followed again"),
                (Err(trouble), false) => {
                    tracing::warn!(
                        error = ?trouble,
                        "the change feed can't be read; memory is trusted for one lease"
                    );
                }
                (Err(trouble), true) => {
                    tracing::debug!(error = ?trouble, "the change feed still can't be read")
                }
            }
            tokio::select! {
                () = sleep(self.parts.settings.feed_poll_interval) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Reads everything that is new. A write that another replica is about to commit isn't part of it: the
    /// lease begins when the poll began, and the others know of this replica before anything is read.
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
        // For whoever watches; nothing hangs on it.
        if heartbeat_due && let Ok(Some(peers)) = self.parts.peers.count().await {
            self.peer_count.store(peers, Ordering::Relaxed);
        }
        Ok(())
    }

    fn has_heartbeat(&self) -> bool {
        self.last_heartbeat.load(Ordering::SeqCst) > 0
    }

    /// Tells the others, for half a lease longer than memory will be trusted: so once in half a lease is enough.
    async fn heartbeat(&self, started: MonotonicInstant) -> Result<(), SystemError> {
        let lease = self.parts.settings.lease;
        let applied = *self.applied.borrow();
        self.parts.peers.heartbeat(applied, lease + lease / 2).await?;
        self.last_heartbeat.store(started.0.max(1), Ordering::SeqCst);
        Ok(())
    }

    /// The feed has a gap (this replica was away for so long that what it missed is kept no more), or the store
    /// was set back: nothing remembered can be told right from wrong.
    async fn resync(&self, revision: u64) -> Result<(), SystemError> {
        tracing::warn!(revision, "the change feed has a gap: everything remembered is forgotten");
        self.parts.cache.reset_to(revision);
        self.parts.signing.reload().await?;
        self.reload_profiles().await?;
        self.applied.send_replace(revision);
        Ok(())
    }

    /// Applies one page; answers whether there may be more. Profiles and signing keys are in force before the
    /// revision that brought them counts as applied.
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

    /// Puts the newest versions in force. One that doesn't compile here (a newer program has stored it) is
    /// left out: its calls are denied rather than judged by what no longer holds.
    async fn reload_profiles(&self) -> Result<(), SystemError> {
        let records = self.parts.ledger.profiles().await?;
        let compiled = records.iter().filter_map(|record| match Profile::compile(&record.document, record.version) {
            Ok(profile) => Some(profile),
            Err(errors) => {
                tracing::error!(profile = %record.name, version = record.version, %errors, "a stored profile is left out");
                None
            }
        });
        self.parts.catalog.replace_all(compiled.collect());
        Ok(())
    }
}

#[async_trait]
impl Propagation for Follower {
    /// Waits for this replica's own memory and then for the others', one lease from the commit at the latest:
    /// then none is trusted any more that doesn't know of it, this one included. A caller who gives up before
    /// that hears that the change is committed and not yet known everywhere.
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
