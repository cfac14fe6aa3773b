//! Commits in a SQLite write-ahead log that SQLite has not opened yet (section 4 of the SQLite file format). SQLite itself
//! applies a log to any database, also to one that it does not belong to.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::header::CommitMark;

/// First bytes of a log, without the last bit, which says that the checksums are of big-endian numbers.
const MAGIC: u32 = 0x377f_0682;
const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// Sizes that a page can have.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65_536;

/// Reads the marks of the commits in a log, in their order; none if there is no log, or none of its commits has a mark. The
/// log ends where it does for SQLite: before the first page with a wrong checksum.
pub(super) fn read_marks(path: &Path) -> io::Result<Vec<CommitMark>> {
    match File::open(path) {
        Ok(log) => marks(BufReader::with_capacity(1 << 16, log)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn marks(mut log: impl Read) -> io::Result<Vec<CommitMark>> {
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut log, &mut header)? {
        return Ok(Vec::new());
    }
    let (magic, page_size) = (word(&header, 0), word(&header, 2));
    let sizes = PAGE_SIZES.contains(&page_size).then(|| usize::try_from(page_size).ok()).flatten();
    let Some(size) = sizes.filter(|_| magic & !1 == MAGIC) else { return Ok(Vec::new()) };
    let mut sum = Checksum { big_endian: magic & 1 == 1, sums: [0; 2] };
    sum.add(&header[..24]);
    if !sum.is(&header, 6) {
        return Ok(Vec::new());
    }
    let (mut frame, mut page) = ([0; FRAME_HEADER_BYTES], vec![0; size]);
    let (mut marks, mut uncommitted) = (Vec::new(), None);
    while fill(&mut log, &mut frame)? && fill(&mut log, &mut page)? {
        sum.add(&frame[..8]);
        sum.add(&page);
        // The salt changes whenever the log is restarted; what follows is from before.
        if frame[8..16] != header[16..24] || !sum.is(&frame, 4) {
            break;
        }
        if word(&frame, 0) == 1 {
            uncommitted = Some(CommitMark::of_page(&page));
        }
        let is_last_of_commit = word(&frame, 1) > 0;
        if is_last_of_commit {
            marks.extend(uncommitted.take());
        }
    }
    Ok(marks)
}

/// Checksum of a log, which each frame continues.
struct Checksum {
    big_endian: bool,
    sums: [u32; 2],
}

impl Checksum {
    /// Adds bytes, whose number is a multiple of eight.
    fn add(&mut self, bytes: &[u8]) {
        let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let [mut first, mut second] = self.sums;
        for pair in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            let [left, right] = pair.map(read);
            first = first.wrapping_add(left).wrapping_add(second);
            second = second.wrapping_add(right).wrapping_add(first);
        }
        self.sums = [first, second];
    }

    /// Returns whether the two numbers from a position on are this checksum.
    fn is(&self, bytes: &[u8], place: usize) -> bool {
        self.sums == [word(bytes, place), word(bytes, place + 1)]
    }
}

/// Returns the big-endian number at a position, which counts numbers.
fn word(bytes: &[u8], place: usize) -> u32 {
    bytes.as_chunks::<4>().0.get(place).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Fills the buffer; returns false if the log ends before that.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Program that makes a database with three marked commits, prints the number of bytes of its log after each, and keeps the
    /// log.
    const WRITE: &str = "import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute('PRAGMA journal_mode = wal')
for commit in range(1, 4):
    connection.execute('BEGIN IMMEDIATE')
    connection.execute(f'CREATE TABLE t{commit} (x)')
    connection.execute(f'PRAGMA user_version = {commit}')
    connection.execute('COMMIT')
    print(os.path.getsize(sys.argv[1] + '-wal'))
os._exit(0)";

    /// Returns a log, and its sizes after each commit.
    fn log() -> (Vec<u8>, Vec<usize>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let output =
            std::process::Command::new("python3").args(["-u", "-c", WRITE]).arg(&path).output().unwrap();
        let sizes = String::from_utf8(output.stdout).unwrap();
        let sizes = sizes.lines().map(|line| line.parse().unwrap()).collect();
        (std::fs::read(folder.path().join("keys.db-wal")).unwrap(), sizes)
    }

    fn commits(log: &[u8]) -> Vec<i32> {
        marks(log).unwrap().iter().map(|mark| mark.commit).collect()
    }

    #[test]
    fn a_log_has_its_commits_up_to_the_first_one_that_is_incomplete() {
        let (log, sizes) = log();
        assert_eq!(sizes.len(), 3);
        assert_eq!(commits(&log), [1, 2, 3]);
        assert_eq!(commits(&log[..sizes[1]]), [1, 2]);
        assert_eq!(commits(&log[..sizes[2] - 1]), [1, 2], "cut off");
        let mut torn = log.clone();
        torn[sizes[1] + 100] ^= 1;
        assert_eq!(commits(&torn), [1, 2], "a page with a wrong checksum");
    }

    #[test]
    fn a_file_that_is_no_log_has_no_commits() {
        let (log, _) = log();
        for other in [&[][..], &log[..31], &log[..40], &[0; 5_000]] {
            assert_eq!(commits(other), Vec::<i32>::new(), "{} bytes", other.len());
        }
        let mut other = log;
        other[20] ^= 1;
        assert_eq!(commits(&other), Vec::<i32>::new(), "a header with a wrong checksum");
        assert_eq!(read_marks(Path::new("/no/such/folder/keys.db-wal")).unwrap(), []);
    }
}
