//! File beside a SQLite database with the mark of its newest commit, and the checks of a database's files before SQLite opens
//! them: SQLite takes a database whose write-ahead log is missing for a complete one, and applies a log that was left to
//! whatever file is in the database's place.
//!
//! The file is written after each commit and not synchronized with the disk: after a power failure it may name an earlier
//! commit than the newest one, and never a later one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::database_file::{DatabaseFileError, OWNER_ONLY, beside};
use super::file_place;
use super::header::{CommitMark, FileHeader};
use super::write_ahead_log;

/// Number of bytes in the file: one line of text.
const LINE_BYTES: usize = 34;

/// Files of a SQLite database that must not be opened as they are. The text says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MismatchedFiles {
    /// Log that belongs to another state of the database's file, or to another database.
    #[error(
        "{database} and its log {database}-wal do not belong together: one of them was replaced (restored from a backup?) \
         and the other one stayed. Put the missing one back; or, to use {database} as it is, remove {database}-wal, \
         {database}-shm and {database}-mark",
        database = .0.display()
    )]
    Log(PathBuf),
    /// Database that lacks so many commits that are known to have been made.
    #[error(
        "{database} lacks the newest commits that were made here, {1} in number ({database}-mark names the last one): it is an older \
         copy, or its log {database}-wal was removed after a crash. Keys that were revoked in them would be accepted. Put \
         the newer file or the log back; or, to use {database} as it is, remove {database}-mark, and revoke again",
        database = .0.display()
    )]
    Commits(PathBuf, i32),
    /// Database in the place of another one.
    #[error(
        "{database} is not the database that was used here ({database}-mark names that one): put it back; or, to use this \
         one, remove {database}-mark",
        database = .0.display()
    )]
    Database(PathBuf),
}

/// Checks that a database's file, its log and the mark of its newest commit belong together. Returns the file of the mark.
pub(super) fn open(path: &Path, file: &File) -> Result<MarkFile, DatabaseFileError> {
    let path = real_path(path);
    let metadata = file.metadata().map_err(|error| DatabaseFileError::Io(path.clone(), error))?;
    let opened = MarkFile::open(beside(&path, "-mark"), (metadata.uid(), metadata.gid()));
    let (mark, known) = opened.map_err(|error| DatabaseFileError::Mark(path.clone(), error))?;
    check_files(&path, file, known)?;
    Ok(mark)
}

/// Checks the files of a database as [`DatabaseFile::open`] does, without locking or changing them. Succeeds if a process
/// uses them. Must not run in that process, nor after this one has opened the database.
pub(super) fn examine(path: &Path) -> Result<(), DatabaseFileError> {
    let Ok(file) = File::open(path) else { return Ok(()) };
    let path = real_path(path);
    let mark = open_existing(&beside(&path, "-mark"), OpenOptions::new().read(true));
    let metadata = file.metadata().map_err(|error| DatabaseFileError::Io(path.clone(), error))?;
    file_place::check(&path, &metadata)?;
    let checked = mark
        .map_err(|error| DatabaseFileError::Mark(path.clone(), error))
        .and_then(|mark| check_files(&path, &file, mark.as_ref().and_then(read)));
    match checked {
        // A process that writes changes the files while they are read.
        Err(_) if matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) => Ok(()),
        checked => checked,
    }
}

