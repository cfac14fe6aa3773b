//! Membership of this replica among those of its database: its row, its heartbeats, and what it knows of the others.

mod own_row;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::ports::{Announcement, Fleet, HistoryHash, Replica, ReplicaRow, Replicas};
use latchkey_core::time::{Clock, MonotonicInstant};
use tokio::time::sleep;

use super::holders::HolderTable;
use super::host::{self, LivenessSocket};
pub(super) use own_row::OwnRow;

/// Shortest time in which a live replica must answer a challenge.
const SHORTEST_CHALLENGE: Duration = Duration::from_secs(1);
/// Pause between two reads of a challenged replica's row.
const CHALLENGE_PAUSE: Duration = Duration::from_millis(50);

/// Membership of this replica.
pub(crate) struct Membership {
    replicas: Arc<dyn Replicas>,
    pub(super) replica: Replica,
    lease: Duration,
    poll_interval: Duration,
    /// True if the operator declares that there is one replica at most.
    alone: bool,
    /// Liveness proof for other processes of this machine; `None` if the row announces no machine.
    _socket: Option<LivenessSocket>,
    state: Mutex<State>,
    /// Locked while a waiting write reads the rows.
    reading: tokio::sync::Mutex<()>,
}

/// State that changes during the life of a replica.
#[derive(Default)]
struct State {
    /// The announcement that the row carries, if the replica is registered.
    announced: Option<Announcement>,
    /// Counter of the newest heartbeat that was sent. The row may carry it although the answer was lost.
    sent: u64,
    holders: HolderTable,
    /// Predecessors that did not answer a challenge. Their rows stay, since writers wait for the end of their leases.
    /// One that is alive after all finds this replica's row, and ends.
    silent: Vec<Box<str>>,
}

/// Reason why a replica may not be a member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryError {
    /// The database gave no answer.
    #[error(transparent)]
    System(#[from] SystemError),
    /// Another process is, or may be, the replica that this one would become.
    #[error("{0}")]
    Conflict(String),
}

/// Settings of a membership.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MembershipSettings {
    pub(crate) lease: Duration,
    pub(crate) poll_interval: Duration,
    /// True if another live replica is an error.
    pub(crate) alone: bool,
}

