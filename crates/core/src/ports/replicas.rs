//! The table of replicas: the processes that decide from a cache of one database.

use std::time::Duration;

use async_trait::async_trait;

use super::HistoryHash;
use crate::error::SystemError;

/// A process that decides from a cache of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Identifier, new at each start of the process.
    pub id: Box<str>,
    /// Display name: the address that the replica serves on, or the stable name.
    pub name: Box<str>,
    /// Name that the operator gives to a replica. It stays the same across restarts, and no two running
    /// processes share it.
    pub stable_name: Option<Box<str>>,
    /// Identity of the running machine and its network namespace, within which a process can prove that another one has
    /// ended.
    pub host: Option<Box<str>>,
}

/// State that a replica announces in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Newest revision that the replica has applied.
    pub revision: u64,
    /// History of the database at that revision, as the replica has seen it; `None` if it saw none.
    pub history: Option<HistoryHash>,
    /// Time for which the replica trusts its cache after the start of a heartbeat, at most.
    pub lease: Duration,
    /// Number of heartbeats.
    pub beat: u64,
}

/// A row of the table of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRow {
    /// The replica.
    pub replica: Replica,
    /// Announced state; `None` if the row is not as its replica wrote it, or is of a release without checksums.
    pub announced: Option<Announcement>,
    /// Number of heartbeats, as the row has it.
    pub beat: u64,
    /// True if the replica has shut down in good order: it does not use its cache any more.
    pub departed: bool,
    /// True if another process asks if this replica is alive.
    pub challenged: bool,
    /// Text that the database changes with every write of the row, also with one that restores an earlier state of it;
    /// `None` if the database has none.
    pub version: Option<Box<str>>,
}

/// All rows of the table of replicas, read at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Newest revision of the database when the rows were read.
    pub revision: u64,
    /// The rows.
    pub rows: Vec<ReplicaRow>,
    /// Counts of the rows that replicas have added and removed; `None` if the counts are missing.
    pub counts: Option<FleetCounts>,
    /// The longest lease that was ever registered.
    pub longest_lease: Duration,
    /// Timeline of the database: another one after each failover. `None` if the database has none.
    pub timeline: Option<Box<str>>,
}

/// Counts of rows, which are kept apart from the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetCounts {
    /// Number of rows that replicas have added.
    pub registrations: i64,
    /// Number of rows that replicas have removed.
    pub removals: i64,
}

impl Fleet {
    /// Returns whether another program than a replica has added or deleted rows, so that there may be replicas without
    /// one.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        let expected = |counts: FleetCounts| counts.registrations.checked_sub(counts.removals);
        self.counts.and_then(expected) != i64::try_from(self.rows.len()).ok()
    }
}

/// Table of the replicas that may use their caches.
#[async_trait]
pub trait Replicas: Send + Sync {
    /// Inserts the row of a replica, and counts the registration. The write is durable when this returns, and was made
    /// by a server that accepts writes.
    async fn register(&self, replica: &Replica, announced: &Announcement) -> Result<(), SystemError>;
    /// Writes the applied revision of a registered replica. It costs less than a heartbeat, and need not be durable: if
    /// it is lost, a writer waits longer, and nothing else happens.
    async fn set_applied(&self, replica: &Replica, announced: &Announcement) -> Result<(), SystemError>;
    /// Marks the row of a replica that no longer uses its cache.
    async fn depart(&self, replica: &Replica, beat: u64) -> Result<(), SystemError>;
    /// Reads all rows. An answer that is older than `revision` is an error: it comes from a server that is behind.
    async fn list(&self, revision: u64) -> Result<Fleet, SystemError>;
    /// Challenges the replica with this identifier to prove that it is alive by a heartbeat.
    async fn challenge(&self, id: &str) -> Result<(), SystemError>;
    /// Deletes a row if its counter of heartbeats is still `beat`, and counts the removal; returns whether it was deleted.
    async fn remove(&self, id: &str, beat: u64) -> Result<bool, SystemError>;
    /// Makes the present number of rows the expected one. The caller knows that the lease of every replica
    /// without a row has ended.
    async fn accept_count(&self) -> Result<(), SystemError>;
}