/// Returns the path that links lead to: SQLite, too, puts its files beside the one at their end.
fn real_path(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Opens a file; `None` if it does not exist.
fn open_existing(path: &Path, options: &OpenOptions) -> io::Result<Option<File>> {
    match options.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the marks in the file of a database and in its log, and checks them. `known` is that of the newest commit.
fn check_files(path: &Path, file: &File, known: Option<CommitMark>) -> Result<(), DatabaseFileError> {
    let io_error = |path: &Path, error| DatabaseFileError::Io(path.to_owned(), error);
    let header = FileHeader::read(file).map_err(|error| io_error(path, error))?;
    let Some(FileHeader { mark: stored, .. }) = header else { return Ok(()) };
    let log = beside(path, "-wal");
    let logged = write_ahead_log::read_marks(&log).map_err(|error| io_error(&log, error))?;
    check(path, stored, &logged, known)?;
    if known.is_none() && stored.database != 0 && stored.commit != 0 {
        tracing::info!(
            path = %path.display(),
            "the database is a copy: keys that were revoked after it was made are accepted until they are revoked again"
        );
    }
    Ok(())
}

/// Checks that the file of a database and its log belong together, and that they have the newest commit that is known.
/// `stored` is the mark in the file, `logged` are those in the log.
fn check(
    path: &Path,
    stored: CommitMark,
    logged: &[CommitMark],
    known: Option<CommitMark>,
) -> Result<(), MismatchedFiles> {
    if let [first, ..] = logged {
        // The log has all pages that were changed since the commit before its first one. If its beginning was written into
        // the file already, the file's mark is one of the log's.
        let belongs = |mark: &CommitMark| {
            (stored.database == 0 || stored.database == mark.database) && stored.commit == mark.commit
        };
        let before = CommitMark { database: first.database, commit: first.commit.wrapping_sub(1) };
        if !belongs(&before) && !logged.iter().any(belongs) {
            return Err(MismatchedFiles::Log(path.to_owned()));
        }
    }
    let newest = logged.last().copied().unwrap_or(stored);
    match known {
        Some(known) if known.database != newest.database => Err(MismatchedFiles::Database(path.to_owned())),
        Some(known) if known.since(newest) > 0 => {
            Err(MismatchedFiles::Commits(path.to_owned(), known.since(newest)))
        }
        Some(_) | None => Ok(()),
    }
}

/// Identifiers of the user and the group that a file belongs to.
type Owner = (u32, u32);

/// File with the mark of a database's newest commit.
#[derive(Debug)]
pub(super) struct MarkFile {
    path: PathBuf,
    file: Option<File>,
    /// Owner of the database's file.
    owner: Owner,
    /// Number that the marks of the database have.
    database: i32,
    /// True after a failure was logged.
    failing: bool,
}

impl MarkFile {
    /// Opens the file, if it exists. Returns it with the mark that it holds. `owner` is that of the database's file.
    fn open(path: PathBuf, owner: Owner) -> io::Result<(Self, Option<CommitMark>)> {
        let file = open_existing(&path, OpenOptions::new().read(true).write(true))?;
        let mark = file.as_ref().and_then(read);
        Ok((Self { path, file, owner, database: 0, failing: false }, mark))
    }

    /// Sets the number that the marks of the database have.
    pub(super) fn set_database(&mut self, database: i32) {
        self.database = database;
    }

    /// Writes the mark of the newest commit. Creates the file if it does not exist. A failure is logged once, since the commit itself
    /// is complete.
    pub(super) fn write(&mut self, commit: i32) {
        let written = self.try_write(commit);
        if let Err(error) = &written
            && !self.failing
        {
            tracing::warn!(
                path = %self.path.display(), %error,
                "failed to write the mark of the newest commit: a later start does not notice if the database's newest commits \
                 are missing"
            );
        }
        self.failing = written.is_err();
    }

    fn try_write(&mut self, commit: i32) -> io::Result<()> {
        let lost = self.file.take_if(|file| !is_at(&self.path, file));
        if lost.is_some() {
            tracing::warn!(
                path = %self.path.display(),
                "the file with the mark of the newest commit was replaced (or removed) while latchkey runs; it is written again"
            );
        }
        if self.file.is_none() {
            self.file = Some(self.create()?);
        }
        let line = format!("database {:08x} commit {commit:08x}\n", self.database);
        self.file.as_ref().map_or(Ok(()), |file| file.write_all_at(line.as_bytes(), 0))
    }

    /// Creates the file. Root gives it to the owner of the database's file, as SQLite does with its own files, so that a
    /// process of that user can open it.
    fn create(&self) -> io::Result<File> {
        // By no symbolic link, which could make root give away another file.
        let created = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&self.path);
        let file = match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return OpenOptions::new().write(true).open(&self.path);
            }
            created => created?,
        };
        let metadata = file.metadata()?;
        let (user, group) = self.owner;
        if metadata.uid() == 0 && (metadata.uid(), metadata.gid()) != self.owner {
            // A root that may not do it leaves a file whose error at the next start says what to do.
            let _ = fchown(&file, Some(user), Some(group));
        }
        Ok(file)
    }

    /// Synchronizes the file with the disk.
    pub(super) fn sync(&self) {
        if let Some(file) = &self.file {
            // Without it, the file is as it is after a commit.
            let _ = file.sync_data();
        }
    }
}

/// Returns whether a path names this file.
fn is_at(path: &Path, file: &File) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (named, open) = (fs::metadata(path).map(identity), file.metadata().map(identity));
    matches!((named, open), (Ok(named), Ok(open)) if named == open)
}

/// Reads the mark; `None` if the file has another content.
fn read(file: &File) -> Option<CommitMark> {
    let mut line = [0; LINE_BYTES];
    file.read_exact_at(&mut line, 0).ok()?;
    let mut words = std::str::from_utf8(&line).ok()?.split_whitespace();
    let mut number = |name: &str| {
        let value = words.next().filter(|word| *word == name).and_then(|_| words.next())?;
        u32::from_str_radix(value, 16).ok().map(u32::cast_signed)
    };
    Some(CommitMark { database: number("database")?, commit: number("commit")? })
}

#[cfg(test)]
mod tests;
