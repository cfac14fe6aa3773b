//! The files of a SQLite database, which belong to one process. The process holds the database's file open and locked,
//! and notices when another file takes its place or that of the write-ahead log: SQLite itself would continue to write
//! to the old one. It also notices a file that was cut off or overwritten with other content. Before SQLite opens the files,
//! it checks that they belong together.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sea_orm::{DbErr, RuntimeErr};

use super::file_place::{self, UnsafePlace};
use super::header::FileHeader;
use super::mark_file::{self, MarkFile, MismatchedFiles};

/// Mode of the files of a database: they hold the hashes of keys and encrypted values.
pub(super) const OWNER_ONLY: u32 = 0o600;

/// Error of a SQLite database's file.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseFileError {
    /// File that cannot be opened, created, locked or examined.
    #[error("the database file {path} can't be used: {1}", path = .0.display())]
    Io(PathBuf, io::Error),
    /// Database whose file with the mark of the newest commit can't be opened.
    #[error(
        "the file {path}-mark can't be opened: {1}; chown it to the owner of {path}, or remove it, after which a start \
         does not notice if the newest commits are missing",
        path = .0.display()
    )]
    Mark(PathBuf, io::Error),
    /// File that does not exist and must not be created.
    #[error(
        "there is no file {path}, and the mode in database_url creates none: correct the path, or write ?mode=rwc for a new \
         database",
        path = .0.display()
    )]
    Missing(PathBuf),
    /// Files that must not be opened as they are.
    #[error(transparent)]
    Mismatched(#[from] MismatchedFiles),
    /// File in a place where the files beside it can be missing.
    #[error(transparent)]
    Place(#[from] UnsafePlace),
    /// Path of something else than a regular file, with the name of its kind.
    #[error(
        "{path} is {1}, and a SQLite database is a regular file: give database_url the path of one",
        path = .0.display()
    )]
    NotAFile(PathBuf, &'static str),
    /// Symbolic link to a file in a folder that does not exist.
    #[error(
        "{path} is a symbolic link to {target}, whose folder does not exist: create the folder (is the volume mounted?), or \
         correct database_url",
        path = .0.display(),
        target = .1.display()
    )]
    DanglingLink(PathBuf, PathBuf),
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
    /// Header when it was last read; `None` as long as SQLite has written none.
    header: Option<FileHeader>,
    /// File with the mark of the newest commit.
    pub(super) mark: MarkFile,
    /// True after the content was found to be another one: the state that SQLite has in memory does not match the file
    /// any more.
    overwritten: bool,
}

impl DatabaseFile {
    /// Opens and locks the file; creates it if it does not exist. Afterwards, only its owner may read or write
    /// it and the files beside it, if that can be changed. Refuses a path that is something else than a regular file
    /// before it changes anything. Must not run while SQLite has the file open, since a failure closes the descriptor.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseFileError> {
        let io_error = |error| DatabaseFileError::Io(path.to_owned(), error);
        check_paths(path)?;
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
        check_kind(path, &metadata)?;
        file_place::check(path, &metadata)?;
        file_place::warn_of_network(path);
        let identity = identity(&metadata);
        let mark = mark_file::open(path, &file)?;
        let (path_buf, log, header) = (path.to_owned(), Vec::new(), None);
        let opened = Self { file, path: path_buf, identity, log, header, mark, overwritten: false };
        opened.check()?;
        for path in &files(path) {
            narrow_mode(path);
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
        self.has_other_content().map(drop)
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

    /// Makes the checks of [`DatabaseFile::check`], and checks that the header can follow the one that was read before. A
    /// file that was cut off, or an older or another database that was copied over this one, shows by it.
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
        let now = FileHeader::read(&self.file);
        let now = now.map_err(|error| DatabaseFileError::Io(self.path.clone(), error))?;
        let other = match (&self.header, &now) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(before), Some(now)) => !now.can_follow(before),
        };
        if !other {
            self.header = now;
        }
        Ok(other)
    }
}

fn identity(metadata: &fs::Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Returns the paths of a database's file and of the files that SQLite keeps beside it.
fn files(path: &Path) -> [PathBuf; 3] {
    [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")]
}

/// Checks, without opening or changing anything, that each path names a regular file, or that a file can be made there.
pub(super) fn check_paths(path: &Path) -> Result<(), DatabaseFileError> {
    for path in &files(path) {
        // A path that can't be examined is a new file, or an error of the opening.
        fs::metadata(path).map_or(Ok(()), |metadata| check_kind(path, &metadata))?;
    }
    let target = link_target(path);
    let has_folder = target.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir());
    if target == path || has_folder {
        return Ok(());
    }
    Err(DatabaseFileError::DanglingLink(path.to_owned(), target))
}

/// Returns the path that symbolic links lead to; the path itself if it is none.
fn link_target(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        let Ok(next) = fs::read_link(&target) else { break };
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    target
}

/// Checks that a path names a regular file, by itself or by symbolic links.
fn check_kind(path: &Path, metadata: &fs::Metadata) -> Result<(), DatabaseFileError> {
    let kind = metadata.file_type();
    let name = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(DatabaseFileError::NotAFile(path.to_owned(), name))
}

/// Returns the path of a file that SQLite keeps beside a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
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
mod tests;