impl Membership {
    /// Makes a membership. Without the socket that proves the end of this process to others, the replica announces no
    /// machine, and they wait for its lease.
    pub(crate) fn new(
        replicas: Arc<dyn Replicas>,
        mut replica: Replica,
        settings: MembershipSettings,
    ) -> Self {
        let MembershipSettings { lease, poll_interval, alone } = settings;
        let bind = || {
            LivenessSocket::bind(&replica.id).inspect_err(|error| {
                tracing::warn!(
                    %error,
                    "failed to bind the socket that proves the end of this process: if it crashes, writers wait for its lease"
                );
            })
        };
        let socket = replica.host.as_ref().and_then(|_| bind().ok());
        if socket.is_none() {
            replica.host = None;
        }
        Self {
            replicas,
            replica,
            lease,
            poll_interval,
            alone,
            _socket: socket,
            state: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Returns the identifier of this replica.
    pub(crate) fn id(&self) -> &str {
        &self.replica.id
    }

    /// Returns what the next heartbeat announces: the counter is one higher than before.
    pub(super) fn next_announcement(&self, revision: u64, history: Option<HistoryHash>) -> Announcement {
        let mut state = self.state();
        state.sent += 1;
        Announcement { revision, history, lease: self.lease, beat: state.sent }
    }

    /// Returns whether the replica has a row.
    pub(super) fn is_registered(&self) -> bool {
        self.state().announced.is_some()
    }

    /// Inserts the row, after having made sure that no other process is this replica. Rows of processes of this machine
    /// that have ended are marked as departed, so that no write waits for them.
    pub(super) async fn register(
        &self,
        announced: Announcement,
        clock: &dyn Clock,
    ) -> Result<(), EntryError> {
        let fleet = self.replicas.list(0).await?;
        let mut conflicting = Vec::new();
        for row in fleet.rows.iter().filter(|row| row.replica.id != self.replica.id && !row.departed) {
            let here = row.replica.host.is_some() && row.replica.host == self.replica.host;
            if here && host::has_ended(&row.replica.id) {
                self.replicas.depart(&row.replica, row.beat + 1).await?;
            } else if self.conflicts(row) && here {
                return Err(EntryError::Conflict(self.conflict_text(&row.replica)));
            } else if self.conflicts(row) && !self.state().silent.contains(&row.replica.id) {
                conflicting.push(row);
            }
        }
        if let Some(alive) = self.first_answer(&conflicting, clock).await? {
            return Err(EntryError::Conflict(self.conflict_text(&alive.replica)));
        }
        // Those that only give no answer keep their rows, and writers wait for the end of their leases.
        self.state().silent.extend(conflicting.iter().map(|row| row.replica.id.clone()));
        self.replicas.register(&self.replica, &announced).await?;
        self.state().announced = Some(announced);
        Ok(())
    }

    /// Returns whether another replica keeps this one from becoming a member as long as it is alive.
    fn conflicts(&self, row: &ReplicaRow) -> bool {
        let name = &self.replica.stable_name;
        self.alone || (name.is_some() && row.replica.stable_name == *name)
    }

    fn conflict_text(&self, other: &Replica) -> String {
        match &self.replica.stable_name {
            Some(name) if self.replica.stable_name == other.stable_name => format!(
                "replica_name: another process runs as {name:?} (at {}): give every replica a name of its own, or none",
                other.name
            ),
            _ => format!(
                "single_replica: another replica uses the database (at {}): stop it, or leave single_replica out",
                other.name
            ),
        }
    }

    /// Challenges replicas to show that they are alive; returns the first that answers in time.
    async fn first_answer<'a>(
        &self,
        asked: &[&'a ReplicaRow],
        clock: &dyn Clock,
    ) -> Result<Option<&'a ReplicaRow>, SystemError> {
        for row in asked {
            self.replicas.challenge(&row.replica.id).await?;
        }
        let end = clock.monotonic().plus(SHORTEST_CHALLENGE.max(4 * self.poll_interval));
        while !asked.is_empty() && clock.monotonic() < end {
            sleep(CHALLENGE_PAUSE).await;
            let fleet = self.replicas.list(0).await?;
            let answered = |row: &&&ReplicaRow| {
                let now = fleet.rows.iter().find(|now| now.replica.id == row.replica.id);
                now.is_some_and(|now| now.beat != row.beat && !now.departed)
            };
            if let Some(row) = asked.iter().find(answered) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Records that a heartbeat was written, or that there was no row for it.
    pub(super) fn heartbeat_written(&self, announced: Announcement, found: bool) {
        self.state().announced = found.then_some(announced);
    }

    /// Writes the applied revision alone.
    pub(super) async fn set_applied(
        &self,
        revision: u64,
        history: Option<HistoryHash>,
    ) -> Result<(), SystemError> {
        let Some(before) = self.state().announced else { return Ok(()) };
        let announced = Announcement { revision, history, ..before };
        self.replicas.set_applied(&self.replica, &announced).await?;
        self.state().announced = Some(announced);
        Ok(())
    }

    /// Records the rows. Returns the state of this replica's own row.
    pub(super) async fn observe(&self, fleet: &Fleet, now: MonotonicInstant) -> Result<OwnRow, SystemError> {
        let (seen, own) = {
            let mut state = self.state();
            let seen = state.holders.observe(fleet, &self.replica.id, now);
            (seen, self.own_row(fleet, &state))
        };
        for id in seen.altered {
            tracing::warn!(replica = %id, "the row of a replica is not as the replica wrote it; writes wait for the end of its lease");
        }
        if seen.newly_incomplete {
            tracing::warn!(
                "rows of the table replicas were added or deleted by another program, or those of fleet altered; writes wait for the end of the longest lease"
            );
        }
        if seen.count_settled {
            self.replicas.accept_count().await?;
        }
        for (id, beat) in seen.removable {
            self.replicas.remove(&id, beat).await?;
        }
        Ok(own)
    }

    /// Forgets the row, so that the next round registers again. A row that was altered is removed first.
    pub(super) async fn forget_row(&self, fleet: &Fleet) -> Result<(), SystemError> {
        self.state().announced = None;
        if let Some(row) = fleet.rows.iter().find(|row| row.replica.id == self.replica.id) {
            self.replicas.remove(&row.replica.id, row.beat).await?;
        }
        Ok(())
    }

    /// Reads the rows of a server that has reached `revision`, and records them. While another caller reads, waits for
    /// its result instead: it shows the same or slightly older progress.
    pub(super) async fn read_rows(&self, revision: u64, clock: &dyn Clock) -> Result<(), SystemError> {
        let Ok(_reading) = self.reading.try_lock() else {
            drop(self.reading.lock().await);
            return Ok(());
        };
        let fleet = self.replicas.list(revision).await?;
        self.state().holders.observe(&fleet, &self.replica.id, clock.monotonic());
        Ok(())
    }

    /// Returns when the last other replica ends its trust in a state that is not `applied`; `None` if no one has any.
    pub(super) fn pending(
        &self,
        began: MonotonicInstant,
        now: MonotonicInstant,
        applied: impl Fn(&Announcement) -> bool,
    ) -> Option<MonotonicInstant> {
        self.state().holders.pending(began, now, applied)
    }

    /// Returns the number of other replicas that may trust their caches.
    pub(super) fn others(&self, now: MonotonicInstant) -> u64 {
        self.state().holders.count(now)
    }

    /// Marks the row as departed. The caller must have stopped deciding.
    pub(super) async fn depart(&self) -> Result<(), SystemError> {
        let beat = {
            let mut state = self.state();
            if state.announced.take().is_none() {
                return Ok(());
            }
            state.sent + 1
        };
        self.replicas.depart(&self.replica, beat).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
