//! The files of a SQLite database, which belong to one process. The process holds the database's file open and locked,
//! and notices when another file takes its place or that of the write-ahead log: SQLite itself would continue to write
//! to the old one. It also notices a file that was cut off or overwritten with other content.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sea_orm::{DbErr, RuntimeErr};

/// Mode of the files of a database: they hold the hashes of keys and encrypted values.
const OWNER_ONLY: u32 = 0o600;

/// Error of a SQLite database's file.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseFileError {
    /// File that cannot be opened, created, locked or examined.
    #[error("the database file {path} can't be used: {1}", path = .0.display())]
    Io(PathBuf, io::Error),
    /// File that another process has locked.
    #[error(
        "another process uses {path}: a SQLite database belongs to one process; stop it, or use PostgreSQL for several",
        path = .0.display()
    )]
    InUse(PathBuf),
    /// File that is not the one that was opened.
    #[error(
        "the file {path} was replaced (or removed) while latchkey runs: restart it to use the new file",
        path = .0.display()
    )]
    Replaced(PathBuf),
    /// File of the write-ahead log that is not the one that SQLite has open.
    #[error(
        "the file {path} was replaced (or removed) while latchkey runs, so that later writes would be lost: stop \
         latchkey with SIGTERM, which saves what it wrote, and start it again",
        path = .0.display()
    )]
    LogReplaced(PathBuf),
    /// Database file with content that SQLite did not write.
    #[error(
        "the file {path} was overwritten while latchkey runs: stop latchkey, restore the file from a backup, and start \
         it again",
        path = .0.display()
    )]
    Overwritten(PathBuf),
}

impl From<DatabaseFileError> for DbErr {
    fn from(error: DatabaseFileError) -> Self {
        Self::Conn(RuntimeErr::Internal(error.to_string()))
    }
}

/// Device and inode of a file.
type Identity = (u64, u64);

/// Size in bytes of the part of a SQLite file's header that is compared (the header is described in section 1.3 of the
/// SQLite file format).
const HEADER_BYTES: usize = 28;
/// First bytes of every SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Position of the number of changes in the header.
const CHANGES: std::ops::Range<usize> = 24..28;

/// A SQLite database's file, locked by this process.
///
/// The lock is `flock`'s, which does not meet the `fcntl` locks that SQLite takes on the same file. The
/// descriptor stays open: closing any descriptor of a file releases all `fcntl` locks that its process has on
/// it, those of SQLite among them.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    file: File,
    path: PathBuf,
    identity: Identity,
    /// The write-ahead log and its index, once SQLite has them open.
    log: Vec<(PathBuf, Identity)>,
    /// Number of changes in the header when it was last read; `None` as long as SQLite has written none.
    changes: Option<u32>,
    /// True after the content was found to be another one: the state that SQLite has in memory does not match the file
    /// any more.
    overwritten: bool,
}

