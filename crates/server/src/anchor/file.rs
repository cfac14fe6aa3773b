//! File of anchors: one line each, with sequence number and hash. The file is opened by its path for each append, so
//! that it can be moved away and a new one is created. Lines that a crash truncated are skipped.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_management::ports::audit::{Anchor, AnchorStore};

/// Bytes that are read at once; the longest line has 86 bytes.
const CHUNK: u64 = 64 * 1024;

/// Mode of a file of anchors: a process that can write it can hide a truncation of the audit log.
const MODE: u32 = 0o600;

/// Opens a file to append to it, or creates it. Takes the permissions of others from one that has them.
fn append_to(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    if file.metadata()?.is_file() && file.metadata()?.mode() & 0o077 != 0 {
        // A file of another owner stays as it is: the append matters more.
        drop(file.set_permissions(Permissions::from_mode(MODE)));
    }
    Ok(file)
}

/// Path of a file of anchors.
#[derive(Clone, Debug)]
pub(crate) struct AnchorFile(PathBuf);

impl AnchorFile {
    /// Opens a file, or creates it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        append_to(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Returns the last anchor in the file.
    pub(crate) fn last(&self) -> io::Result<Option<Anchor>> {
        let extent = self.length()?;
        Ok(self.read_range(extent.saturating_sub(CHUNK), extent)?.0.pop())
    }

    /// Appends an anchor; it is on disk when this returns.
    pub(crate) async fn append(&self, anchor: Anchor) -> io::Result<()> {
        let this = self.clone();
        run_blocking(move || {
            let mut file = append_to(&this.0)?;
            // A line that a crash truncated must not run into the next one.
            let separator = if this.ends_with_newline()? { "" } else { "\n" };
            file.write_all(format!("{separator}{} {}\n", anchor.sequence, hex(&anchor.hash)).as_bytes())?;
            file.sync_data()
        })
        .await
    }

    fn ends_with_newline(&self) -> io::Result<bool> {
        let mut file = File::open(&self.0)?;
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(last == [b'\n'])
    }

    fn length(&self) -> io::Result<u64> {
        match std::fs::metadata(&self.0) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Returns the anchors of the complete lines between two positions, at most one chunk, and the position after
    /// them.
    fn read_range(&self, from: u64, until: u64) -> io::Result<(Vec<Anchor>, u64)> {
        if from >= until {
            return Ok((Vec::new(), until));
        }
        let mut file = File::open(&self.0)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(CHUNK.min(until - from)).read_to_end(&mut bytes)?;
        let length = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) if from + (bytes.len() as u64) < until => end + 1,
            // The last chunk of the range, or a chunk without a line break, which is not our data.
            Some(_) | None => bytes.len(),
        };
        let text = String::from_utf8_lossy(&bytes[..length]);
        let end = if bytes.is_empty() { until } else { from + length as u64 };
        Ok((text.lines().filter_map(parse_line).collect(), end))
    }
}

#[async_trait]
impl AnchorStore for AnchorFile {
    async fn extent(&self) -> Result<u64, SystemError> {
        let this = self.clone();
        run_blocking(move || this.length()).await.map_err(|error| unavailable(&error))
    }

    async fn read(&self, from: u64, until: u64) -> Result<(Vec<Anchor>, u64), SystemError> {
        let this = self.clone();
        run_blocking(move || this.read_range(from, until)).await.map_err(|error| unavailable(&error))
    }
}

fn unavailable(error: &io::Error) -> SystemError {
    tracing::error!(%error, "failed to read the file of anchors of the audit log; the verification is aborted");
    SystemError::no_answer("the file of anchors", Duration::from_secs(1))
}

fn parse_line(line: &str) -> Option<Anchor> {
    let (sequence, hash) = line.split_once(' ')?;
    let digits = hash.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let hash: Vec<u8> = digits.0.iter().map(byte).collect::<Option<_>>()?;
    let complete = digits.1.is_empty();
    Some(Anchor { sequence: sequence.parse().ok()?, hash: hash.try_into().ok().filter(|_| complete)? })
}

/// Returns a hash in hexadecimal digits.
pub(super) fn hex(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Runs file operations on a separate thread. Bounded: one append at a time, and one read for each verification.
#[expect(clippy::disallowed_methods, reason = "composition root: the number of blocking calls is bounded")]
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
