//! State of the model: the databases, the replicas, a proxy, the calls that revoke, and what has been observed so far.

use crate::database::{Database, History, Revision};

/// Number of replicas, and of rows in the table `replicas`.
pub const SLOTS: usize = 3;

/// Stage of a replica's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Process that has not started yet.
    #[default]
    Absent,
    /// Process that serves calls.
    Running,
    /// Process that drains: it decides nothing and trusts nothing.
    Draining,
    /// Process that has left in order.
    Left,
    /// Process that was killed, or that ended because its row is superseded.
    Dead,
}

/// Stage of a replica's exchange with a database. Ages count ticks of the replica's own clock since the exchange began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Round {
    /// No exchange in flight.
    #[default]
    Idle,
    /// Round whose start was read from the clock.
    Begun {
        /// Ticks since the begin.
        age: u8,
    },
    /// Round whose heartbeat is committed.
    Committed {
        /// Ticks since the begin.
        age: u8,
        /// Database that committed the heartbeat.
        database: u8,
    },
    /// Round or poll whose answer was read in the database and has not arrived yet.
    Answered {
        /// Ticks since the begin.
        age: u8,
        /// Database that was read.
        database: u8,
        /// Changes up to the head at the time of reading.
        history: History,
        /// True for a round, false for a poll, which extends no lease.
        extends: bool,
    },
}

/// Newest observation of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Row that was never seen.
    #[default]
    Unseen,
    /// Row with this beat, in this database.
    Beat(u8, u8),
    /// Row that fails its checksum, with what it says of its beat, in this database.
    Altered(u8, u8),
    /// Row that was seen before and is missing, when the database had counted so many registrations.
    Missing(u8),
}

/// Memory that a writer has of another holder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Longest lease that the holder has announced; 0 for a holder that was never seen or has left in order.
    pub lease: u8,
    /// Newest observation.
    pub mark: Mark,
    /// Ticks of the writer's clock since the row was first seen as `mark` says.
    pub age: u8,
}

/// Check that needs a look-up in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// True if the Check began after a revocation had been answered with OK.
    pub late: bool,
    /// Revision that the history of a look-up must contain; absent while the Check waits for a lease.
    pub floor: Option<Revision>,
    /// History at the time of a look-up whose answer has not arrived yet.
    pub answer: Option<History>,
}

/// Replica of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Replica {
    /// Stage of its life.
    pub mode: Mode,
    /// Remaining ticks of its lease, on its own clock.
    pub trust: u8,
    /// True after the first complete read.
    pub loaded: bool,
    /// Newest revision that it has applied.
    pub applied: Revision,
    /// True if its copy holds the key as valid.
    pub cached: bool,
    /// True if it remembers that it has applied the revocation (a tombstone).
    pub tombstone: bool,
    /// True if it has ever applied the revocation. The protocol doesn't read this; the properties do.
    pub had_applied: bool,
    /// Exchange in flight.
    pub round: Round,
    /// Memory of the other holders.
    pub seen: [Seen; SLOTS],
    /// Check in flight that needs a look-up.
    pub check: Option<Check>,
    /// Remaining ticks of the leases that it has granted to its proxy, with the margin.
    pub granted: u8,
    /// Newest revision that its proxy has acknowledged.
    pub acknowledged: u8,
}

/// Proxy that follows one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// Remaining ticks of its lease, on its own clock.
    pub trust: u8,
    /// Newest revision that it has applied.
    pub applied: u8,
    /// True if its copy holds the key as valid.
    pub cached: bool,
    /// Ticks since its request in flight began, on its own clock.
    pub asked: Option<u8>,
    /// Answer that has not arrived yet: remaining lease of the replica, its revision, and whether the key is valid.
    pub answer: Option<(u8, u8, bool)>,
}

/// Stage of a call that revokes the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// No call.
    #[default]
    Idle,
    /// Call that has read the list of holders before its commit, which only a flawed writer does.
    Prepared,
    /// Call that waits until the revocation is applied everywhere.
    Waiting,
}

