//! Ports of a process on its link.

use async_trait::async_trait;
use latchkey_core::cache::TakenAway;
use latchkey_core::error::SystemError;
use latchkey_core::ports::{
    Announcement, Change, ChangeFeed, ChangeSubject, FeedExtent, FeedPoll, Fleet, HistoryHash, KeyStore,
    LookupResult, ReadAt, Replica, Replicas,
};
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::recovery::{ReapplyTo, RecoveryStore};
use latchkey_management::ports::{AuditEntry, WriteResult};

use super::Variant;
use super::database::Database;
use super::link::{CHECK_DEADLINE, Link};

#[async_trait]
impl ChangeFeed for Link {
    async fn poll(
        &self,
        heartbeat: Option<(&Replica, &Announcement)>,
        from: u64,
        limit: u32,
    ) -> Result<FeedPoll, SystemError> {
        let heartbeat = heartbeat.map(|(replica, announced)| (replica.id.clone(), *announced));
        let world = self.world().clone();
        self.transact(move |session| async move {
            let heartbeat = match heartbeat {
                Some((id, announced)) => {
                    let (replica, world) = (id.clone(), world.clone());
                    let found = session.write(move |database| database.heartbeat(&id, announced)).await?;
                    if found {
                        world.state().checker.commit_heartbeat(&replica);
                    }
                    found
                }
                None => false,
            };
            let fleet = session.read(Database::fleet).await?;
            let changes = session.read(move |database| database.changes_from(from, limit)).await?;
            Ok(FeedPoll { heartbeat, fleet, changes })
        })
        .await
    }

    async fn changes(&self, from: u64, limit: u32) -> Result<Vec<Change>, SystemError> {
        self.read(move |database| database.changes_from(from, limit)).await
    }

    async fn history(&self, newest: u64, limit: u32) -> Result<Vec<(u64, HistoryHash)>, SystemError> {
        self.read(move |database| database.histories(newest, limit)).await
    }

    async fn extent(&self) -> Result<FeedExtent, SystemError> {
        self.read(Database::extent).await
    }

    async fn has_history(&self, history: &HistoryHash) -> Result<bool, SystemError> {
        let history = *history;
        self.read(move |database| database.has_history(&history)).await
    }

    fn require_revision(&self, revision: u64) {
        self.require(revision);
    }

    fn replace_sessions(&self) {
        self.reconnect();
    }
}

#[async_trait]
impl Replicas for Link {
    async fn register(&self, replica: &Replica, announced: &Announcement) -> Result<(), SystemError> {
        let (replica, announced, world) = (replica.clone(), *announced, self.world().clone());
        let id = replica.id.clone();
        self.transact(move |session| async move {
            session.write(move |database| database.register(&replica, announced)).await?;
            world.state().checker.commit_heartbeat(&id);
            Ok(())
        })
        .await
    }

    async fn set_applied(&self, replica: &Replica, announced: &Announcement) -> Result<(), SystemError> {
        let (id, announced) = (replica.id.clone(), *announced);
        self.write(move |database| database.set_applied(&id, announced)).await
    }

    async fn depart(&self, replica: &Replica, beat: u64) -> Result<(), SystemError> {
        let id = replica.id.clone();
        self.write(move |database| database.depart(&id, beat)).await
    }

    async fn list(&self, revision: u64) -> Result<Fleet, SystemError> {
        self.transact(move |session| async move {
            let fleet = session.read(Database::fleet).await?;
            if fleet.revision < revision { Err(session.close()) } else { Ok(fleet) }
        })
        .await
    }

    async fn challenge(&self, id: &str) -> Result<(), SystemError> {
        let id = id.to_owned();
        self.write(move |database| database.challenge(&id)).await
    }

    async fn remove(&self, id: &str, beat: u64) -> Result<bool, SystemError> {
        let id = id.to_owned();
        self.write(move |database| database.remove(&id, beat)).await
    }

    async fn accept_count(&self) -> Result<(), SystemError> {
        self.write(Database::accept_count).await
    }
}

#[async_trait]
impl KeyStore for Link {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        let (hash, required) = (*hash, self.required());
        let unnoticed = self.world().variant == Variant::UnnoticedReads;
        self.call(CHECK_DEADLINE, move |session| async move {
            let mut found = session.read(move |database| database.look_up(&hash)).await?;
            if found.read_at.revision < required {
                return Err(session.close());
            }
            if unnoticed {
                found.read_at = ReadAt::revision(required);
            } else if found.read_at.revision == required {
                found.read_at.history = None;
            }
            Ok(found)
        })
        .await
    }
}

#[async_trait]
impl RecoveryStore for Link {
    async fn reapply(
        &self,
        taken: &TakenAway,
        _: ReapplyTo,
        _: AuditEntry,
    ) -> Result<WriteResult<()>, SystemError> {
        let ChangeSubject::Key(hash) = taken.subject else { unreachable!("keys alone are changed") };
        self.revoke(hash).await
    }

    async fn outdated(&self, _: u64, _: u32) -> Result<Vec<Change>, SystemError> {
        self.read(|_| Vec::new()).await
    }

    async fn record(&self, _: AuditEntry) -> Result<(), SystemError> {
        self.write(|_| ()).await
    }
}

impl Link {
    /// Revokes a key.
    pub(super) async fn revoke(&self, hash: KeyHash) -> Result<WriteResult<()>, SystemError> {
        self.change(move |database, nonce| {
            let key = database.key_number(&hash)?;
            Some(database.revoke(key, nonce))
        })
        .await
    }

    /// Renames a key. Returns the revision.
    pub(super) async fn rename(&self, key: usize) -> Result<u64, SystemError> {
        self.change(move |database, nonce| Some(database.rename(key, nonce))).await
    }

    /// Creates a key.
    pub(super) async fn create(&self, key: usize) -> Result<bool, SystemError> {
        self.change(move |database, nonce| Some(database.create(key, nonce))).await
    }

    /// Disables a key, or enables it again.
    pub(super) async fn switch(&self, key: usize) -> Result<(), SystemError> {
        self.change(move |database, nonce| {
            database.switch(key, nonce);
            Some(())
        })
        .await
    }

    /// Writes a change, and keeps the state before it for a failover that loses it.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Database, u64) -> Option<T> + Send + 'static,
    ) -> Result<T, SystemError> {
        let world = self.world().clone();
        let nonce = world.draw(u64::MAX);
        self.transact(move |session| async move {
            let done = session.write_kept(move |database| change(database, nonce)).await?;
            done.ok_or_else(SystemError::database)
        })
        .await
    }
}
