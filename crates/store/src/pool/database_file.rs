//! The file of a SQLite database, which belongs to one process. The process holds it open and locked, and
//! notices when another file takes its place: SQLite itself would go on writing to the old one.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
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
}

impl From<DatabaseFileError> for DbErr {
    fn from(error: DatabaseFileError) -> Self {
        Self::Conn(RuntimeErr::Internal(error.to_string()))
    }
}

/// A SQLite database's file, locked by this process.
///
/// The lock is `flock`'s, which does not meet the `fcntl` locks that SQLite takes on the same file. The
/// descriptor stays open: closing any descriptor of a file releases all `fcntl` locks that its process has on
/// it, those of SQLite among them.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    _file: File,
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl DatabaseFile {
    /// Opens and locks the file; creates it if it does not exist. Nobody but its owner may read or write it or
    /// the files beside it afterwards, if that can be changed. Must not run while SQLite has the file open,
    /// since a failure closes the descriptor.
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
        let metadata = file.metadata().map_err(io_error)?;
        let opened = Self { _file: file, path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) };
        opened.check()?;
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            narrow_mode(Path::new(&name));
        }
        Ok(opened)
    }

    /// Checks that the path still names the file that was opened.
    pub(super) fn check(&self) -> Result<(), DatabaseFileError> {
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.identity => Ok(()),
            Ok(_) => Err(DatabaseFileError::Replaced(self.path.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(DatabaseFileError::Replaced(self.path.clone()))
            }
            Err(error) => Err(DatabaseFileError::Io(self.path.clone(), error)),
        }
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
