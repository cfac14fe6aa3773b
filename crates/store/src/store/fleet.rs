//! The store's ports for followers: the change feed and the rows of replicas.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::ports::{
    Announcement, Change, ChangeFeed, FeedExtent, FeedPoll, Fleet, HistoryHash, Replica, Replicas,
};

use super::Store;
use super::lookup::require_up_to_date;
use crate::error::StoreError;
use crate::{query, replicas};

#[async_trait]
impl ChangeFeed for Store {
    async fn poll(
        &self,
        heartbeat: Option<(&Replica, &Announcement)>,
        from: u64,
        limit: u32,
    ) -> Result<FeedPoll, SystemError> {
        self.with_deadline(QueryKind::ChangeFeed, async {
            let connection = self.pool.acquire().await?;
            let heartbeat = match heartbeat {
                Some((replica, announced)) => replicas::heartbeat(&connection, replica, announced).await?,
                None => false,
            };
            let fleet = replicas::list(&connection).await?;
            let changes = query::feed::changes(&connection, from, fleet.revision, limit).await?;
            Ok(FeedPoll { heartbeat, fleet, changes })
        })
        .await
    }

    async fn changes(&self, from: u64, limit: u32) -> Result<Vec<Change>, SystemError> {
        self.with_deadline(QueryKind::ChangeFeed, async {
            let connection = self.pool.acquire().await?;
            let head = query::feed::revision(&connection).await?;
            query::feed::changes(&connection, from, head, limit).await
        })
        .await
    }

    async fn extent(&self) -> Result<FeedExtent, SystemError> {
        self.with_deadline(QueryKind::ChangeFeed, async {
            let connection = self.pool.acquire().await?;
            let extent = query::feed::extent(&connection).await?;
            query::restore::require_end(&connection).await?;
            Ok(extent)
        })
        .await
    }

    async fn history(&self, newest: u64, limit: u32) -> Result<Vec<(u64, HistoryHash)>, SystemError> {
        self.with_deadline(QueryKind::ChangeFeed, async {
            query::feed::histories(&self.pool.acquire().await?, newest, limit).await
        })
        .await
    }

    async fn has_history(&self, history: &HistoryHash) -> Result<bool, SystemError> {
        self.with_deadline(QueryKind::ChangeFeed, async {
            let (connection, required) = (self.pool.acquire().await?, self.required_revision());
            let found = query::audit::has_hash(&connection, history).await?;
            require_up_to_date(&connection, required).await?;
            Ok(found)
        })
        .await
    }

    fn replace_sessions(&self) {
        self.pool.replace_all();
    }

    fn check_identity(&self) -> Result<(), SystemError> {
        self.pool.check_file_content().map_err(|error| SystemError::Internal(error.to_string()))
    }

    fn require_revision(&self, revision: u64) {
        self.required_revision.store(revision, Ordering::SeqCst);
    }
}

#[async_trait]
impl Replicas for Store {
    async fn register(&self, replica: &Replica, announced: &Announcement) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::Heartbeat, async {
            replicas::register(self.pool.begin().await?, replica, announced).await
        })
        .await
    }

    async fn set_applied(&self, replica: &Replica, announced: &Announcement) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::Heartbeat, async {
            replicas::set_applied(&self.pool.acquire().await?, replica, announced).await
        })
        .await
    }

    async fn depart(&self, replica: &Replica, beat: u64) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::Heartbeat, async {
            replicas::depart(&self.pool.acquire().await?, replica, beat).await
        })
        .await
    }

    async fn list(&self, revision: u64) -> Result<Fleet, SystemError> {
        self.with_deadline(QueryKind::Propagation, async {
            let connection = self.pool.acquire().await?;
            let fleet = replicas::list(&connection).await?;
            if fleet.revision < revision {
                connection.mark_stale();
                return Err(StoreError::Stale);
            }
            Ok(fleet)
        })
        .await
    }

    async fn challenge(&self, id: &str) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::Heartbeat, async {
            replicas::challenge(&self.pool.acquire().await?, id).await
        })
        .await
    }

    async fn remove(&self, id: &str, beat: u64) -> Result<bool, SystemError> {
        self.with_deadline(QueryKind::Heartbeat, async {
            replicas::remove(self.pool.begin().await?, id, beat).await
        })
        .await
    }

    async fn accept_count(&self) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::Heartbeat, async {
            replicas::accept_count(self.pool.begin().await?).await
        })
        .await
    }
}

impl Store {
    /// Returns the newest revision of the database.
    pub async fn revision(&self) -> Result<u64, SystemError> {
        self.with_deadline(QueryKind::ChangeFeed, async {
            query::feed::revision(&self.pool.acquire().await?).await
        })
        .await
    }
}
