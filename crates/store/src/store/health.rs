//! Health of the database and of the connections to it, for the process itself and for operators.

use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::time::Timestamp;

use super::Store;
use crate::pool::{DatabaseFailure, DatabaseFileError, Durability, cause_of, durability};
use crate::query::health;

/// Longest time for which a start waits for connections that callers will need.
const WARM_UP: Duration = Duration::from_secs(2);

impl Store {
    /// Returns the database's clock, and whether it is read-only.
    pub async fn clock(&self) -> Result<(Timestamp, bool), SystemError> {
        self.with_deadline(QueryKind::Ping, async { health::clock(&self.pool.acquire().await?).await }).await
    }

    /// Returns the settings of the server that decide whether committed writes survive a crash; `None` on
    /// SQLite, whose settings are the store's own.
    pub async fn durability(&self) -> Result<Option<Durability>, SystemError> {
        if self.postgres.is_none() {
            return Ok(None);
        }
        let settings = self.with_deadline::<_, SystemError>(QueryKind::Ping, async {
            durability::settings(&self.pool.acquire().await?).await
        });
        let mut found = settings.await?;
        // A role may be barred from the list of standbys; nothing is known about them then.
        let standbys = self.with_deadline::<_, SystemError>(QueryKind::Ping, async {
            durability::asynchronous_standbys(&self.pool.acquire().await?).await
        });
        found.asynchronous_standbys = standbys.await.unwrap_or_default();
        Ok(Some(found))
    }

    /// Connects to the server of a PostgreSQL database, or returns why that is not possible, in its own words. Does
    /// nothing on SQLite.
    pub async fn reach(&self) -> Result<(), DatabaseFailure> {
        if self.postgres.is_none() {
            return Ok(());
        }
        let Err(error) = self.pool.acquire().await else { return Ok(()) };
        Err(self.failure().unwrap_or_else(|| DatabaseFailure { cause: cause_of(&error), refused: false }))
    }

    /// Opens some connections for later callers, and returns when they are open or have failed, or after two seconds;
    /// attempts that are not finished by then continue. Does nothing on SQLite, where it takes no time.
    pub async fn warm_up(&self) {
        if self.postgres.is_some() {
            drop(tokio::time::timeout(WARM_UP, self.pool.warm_up()).await);
        }
    }

    /// Locks the file of a SQLite database for this process, and creates it if it does not exist; the lock is
    /// held as long as the store exists. Does nothing on PostgreSQL, or if it is locked already. Blocks for the
    /// time of a few system calls. Must be called before any query.
    pub fn lock_database_file(&self) -> Result<(), DatabaseFileError> {
        self.pool.lock_file()
    }

    /// Checks, without opening or changing anything, that the path of a SQLite database names a regular file, or that a file
    /// can be made there. Succeeds on PostgreSQL.
    pub fn check_database_path(&self) -> Result<(), DatabaseFileError> {
        self.pool.check_path()
    }

    /// Checks that the files of a SQLite database that no process uses belong together and have every commit that is known to
    /// have been made. Succeeds on PostgreSQL. Must be called before any query, by a process that does not lock the file.
    pub fn examine_database_file(&self) -> Result<(), DatabaseFileError> {
        self.pool.examine_file()
    }

    /// Checks that the SQLite file that was locked is still the one that its path names. Succeeds on PostgreSQL.
    pub fn check_database_file(&self) -> Result<(), DatabaseFileError> {
        self.pool.check_file()
    }

    /// Returns why the database can't be used: the last failure to open a connection, if none was opened since, or
    /// of a statement within the last seconds.
    #[must_use]
    pub fn failure(&self) -> Option<DatabaseFailure> {
        self.pool.failure()
    }
}
