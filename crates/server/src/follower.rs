//! Follows the change feed: what another replica, or this one, has written is applied to memory in order, and
//! each poll that began at a moment and read everything lets memory be trusted for one lease from then.

mod others;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use latchkey_config::Follow;
use latchkey_core::memory::Memory;
use latchkey_core::ports::{Changed, Feed, Wakeups};
use latchkey_core::time::{Clock, Tick};
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::{Ledger, Spreading};
use latchkey_profile::{Catalog, Profile};
use latchkey_redis::Bell;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{sleep, timeout};

use crate::signing::SigningKeys;
pub(crate) use others::Others;

/// Who did not answer, when a caller gives up early.
const SPREADING: &str = "the change is committed and still spreading: a replica";

/// Changes read at once.
const PAGE: u32 = 1_000;
/// What following needs.
pub(crate) struct Parts {
    pub(crate) feed: Arc<dyn Feed>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) follow: Follow,
    pub(crate) others: Others,
    /// Wakes the others by Redis.
    pub(crate) bell: Option<Bell>,
    /// Who wakes this one.
    pub(crate) wakeups: Mutex<Vec<Box<dyn Wakeups>>>,
    pub(crate) signing: SigningKeys,
}

/// Keeps memory and the profiles in force up with the store.
pub(crate) struct Follower {
    parts: Parts,
    wake: Notify,
    applied: watch::Sender<u64>,
    /// When this replica last told the others of itself.
    reported: AtomicU64,
    /// Polls that read everything, and those that failed.
    polls: [AtomicU64; 2],
    /// How many other replicas hold a lease; all ones, where nobody has counted.
    others: AtomicU64,
}

/// How following goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Followed {
    pub(crate) revision: u64,
    /// Since the last poll began that read everything; none before the first.
    pub(crate) lag: Option<Duration>,
    /// How long memory is still trusted.
    pub(crate) left: Duration,
    /// Polls that read everything, and those that failed.
    pub(crate) polls: [u64; 2],
    /// Replicas that hold a lease, this one among them; none where they aren't known.
    pub(crate) replicas: Option<u64>,
}

/// Nobody has counted the others.
const UNCOUNTED: u64 = u64::MAX;

