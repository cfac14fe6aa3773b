//! Scenarios: which processes, faults and operators take part in one run of the checker.

use crate::database::Database;
use crate::flaw::Flaw;
use crate::witness::Witness;
use crate::world::{Mode, Replica, SLOTS, World};

/// Failover of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// No failover.
    None,
    /// Failover that keeps every commit.
    Kept,
    /// Failover to a standby that may lack the newest commits.
    Lossy,
}

/// Restart under the name of replica 1, by the process in slot 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// No names: every process has a row of its own.
    Unnamed,
    /// Restart on the machine of the predecessor, whose socket proves that it has ended.
    SameMachine,
    /// Restart on another machine.
    OtherMachine,
}

/// Parts of the protocol and of its environment that one run of the checker explores. Sets of replicas are bit masks.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether a fault takes part")]
pub struct Scenario {
    /// Name of the scenario, for reports.
    pub name: &'static str,
    /// Rule that is broken; `None` checks the protocol itself.
    pub flaw: Option<Flaw>,
    /// Lease of each replica, in ticks.
    pub leases: [u8; SLOTS],
    /// Replicas that are registered and loaded at the beginning.
    pub running: u8,
    /// Replicas that start later.
    pub starting: u8,
    /// Replicas that serve calls.
    pub writers: u8,
    /// Number of concurrent calls.
    pub calls: usize,
    /// True if calls can end at their caller's deadline, after which they may be sent again.
    pub deadlines: bool,
    /// Replicas that read all rows in each round and each poll.
    pub remembering: u8,
    /// Replicas that make rounds. A replica that makes none never has a lease.
    pub leasing: u8,
    /// Replicas whose answers may arrive later than they were read.
    pub delayed: u8,
    /// Replicas that poll between rounds.
    pub polling: u8,
    /// Replicas that take their cache's entries from look-ups.
    pub looking_up: u8,
    /// True if the write narrows the key instead of revoking it; replicas keep no tombstones of such writes.
    pub narrowing: bool,
    /// Replica that a proxy follows.
    pub proxy: Option<usize>,
    /// Replicas that can be killed.
    pub killed: u8,
    /// Replicas that can drain.
    pub drained: u8,
    /// Holders whose row a person may delete.
    pub deleted: u8,
    /// Holders whose row a person may alter.
    pub altered: u8,
    /// Number of deletions and alterations.
    pub interventions: u8,
    /// Processes whose clock may lose a tick, of which one does so once; bit 3 is the proxy.
    pub slow: u8,
    /// True if the wall clock of the database may jump.
    pub wall_clock: bool,
    /// Number of writes that leave the key as it is.
    pub other_writes: u8,
    /// Kind of failover.
    pub failover: Failover,
    /// Kind of restart.
    pub restart: Restart,
    /// True if state that no later step reads is reset, so that fewer states differ.
    pub reduced: bool,
    /// Situations that the scenario must reach, so that its properties are not vacuous.
    pub witnesses: &'static [Witness],
}

impl Scenario {
    /// Scenario of two replicas with different leases and one call, without faults other than delays and cuts. A cut
    /// needs no action of its own: a process whose steps are not taken is cut off.
    pub const PLAIN: Self = Self {
        name: "plain",
        flaw: None,
        leases: [1, 3, 2],
        running: 0b011,
        starting: 0,
        writers: 0b001,
        calls: 1,
        deadlines: false,
        remembering: 0,
        leasing: 0b111,
        delayed: 0b111,
        polling: 0,
        looking_up: 0,
        narrowing: false,
        proxy: None,
        killed: 0,
        drained: 0,
        deleted: 0,
        altered: 0,
        interventions: 0,
        slow: 0,
        wall_clock: false,
        other_writes: 0,
        failover: Failover::None,
        restart: Restart::Unnamed,
        reduced: true,
        witnesses: &[Witness::AllowedByCopy, Witness::AnsweredByReports, Witness::AnsweredByExpiry],
    };

    /// Returns this scenario with a broken rule.
    #[must_use]
    pub const fn with(self, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..self }
    }

    /// Returns true if this rule is broken.
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Returns the longest lease that any setting permits, in ticks.
    pub(crate) fn longest_lease(&self) -> u8 {
        self.leases.into_iter().max().unwrap_or(0)
    }

    /// Returns the number of ticks that a writer adds to a lease, because clocks run at different rates.
    pub(crate) fn margin(&self) -> u8 {
        u8::from(!self.has(Flaw::NoMargin))
    }

    /// Returns the age at which every lease is over; ages stop there.
    pub(crate) fn oldest(&self) -> u8 {
        self.longest_lease() + 1
    }

    /// Returns the state at the beginning.
    pub(crate) fn begin(&self) -> World {
        let mut world =
            World { interventions: self.interventions, other_writes: self.other_writes, ..World::default() };
        for slot in (0..SLOTS).filter(|slot| member(self.running, *slot)) {
            let cached = !member(self.looking_up, slot);
            world.replicas[slot] =
                Replica { mode: Mode::Running, loaded: true, cached, ..Replica::default() };
            world.databases[0].register(slot, self.leases[slot]);
        }
        world.databases[1] = match self.failover {
            Failover::Lossy => world.databases[0],
            Failover::None | Failover::Kept => Database::default(),
        };
        world.proxy.cached = self.proxy.is_some();
        world
    }
}

/// Returns true if a set contains an element.
pub(crate) fn member(set: u8, element: usize) -> bool {
    set & (1 << element) != 0
}