/// Call that revokes the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Call {
    /// Stage of the call.
    pub stage: Stage,
    /// Replica that serves the call.
    pub writer: u8,
    /// Revision that the call waits for.
    pub revision: Revision,
    /// True if the call has found nothing to change.
    pub retry: bool,
    /// Ticks of the writer's clock since the wait began.
    pub age: u8,
    /// True after a list of holders was read.
    pub listed: bool,
    /// Holders that the call considers, one bit each.
    pub holders: u8,
    /// Lease of each holder that has not reported the revision; 0 for the others.
    pub pending: [u8; SLOTS],
    /// True if a holder was registered whose row is missing and was never seen.
    pub unknown: bool,
}

/// First OK of a revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FirstOk {
    /// No OK yet.
    #[default]
    No,
    /// OK after every holder had reported the revision.
    Reported,
    /// OK after the lease of a holder that had not reported it.
    Expired,
    /// OK of a call that had found nothing to change.
    Retried,
}

/// State of the whole model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct World {
    /// First database, and the one that a failover promotes.
    pub databases: [Database; 2],
    /// Database that accepts commits.
    pub primary: u8,
    /// True after the wall clock of the database has jumped.
    pub wall_clock_jumped: bool,
    /// Replicas.
    pub replicas: [Replica; SLOTS],
    /// Proxy behind a replica.
    pub proxy: Proxy,
    /// Calls that revoke.
    pub calls: [Call; 2],
    /// Ticks of the clock of a starting process since it has challenged the living owner of its name.
    pub challenge: Option<u8>,
    /// First OK.
    pub answered: FirstOk,
    /// True after a look-up has allowed a Check that began after the OK.
    pub admitted: bool,
    /// True after a revocation has come back that a replica had applied: a look-up of this replica has allowed the key,
    /// or its lease was extended on a database that lacks the revocation.
    pub returned: bool,
    /// True after a clock has lost a tick.
    pub tick_lost: bool,
    /// Number of actions of a person that are left.
    pub interventions: u8,
    /// Number of other writes that are left.
    pub other_writes: u8,
}

impl World {
    /// Returns the database that accepts commits.
    pub fn primary(&mut self) -> &mut Database {
        &mut self.databases[usize::from(self.primary)]
    }

    /// Returns a beat of the holder that differs from every beat that anything still remembers.
    #[must_use]
    pub fn next_beat(&self, holder: usize) -> u8 {
        let rows = self.databases.iter().filter_map(|database| database.rows[holder]).map(|row| row.beat);
        let seen = self.replicas.iter().filter_map(|replica| match replica.seen[holder].mark {
            Mark::Beat(_, beat) | Mark::Altered(_, beat) => Some(beat),
            Mark::Unseen | Mark::Missing(_) => None,
        });
        rows.chain(seen).max().map_or(0, |beat| beat + 1)
    }

    /// Renumbers beats, because only their differences matter.
    pub fn renumber_beats(&mut self) {
        for holder in 0..SLOTS {
            self.renumber(holder);
        }
    }

    /// Replaces each beat of a holder by the number of smaller beats in use.
    fn renumber(&mut self, holder: usize) {
        let mut used = 0_u32;
        self.for_each_beat(holder, |beat| used |= 1 << *beat);
        let complete = used & (used + 1) == 0;
        if !complete {
            self.for_each_beat(holder, |beat| {
                let smaller = used & ((1 << *beat) - 1);
                *beat = u8::try_from(smaller.count_ones()).unwrap_or(u8::MAX);
            });
        }
    }

    /// Calls a function for every beat of a holder that anything remembers.
    fn for_each_beat(&mut self, holder: usize, mut function: impl FnMut(&mut u8)) {
        for database in &mut self.databases {
            if let Some(row) = &mut database.rows[holder] {
                function(&mut row.beat);
            }
        }
        for replica in &mut self.replicas {
            if let Mark::Beat(_, beat) | Mark::Altered(_, beat) = &mut replica.seen[holder].mark {
                function(beat);
            }
        }
    }
}
