//! Use of a SQLite database's file by the pool: the file is locked, the write-ahead log is kept open, and both are compared
//! before and after each write and at each poll of the change feed. The number of each commit is recorded beside the file.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{MutexGuard, PoisonError};

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbBackend, Statement};

use super::database_file::{DatabaseFile, check_paths};
use super::raw_connection::{RawConnection, SqlCommand, SqlOutcome};
use super::{DatabaseFileError, OpenError, Pool, mark_file};

impl Pool {
    /// Locks the file of a SQLite database for this process, and creates it if it does not exist and the URL does not say
    /// otherwise. Does nothing on PostgreSQL, or if the file is locked already. Blocks for the time of a few system calls, and
    /// to read the write-ahead log of a process that was killed.
    ///
    /// Must be called before the first connection is opened, by a process that writes: a failure closes a
    /// descriptor of the file, which would release SQLite's own locks.
    pub(crate) fn lock_file(&self) -> Result<(), DatabaseFileError> {
        let Some(path) = self.target.file() else { return Ok(()) };
        let mut file = self.file();
        if file.is_none() {
            if !self.target.creates_file() && !path.exists() {
                return Err(DatabaseFileError::Missing(path.to_owned()));
            }
            *file = Some(DatabaseFile::open(path)?);
        }
        Ok(())
    }

    /// Checks, before the first connection is opened, that the files of a SQLite database that no process uses belong together.
    /// Succeeds on PostgreSQL.
    pub(crate) fn examine_file(&self) -> Result<(), DatabaseFileError> {
        self.target.file().map_or(Ok(()), mark_file::examine)
    }

    /// Checks, without opening or changing anything, that the file of a SQLite database can be opened or made.
    pub(crate) fn check_path(&self) -> Result<(), DatabaseFileError> {
        self.target.file().map_or(Ok(()), check_paths)
    }

    /// Checks that the file that was locked and its write-ahead log are still those that the paths name. Succeeds if
    /// none was locked.
    pub(crate) fn check_file(&self) -> Result<(), DatabaseFileError> {
        self.file().as_ref().map_or(Ok(()), DatabaseFile::check)
    }

    /// Checks in addition that the content of the file was not overwritten.
    pub(crate) fn check_file_content(&self) -> Result<(), DatabaseFileError> {
        self.file().as_mut().map_or(Ok(()), DatabaseFile::check_content)
    }

    /// Records the number of the newest commit beside the file.
    pub(super) fn record_commit(&self, commit: i32) {
        if let Some(file) = self.file().as_mut() {
            file.mark.write(commit);
        }
    }

    /// Makes the record of the newest commit durable.
    pub(super) fn sync_record(&self) {
        if let Some(file) = self.file().as_ref() {
            file.mark.sync();
        }
    }

    /// Keeps the write-ahead log of a locked file open from now on, and records which files it consists of.
    pub(super) async fn keep_log(&self) -> Result<(), OpenError> {
        if self.file().is_none() {
            return Ok(());
        }
        let mut keeper = self.log_keeper.lock().await;
        if keeper.is_some() || self.permits.is_closed() {
            return Ok(());
        }
        let mut raw = self.target.open().await?;
        // A connection opens the log when it reads for the first time.
        raw.run(SqlCommand::Plain("SELECT count(*) FROM sqlite_schema".to_owned())).await?;
        let database = database_number(&mut raw).await?;
        if let Some(file) = self.file().as_mut() {
            file.record_log()?;
            file.mark.set_database(database);
        }
        *keeper = Some(raw);
        Ok(())
    }

    fn file(&self) -> MutexGuard<'_, Option<DatabaseFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the number that marks a database and its copies, in `application_id`. Draws one if there is none.
async fn database_number(raw: &mut RawConnection) -> Result<i32, SqlxError> {
    let query = Statement::from_string(DbBackend::Sqlite, "PRAGMA application_id");
    let stored = match raw.run(SqlCommand::Rows(Box::new(query))).await? {
        SqlOutcome::Rows(rows) => rows.first().and_then(|row| row.try_get::<i32>("", "application_id").ok()),
        SqlOutcome::Done(_) => None,
    };
    if let Some(stored) = stored.filter(|stored| *stored != 0) {
        return Ok(stored);
    }
    let random = RandomState::new().hash_one(0);
    let drawn = i32::try_from(random >> 33).unwrap_or_default().max(1);
    // At once into the file itself, so that a copy of another database is distinguished from this one.
    let save = format!("PRAGMA application_id = {drawn}; PRAGMA wal_checkpoint(PASSIVE)");
    raw.run(SqlCommand::Plain(save)).await?;
    Ok(drawn)
}
