//! Use of a SQLite database's file by the pool: the file is locked, the write-ahead log is kept open, and both are compared
//! before and after each write.

use std::sync::{MutexGuard, PoisonError};

use super::database_file::DatabaseFile;
use super::raw_connection::SqlCommand;
use super::{DatabaseFileError, OpenError, Pool};

impl Pool {
    /// Locks the file of a SQLite database for this process, and creates it if it does not exist. Does nothing
    /// on PostgreSQL, or if the file is locked already. Blocks for the time of a few system calls.
    ///
    /// Must be called before the first connection is opened, by a process that writes: a failure closes a
    /// descriptor of the file, which would release SQLite's own locks.
    pub(crate) fn lock_file(&self) -> Result<(), DatabaseFileError> {
        let Some(path) = self.target.file() else { return Ok(()) };
        let mut file = self.file();
        if file.is_none() {
            *file = Some(DatabaseFile::open(path)?);
        }
        Ok(())
    }

    /// Checks that the file that was locked and its write-ahead log are still those that the paths name. Succeeds if
    /// none was locked.
    pub(crate) fn check_file(&self) -> Result<(), DatabaseFileError> {
        self.file().as_ref().map_or(Ok(()), DatabaseFile::check)
    }

    /// Checks in addition that the content of the file was not overwritten. The caller must have the write permit.
    pub(super) fn check_file_content(&self) -> Result<(), DatabaseFileError> {
        self.file().as_mut().map_or(Ok(()), DatabaseFile::check_content)
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
        if let Some(file) = self.file().as_mut() {
            file.record_log()?;
        }
        *keeper = Some(raw);
        Ok(())
    }

    fn file(&self) -> MutexGuard<'_, Option<DatabaseFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
