//! Database of the model: the history of writes, and the table `replicas`.

use crate::world::SLOTS;

/// Length of the longest history.
const LONGEST: usize = 3;

/// Revision of a write. The origin stands for the hash of the audit chain: two databases have the same revision in
/// their histories exactly if its number and its origin are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Revision {
    /// Number in commit order; 0 before the first write.
    pub number: u8,
    /// Database that has committed the write first.
    pub origin: u8,
}

/// Kind of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Revocation of the key.
    Revocation,
    /// Write that leaves the key as it is.
    Other,
}

/// Writes of a database in commit order. Each is one byte, because histories are copied and hashed often: 0 for no
/// write, else the kind and the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct History([u8; LONGEST]);

/// Bit of every write.
const PRESENT: u8 = 0b100;
/// Bit of a revocation.
const REVOCATION: u8 = 0b010;
/// Bit of a write that the second database has committed first.
const ORIGIN: u8 = 0b001;

impl History {
    /// Returns the newest revision.
    #[must_use]
    pub fn head(&self) -> Revision {
        let length = self.0.iter().take_while(|write| **write != 0).count();
        length.checked_sub(1).map_or_else(Revision::default, |index| self.revision(index))
    }

    /// Returns the revision of the revocation.
    #[must_use]
    pub fn revocation(&self) -> Option<Revision> {
        self.0.iter().position(|write| write & REVOCATION != 0).map(|index| self.revision(index))
    }

    /// Returns true if the revision is a part of this history.
    #[must_use]
    pub fn contains(&self, revision: Revision) -> bool {
        let Some(index) = usize::from(revision.number).checked_sub(1) else { return true };
        self.0[index] != 0 && self.revision(index) == revision
    }

    /// Adds a write at the end, and returns its revision.
    pub fn append(&mut self, write: Write, origin: u8) -> Revision {
        let kind = if write == Write::Revocation { REVOCATION } else { 0 };
        self.0[usize::from(self.head().number)] = PRESENT | kind | (origin & ORIGIN);
        self.head()
    }

    /// Returns the revision at an index.
    fn revision(self, index: usize) -> Revision {
        let number = u8::try_from(index + 1).unwrap_or(u8::MAX);
        Revision { number, origin: self.0[index] & ORIGIN }
    }
}

/// Row of a holder in the table `replicas`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// Lease that the holder announces, in ticks.
    pub lease: u8,
    /// Newest revision that the holder reports as applied.
    pub applied: Revision,
    /// Counter of heartbeats.
    pub beat: u8,
    /// True after the holder has left in order, or was superseded by a process of the same name.
    pub left: bool,
    /// True after a person has altered the row, so that its checksum fails.
    pub altered: bool,
}

/// Database, or a standby of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Database {
    /// Committed writes.
    pub history: History,
    /// Table `replicas`.
    pub rows: [Option<Row>; SLOTS],
    /// Holders that have registered, one bit each. A person who deletes rows doesn't change these.
    pub registered: u8,
    /// Number of registrations, those that repeat one included. A person who deletes rows doesn't change it.
    pub registrations: u8,
}

impl Database {
    /// Adds the row of a holder that begins. Rows of other databases may have higher beats.
    pub(crate) fn register(&mut self, holder: usize, lease: u8) {
        self.rows[holder] = Some(Row { lease, ..Row::default() });
        self.registered |= 1 << holder;
        self.registrations += 1;
    }
}
