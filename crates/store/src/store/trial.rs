//! Trials: operations that a start and a diagnosis make as a running process does, so that what would fail later fails
//! there, with its cause. They change nothing.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::secret::KeyHash;
use sea_orm::{ConnectionTrait as _, DbErr};
use tokio::time::timeout;
use uuid::Uuid;

use super::Store;
use crate::error::StoreError;
use crate::pool::{Pool, PooledConnection, cause_of};
use crate::query::{check, health, token, user};

/// Number of connections besides that of a write that a trial uses at once, if the pool may have so many.
const READERS: usize = 2;
/// Number of times that each of them runs the query of a Check.
const ROUNDS: usize = 2;
/// Time limit of a trial, as a multiple of that of one call.
const DEADLINES: u32 = 5;
/// A write that changes nothing.
const NO_CHANGE: &str = "UPDATE head SET revision = revision WHERE id = 0";

/// Result of a check of a SQLite file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// No page is damaged.
    Sound,
    /// Damage, in SQLite's words.
    Damaged(String),
    /// The file could not be read, or not in time.
    Unknown,
}

impl Store {
    /// Gives all connections to PostgreSQL a search path, quoted as in the setting, whose first schema has the tables: a schema
    /// that is created later and comes earlier in the role's own path has none of them, or others. Does nothing on SQLite.
    pub fn pin_search_path(&self, path: &str) {
        if self.postgres.as_ref().is_some_and(|target| target.pin_search_path(path)) {
            self.pool.replace_all();
        }
    }

    /// Closes the idle connections to PostgreSQL, so that migrations get one where the server or a pooler gives few. Does
    /// nothing on SQLite.
    pub async fn close_idle(&self) {
        if self.postgres.is_some() {
            self.pool.close_idle().await;
        }
    }

    /// Runs the queries of a Check: for a key that is there, if there is one, and for a user and a token that do not exist.
    pub async fn try_check(&self) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::Ping, async { try_check(&self.pool.acquire().await?).await }).await
    }

    /// Uses connections to PostgreSQL as a running process does: while a write is open on one, others run the query of a
    /// Check several times; then they write. The writes match no row. Does nothing on SQLite.
    pub async fn try_connections(&self) -> Result<(), SystemError> {
        if self.postgres.is_none() {
            return Ok(());
        }
        let trial = try_connections(&self.pool);
        self.with_deadline_of(self.deadline * DEADLINES, QueryKind::Ping, trial).await
    }

    /// Looks for damaged pages in a SQLite file, for a limited time: it reads the whole file. Does nothing on PostgreSQL.
    pub async fn integrity(&self, limit: Duration) -> Integrity {
        if self.postgres.is_some() {
            return Integrity::Sound;
        }
        let check = async { health::quick_check(&self.pool.acquire().await?).await };
        match timeout(limit, check).await {
            Ok(Ok(None)) => Integrity::Sound,
            Ok(Ok(Some(damage))) => Integrity::Damaged(damage),
            Ok(Err(error)) => match SystemError::from(error) {
                SystemError::Internal(cause) => Integrity::Damaged(cause),
                SystemError::Unavailable { .. } => Integrity::Unknown,
            },
            Err(_) => Integrity::Unknown,
        }
    }

    /// Returns why an operation over the connection for migrations failed. The library says only that it got no connection
    /// in time, so that another one is opened to learn the cause.
    pub async fn cause_of_migration(&self, error: &DbErr) -> String {
        if !matches!(error, DbErr::ConnectionAcquire(_)) {
            return cause_of(error);
        }
        self.pool.close_idle().await;
        match self.reach().await {
            Err(failure) => failure.cause,
            Ok(()) => format!(
                "{}: the server, the role or a connection pooler gives too few connections; a process needs three at least, \
                 one for calls, one for notifications and one for migrations",
                cause_of(error)
            ),
        }
    }
}

async fn try_check(connection: &PooledConnection) -> Result<(), StoreError> {
    let hash = health::hash_of_a_key(connection).await?.unwrap_or(KeyHash([0; 32]));
    // A row that can't be read is reported for its own key.
    check::by_hash(connection, &[hash]).await?;
    user::with_tenant(connection, &[UserId(Uuid::nil())]).await?;
    token::for_check(connection, &[FamilyId(Uuid::nil())], "").await.map(drop)
}

async fn try_connections(pool: &Arc<Pool>) -> Result<(), StoreError> {
    let writing = pool.begin().await?;
    writing.execute_unprepared(NO_CHANGE).await?;
    let limit = pool.connections().limit;
    let mut readers = Vec::with_capacity(READERS);
    for _ in 0..READERS.min(limit - 1) {
        readers.push(pool.acquire().await?);
    }
    for _ in 0..ROUNDS {
        for reader in &readers {
            try_check(reader).await?;
        }
    }
    // A pooler in transaction mode gives the sessions to other connections than before.
    writing.commit().await?;
    drop(readers);
    let first = pool.begin().await?;
    first.execute_unprepared(NO_CHANGE).await?;
    if limit >= 4 {
        let second = pool.begin().await?;
        second.execute_unprepared(NO_CHANGE).await?;
        second.commit().await?;
    }
    Ok(first.commit().await?)
}
