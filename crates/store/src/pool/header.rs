//! Header of a SQLite database's file, as far as it is compared (section 1.3 of the SQLite file format).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Size in bytes of the part of the header that is compared.
const HEADER_BYTES: usize = 72;
/// First bytes of every SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Position of the number of changes.
const CHANGES: Range<usize> = 24..28;
/// Position of `user_version`.
const COMMIT: Range<usize> = 60..64;
/// Position of `application_id`.
const DATABASE: Range<usize> = 68..72;

/// Mark of a commit, which each commit of this program writes into the database's first page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CommitMark {
    /// Random number that a database and its copies have (`application_id`); 0 as long as none was drawn.
    pub(super) database: i32,
    /// Number of the commit (`user_version`). It wraps around.
    pub(super) commit: i32,
}

impl CommitMark {
    /// Reads the mark from a database's first page.
    pub(super) fn of_page(page: &[u8]) -> Self {
        let number = |place| number(page, place).cast_signed();
        Self { database: number(DATABASE), commit: number(COMMIT) }
    }

    /// Returns the number of commits from another mark up to this one; it is negative if this one is earlier.
    pub(super) fn since(self, other: Self) -> i32 {
        self.commit.wrapping_sub(other.commit)
    }
}

/// Header of a database's file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileHeader {
    /// Number of changes of the file. It wraps around.
    changes: u32,
    pub(super) mark: CommitMark,
}

impl FileHeader {
    /// Reads the header; `None` if the file does not begin as a SQLite file does.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER_BYTES];
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => Ok(header.starts_with(MAGIC).then(|| Self::of(&header))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(header: &[u8; HEADER_BYTES]) -> Self {
        Self { changes: number(header, CHANGES), mark: CommitMark::of_page(header) }
    }

    /// Returns whether this header can be a later one of the same file. The number of changes only grows, whichever process
    /// writes by the rules of SQLite. It may stand still while commits are marked. A mark goes back only with changes, when
    /// an earlier state is restored by SQL, which the change feed shows.
    pub(super) fn can_follow(&self, before: &Self) -> bool {
        let grew = self.changes.wrapping_sub(before.changes) <= u32::MAX / 2;
        let same = before.mark.database == 0 || before.mark.database == self.mark.database;
        grew && same && (self.changes != before.changes || self.mark.since(before.mark) >= 0)
    }
}

/// Returns the big-endian number at a position; 0 if the bytes end before it.
fn number(bytes: &[u8], place: Range<usize>) -> u32 {
    bytes.get(place).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(changes: u32, database: i32, commit: i32) -> FileHeader {
        let mut bytes = [0; HEADER_BYTES];
        bytes[CHANGES].copy_from_slice(&changes.to_be_bytes());
        bytes[DATABASE].copy_from_slice(&database.to_be_bytes());
        bytes[COMMIT].copy_from_slice(&commit.to_be_bytes());
        FileHeader::of(&bytes)
    }

    #[test]
    fn a_file_that_went_back_or_is_another_one_can_not_follow() {
        let before = header(10, 7, 20);
        for now in [header(10, 7, 20), header(10, 7, 21), header(11, 7, 21), header(99, 7, 19)] {
            assert!(now.can_follow(&before), "{now:?}");
        }
        for now in [header(9, 7, 21), header(10, 7, 19), header(99, 8, 21), header(99, 0, 21)] {
            assert!(!now.can_follow(&before), "{now:?}");
        }
        assert!(header(11, 7, 21).can_follow(&header(10, 0, 20)), "the number was drawn meanwhile");
    }

    #[test]
    fn the_numbers_wrap_around() {
        let before = header(u32::MAX, -3, i32::MAX);
        assert_eq!(before.mark, CommitMark { database: -3, commit: i32::MAX });
        assert!(header(0, -3, i32::MIN).can_follow(&before));
        assert!(!before.can_follow(&header(0, -3, i32::MIN)));
    }
}