impl Follower {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            wake: Notify::new(),
            applied: watch::channel(0).0,
            reported: AtomicU64::new(0),
            polls: Default::default(),
            others: AtomicU64::new(UNCOUNTED),
        }
    }

    /// How following goes now.
    pub(crate) fn followed(&self) -> Followed {
        let (now, until) = (self.parts.clock.tick(), self.parts.memory.trusted_until());
        let left = until.since(now);
        // The lease began with the poll.
        let lag = (until > Tick(0)).then(|| now.after(self.parts.follow.lease).since(until));
        let others = self.others.load(Ordering::Relaxed);
        Followed {
            revision: self.parts.memory.applied(),
            lag,
            left,
            polls: [0, 1].map(|n| self.polls[n].load(Ordering::Relaxed)),
            replicas: (others != UNCOUNTED).then(|| others + 1),
        }
    }

    /// Takes the store as it is now for the beginning. Memory is empty yet, so nothing before matters.
    pub(crate) async fn begin(&self) -> Result<(), Trouble> {
        let revision = self.parts.feed.revision().await?;
        self.reload_profiles().await?;
        self.parts.signing.reload().await?;
        self.apply_up_to(revision);
        self.poll().await
    }

    /// Follows every wake-up that is heard, until it is dropped.
    pub(crate) async fn listen(&self) {
        let mut wakeups = self.parts.wakeups.lock().await;
        let heard = wakeups.iter_mut().map(|wakeups| async {
            loop {
                wakeups.next().await;
                self.wake.notify_one();
            }
        });
        let _: Vec<()> = join_all(heard).await;
        std::future::pending::<()>().await;
    }

    /// Tells the others that something was written. The database does so too.
    pub(crate) fn ring(&self) {
        if let Some(bell) = &self.parts.bell {
            bell.ring();
        }
    }

    /// Gives the lease up: memory is trusted no more, and nobody needs to wait for this replica.
    pub(crate) async fn leave(&self) {
        // Whoever writes waits one lease instead.
        let _ = self.parts.others.leave().await;
    }

    /// Follows until it is dropped.
    pub(crate) async fn run(&self) {
        let mut silent = false;
        loop {
            let polled = self.poll().await;
            self.polls[usize::from(polled.is_err())].fetch_add(1, Ordering::Relaxed);
            let was_silent = std::mem::replace(&mut silent, polled.is_err());
            match (polled, was_silent) {
                (Ok(()), false) => {}
                (Ok(()), true) => tracing::info!("the change feed is followed again"),
                (Err(trouble), false) => {
                    tracing::warn!(
                        ?trouble,
                        "the change feed can't be read; memory is trusted for one lease"
                    );
                }
                (Err(trouble), true) => tracing::debug!(?trouble, "the change feed still can't be read"),
            }
            tokio::select! {
                () = sleep(self.parts.follow.poll) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Reads everything that is new. A write that another replica is about to commit isn't part of it: the
    /// lease begins when the poll began, and the others know of this replica before anything is read.
    async fn poll(&self) -> Result<(), Trouble> {
        let Follow { lease, .. } = self.parts.follow;
        let began = self.parts.clock.now().tick;
        let due = began.since(Tick(self.reported.load(Ordering::SeqCst))) > lease / 2 || !self.has_reported();
        if due {
            self.report(began).await?;
        }
        let before = *self.applied.borrow();
        let head = self.parts.feed.revision().await?;
        while self.page().await? {}
        let after = *self.applied.borrow();
        if after < head || head < before {
            self.begin_anew(head).await?;
        }
        self.parts.memory.trust_until(began.after(lease));
        let after = *self.applied.borrow();
        if after != before {
            self.parts.others.advance(after).await?;
        }
        // For whoever watches; nothing hangs on it.
        if due && let Ok(Some(others)) = self.parts.others.count().await {
            self.others.store(others, Ordering::Relaxed);
        }
        Ok(())
    }

    fn has_reported(&self) -> bool {
        self.reported.load(Ordering::SeqCst) > 0
    }

    /// Tells the others, for half a lease longer than memory will be trusted: so once in half a lease is enough.
    async fn report(&self, began: Tick) -> Result<(), Trouble> {
        let lease = self.parts.follow.lease;
        let applied = *self.applied.borrow();
        self.parts.others.report(applied, lease + lease / 2).await?;
        self.reported.store(began.0.max(1), Ordering::SeqCst);
        Ok(())
    }

    /// The feed has a gap (this replica was away for so long that what it missed is kept no more), or the store
    /// was set back: nothing remembered can be told right from wrong.
    async fn begin_anew(&self, revision: u64) -> Result<(), Trouble> {
        tracing::warn!(revision, "the change feed has a gap: everything remembered is forgotten");
        self.parts.memory.begin_at(revision);
        self.parts.signing.reload().await?;
        self.reload_profiles().await?;
        self.applied.send_replace(revision);
        Ok(())
    }

    /// Applies one page; answers whether there may be more. Profiles and signing keys are in force before the
    /// revision that brought them counts as applied.
    async fn page(&self) -> Result<bool, Trouble> {
        let after = *self.applied.borrow();
        let changes = self.parts.feed.changes(after, PAGE).await?;
        if changes.iter().any(|change| matches!(change.subject, Changed::Profile(_))) {
            self.reload_profiles().await?;
        }
        if changes.iter().any(|change| matches!(change.subject, Changed::SigningKeys(_))) {
            self.parts.signing.reload().await?;
        }
        for change in &changes {
            self.parts.memory.apply(change);
        }
        if let Some(last) = changes.last() {
            self.apply_up_to(last.revision);
        }
        Ok(changes.len() >= PAGE as usize)
    }

    fn apply_up_to(&self, revision: u64) {
        self.parts.memory.applied_up_to(revision);
        self.applied.send_replace(revision);
    }

    /// Puts the newest versions in force. One that doesn't compile here (a newer program has stored it) is
    /// left out: its calls are denied rather than judged by what no longer holds.
    async fn reload_profiles(&self) -> Result<(), Trouble> {
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
impl Spreading for Follower {
    /// Waits for this replica's own memory and then for the others', one lease from the commit at the latest:
    /// then none is trusted any more that doesn't know of it, this one included. A caller who gives up before
    /// that hears that the change is committed and not yet known everywhere.
    async fn spread(&self, revision: u64, deadline: Option<Tick>) -> Result<(), Trouble> {
        let clock = &*self.parts.clock;
        let now = clock.now().tick;
        let over = now.after(self.parts.follow.lease);
        let end = deadline.map_or(over, |deadline| over.min(deadline));
        let mut applied = self.applied.subscribe();
        self.wake.notify_one();
        self.ring();
        let here = applied.wait_for(|at| *at >= revision);
        let here = timeout(end.since(now), here).await.is_ok();
        let there = self.parts.others.wait(clock, revision, end).await;
        if (here && there) || clock.now().tick >= over {
            return Ok(());
        }
        Err(Trouble::Outage { what: SPREADING, retry: over.since(clock.now().tick) })
    }
}

#[cfg(test)]
mod tests;