impl DatabaseFile {
    /// Opens and locks the file; creates it if it does not exist. Afterwards, only its owner may read or write
    /// it and the files beside it, if that can be changed. Must not run while SQLite has the file open, since
    /// a failure closes the descriptor.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseFileError> {
        let io_error = |error| DatabaseFileError::Io(path.to_owned(), error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ONLY)
            .open(path)
            .map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DatabaseFileError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io_error(error)),
        }
        let identity = identity(&file.metadata().map_err(io_error)?);
        let (path_buf, log) = (path.to_owned(), Vec::new());
        let opened = Self { file, path: path_buf, identity, log, changes: None, overwritten: false };
        opened.check()?;
        for path in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
            narrow_mode(&path);
        }
        Ok(opened)
    }

    /// Records the files of the write-ahead log. SQLite must have them open, and keep them open as long as they are
    /// compared. On a file system where SQLite can't keep such a log, there are none.
    pub(super) fn record_log(&mut self) -> Result<(), DatabaseFileError> {
        let mut log = Vec::with_capacity(2);
        for path in [beside(&self.path, "-wal"), beside(&self.path, "-shm")] {
            match fs::metadata(&path) {
                Ok(metadata) => log.push((path, identity(&metadata))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(DatabaseFileError::Io(path, error)),
            }
        }
        self.log = log;
        Ok(())
    }

    /// Checks that the paths still name the file that was opened and the log that SQLite has open, and that no check of
    /// the content has failed.
    pub(super) fn check(&self) -> Result<(), DatabaseFileError> {
        check_identity(&self.path, self.identity, DatabaseFileError::Replaced)?;
        if self.overwritten {
            return Err(DatabaseFileError::Overwritten(self.path.clone()));
        }
        self.log
            .iter()
            .try_for_each(|(path, identity)| check_identity(path, *identity, DatabaseFileError::LogReplaced))
    }

    /// Makes the checks of [`DatabaseFile::check`], and checks that the file begins as a SQLite file does and has no
    /// fewer changes than before. The number of changes only grows, whichever process writes by the rules of SQLite; a
    /// file that was cut off, or an older or another database that was copied over this one, mostly shows by it. Must
    /// not run during a write of this process.
    pub(super) fn check_content(&mut self) -> Result<(), DatabaseFileError> {
        self.check()?;
        if self.log.is_empty() {
            return Ok(());
        }
        // Read again, in case that SQLite was just writing the header.
        self.overwritten = self.has_other_content()? && self.has_other_content()?;
        self.check()
    }

    /// Returns whether the header is not one that SQLite can have written since it was last read.
    fn has_other_content(&mut self) -> Result<bool, DatabaseFileError> {
        let mut header = [0; HEADER_BYTES];
        let now = match self.file.read_exact_at(&mut header, 0) {
            Ok(()) => header.starts_with(MAGIC).then(|| changes(&header)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(DatabaseFileError::Io(self.path.clone(), error)),
        };
        // The number wraps around.
        let grew = |before: u32, now: u32| now.wrapping_sub(before) <= u32::MAX / 2;
        match (self.changes, now) {
            (None, None) => Ok(false),
            (Some(_), None) => Ok(true),
            (Some(before), Some(now)) if !grew(before, now) => Ok(true),
            (None | Some(_), Some(_)) => {
                self.changes = now;
                Ok(false)
            }
        }
    }
}

/// Returns the number of changes in a header.
fn changes(header: &[u8; HEADER_BYTES]) -> u32 {
    header[CHANGES].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn identity(metadata: &fs::Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Returns the path of a file that SQLite keeps beside a database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn check_identity(
    path: &Path,
    expected: Identity,
    replaced: fn(PathBuf) -> DatabaseFileError,
) -> Result<(), DatabaseFileError> {
    match fs::metadata(path) {
        Ok(found) if identity(&found) == expected => Ok(()),
        Ok(_) => Err(replaced(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(replaced(path.to_owned())),
        Err(error) => Err(DatabaseFileError::Io(path.to_owned(), error)),
    }
}

/// Takes a file's permissions from everyone but its owner. Does nothing if the file does not exist.
fn narrow_mode(path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.mode() & 0o777;
    if mode.trailing_zeros() >= 6 {
        return;
    }
    match fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY)) {
        Ok(()) => tracing::info!(
            path = %path.display(),
            "changed the mode of a database file from {mode:03o} to {OWNER_ONLY:03o}"
        ),
        Err(error) => tracing::warn!(
            path = %path.display(), %error,
            "a database file has mode {mode:03o}, and it can't be changed to {OWNER_ONLY:03o}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_file_is_locked_by_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let held = DatabaseFile::open(&path).unwrap();
        let error = DatabaseFile::open(&path).unwrap_err();
        assert!(matches!(error, DatabaseFileError::InUse(_)), "{error}");
        assert!(error.to_string().contains("keys.db") && !error.to_string().contains('\n'), "{error}");
        drop(held);
        assert!(DatabaseFile::open(&path).is_ok());
    }

    #[test]
    fn a_file_that_was_replaced_or_removed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let held = DatabaseFile::open(&path).unwrap();
        assert!(held.check().is_ok());
        let aside = folder.path().join("aside.db");
        fs::rename(&path, &aside).unwrap();
        assert!(matches!(held.check(), Err(DatabaseFileError::Replaced(_))));
        fs::write(&path, b"another").unwrap();
        assert!(matches!(held.check(), Err(DatabaseFileError::Replaced(_))));
        fs::rename(&aside, &path).unwrap();
        assert!(held.check().is_ok());
    }

    #[test]
    fn the_files_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        drop(DatabaseFile::open(&path).unwrap());
        assert_eq!(mode(&path), OWNER_ONLY);
        let log = folder.path().join("keys.db-wal");
        fs::write(&log, b"").unwrap();
        for path in [&path, &log] {
            fs::set_permissions(path, Permissions::from_mode(0o664)).unwrap();
        }
        drop(DatabaseFile::open(&path).unwrap());
        assert_eq!((mode(&path), mode(&log)), (OWNER_ONLY, OWNER_ONLY));
    }

    #[test]
    fn a_file_that_cannot_be_opened_has_the_systems_own_cause() {
        let folder = tempfile::tempdir().unwrap();
        let error = DatabaseFile::open(&folder.path().join("absent/keys.db")).unwrap_err().to_string();
        assert!(error.contains("No such file or directory"), "{error}");
    }
}
