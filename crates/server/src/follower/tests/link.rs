//! Connection of one replica to its store, with faults.

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use latchkey_core::ports::{Announcement, FeedExtent, Fleet, HistoryHash, KeyStore, LookupResult, Replicas};
use latchkey_core::secret::KeyHash;
use tokio::sync::Semaphore;

use super::*;

/// Connection of one replica to the store: it can be cut, answers can be lost, and responses about keys can be held
/// back.
pub(super) struct StoreLink {
    pub(super) store: Arc<Store>,
    pub(super) disconnected: AtomicBool,
    pub(super) refuse_registrations: AtomicBool,
    /// True if the feed has no changes, as if they had been pruned.
    pub(super) loses_changes: AtomicBool,
    /// Number of heartbeats and registrations whose answers are lost after their effect.
    pub(super) lost_answers: AtomicU64,
    pub(super) responses: Semaphore,
    pub(super) queries: AtomicU64,
    pub(super) polls: AtomicU64,
    /// A permit for each list of the replicas that was read.
    pub(super) lists: Semaphore,
}

impl StoreLink {
    pub(super) fn new(store: &Arc<Store>) -> Arc<Self> {
        Arc::new(Self {
            store: store.clone(),
            disconnected: AtomicBool::new(false),
            refuse_registrations: AtomicBool::new(false),
            loses_changes: AtomicBool::new(false),
            lost_answers: AtomicU64::new(0),
            responses: Semaphore::new(1_000),
            queries: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            lists: Semaphore::new(0),
        })
    }

    pub(super) fn cut(&self) {
        self.disconnected.store(true, Ordering::SeqCst);
    }

    /// Returns when the replicas were listed so many times more.
    pub(super) async fn listed(&self, times: u32) {
        let listed = tokio::time::timeout(Duration::from_mins(1), self.lists.acquire_many(times)).await;
        listed.expect("the writer looks at the replicas").unwrap().forget();
    }

    fn check_connected(&self) -> Result<(), SystemError> {
        if self.disconnected.load(Ordering::SeqCst) { Err(SystemError::database()) } else { Ok(()) }
    }

    /// Returns an error instead of the answer, if the next answer is to be lost.
    fn answer<T>(&self, answer: T) -> Result<T, SystemError> {
        let lost = self.lost_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if lost.is_ok() { Err(SystemError::database()) } else { Ok(answer) }
    }
}

#[async_trait]
impl ChangeFeed for StoreLink {
    async fn poll(
        &self,
        heartbeat: Option<(&Replica, &Announcement)>,
        from: u64,
        limit: u32,
    ) -> Result<FeedPoll, SystemError> {
        self.check_connected()?;
        self.polls.fetch_add(1, Ordering::SeqCst);
        let mut polled = self.store.poll(heartbeat, from, limit).await?;
        if self.loses_changes.load(Ordering::SeqCst) {
            polled.changes.clear();
        }
        if heartbeat.is_some() { self.answer(polled) } else { Ok(polled) }
    }

    async fn changes(&self, from: u64, limit: u32) -> Result<Vec<Change>, SystemError> {
        self.check_connected()?;
        self.store.changes(from, limit).await
    }

    async fn history(&self, newest: u64, limit: u32) -> Result<Vec<(u64, HistoryHash)>, SystemError> {
        self.check_connected()?;
        self.store.history(newest, limit).await
    }

    async fn extent(&self) -> Result<FeedExtent, SystemError> {
        self.check_connected()?;
        self.store.extent().await
    }

    async fn has_history(&self, history: &HistoryHash) -> Result<bool, SystemError> {
        self.check_connected()?;
        self.store.has_history(history).await
    }

    fn require_revision(&self, revision: u64) {
        self.store.require_revision(revision);
    }
}

#[async_trait]
impl KeyStore for StoreLink {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        self.check_connected()?;
        let found = self.store.key_by_hash(hash).await;
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.responses.acquire().await.unwrap().forget();
        found
    }
}

#[async_trait]
impl Replicas for StoreLink {
    async fn register(&self, replica: &Replica, announced: &Announcement) -> Result<(), SystemError> {
        self.check_connected()?;
        if self.refuse_registrations.load(Ordering::SeqCst) {
            return Err(SystemError::database());
        }
        self.store.register(replica, announced).await?;
        self.answer(())
    }

    async fn set_applied(&self, replica: &Replica, announced: &Announcement) -> Result<(), SystemError> {
        self.check_connected()?;
        self.store.set_applied(replica, announced).await
    }

    async fn depart(&self, replica: &Replica, beat: u64) -> Result<(), SystemError> {
        self.check_connected()?;
        self.store.depart(replica, beat).await
    }

    async fn list(&self, revision: u64) -> Result<Fleet, SystemError> {
        self.check_connected()?;
        let fleet = self.store.list(revision).await;
        self.lists.add_permits(1);
        fleet
    }

    async fn challenge(&self, id: &str) -> Result<(), SystemError> {
        self.check_connected()?;
        self.store.challenge(id).await
    }

    async fn remove(&self, id: &str, beat: u64) -> Result<bool, SystemError> {
        self.check_connected()?;
        self.store.remove(id, beat).await
    }

    async fn accept_count(&self) -> Result<(), SystemError> {
        self.check_connected()?;
        self.store.accept_count().await
    }
}
