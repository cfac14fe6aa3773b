//! Scenarios in which the protocol must hold.

use crate::scenario::{Failover, Restart, Scenario};
use crate::witness::Witness;

/// Two replicas with different leases, whose clocks run at different rates.
pub const RATES: Scenario = Scenario {
    name: "rates",
    leases: [2, 3, 2],
    deadlines: true,
    polling: 0b010,
    slow: 0b011,
    ..Scenario::PLAIN
};

/// Two replicas that both serve calls: retries and concurrent duplicates.
pub const DUPLICATES: Scenario = Scenario {
    name: "duplicates",
    leases: [1, 2, 2],
    slow: 0b011,
    writers: 0b011,
    calls: 2,
    witnesses: &[
        Witness::AllowedByCopy,
        Witness::AnsweredByReports,
        Witness::AnsweredByExpiry,
        Witness::AnsweredRetry,
    ],
    ..Scenario::PLAIN
};

/// Three replicas with different leases.
pub const THREE: Scenario =
    Scenario { name: "three", leases: [1, 2, 3], running: 0b111, deadlines: true, ..Scenario::PLAIN };

/// Replica that starts while calls are in flight, and polls before its first round.
pub const STARTS: Scenario =
    Scenario { name: "starts", running: 0b001, starting: 0b010, polling: 0b010, ..Scenario::PLAIN };

/// Replica that is killed, and one that drains.
pub const ENDS: Scenario = Scenario {
    name: "ends",
    remembering: 0b001,
    killed: 0b010,
    drained: 0b010,
    witnesses: &[
        Witness::AllowedByCopy,
        Witness::AnsweredAfterKill,
        Witness::AnsweredAfterLeave,
        Witness::AnsweredByReports,
        Witness::AnsweredByExpiry,
    ],
    ..Scenario::PLAIN
};

/// Person who deletes the row of a replica and alters it.
pub const PERSON: Scenario = Scenario {
    name: "person",
    leases: [1, 3, 2],
    remembering: 0b001,
    leasing: 0b110,
    polling: 0b011,
    delayed: 0b010,
    deleted: 0b010,
    altered: 0b010,
    interventions: 2,
    witnesses: &[
        Witness::AllowedByCopy,
        Witness::AnsweredByReports,
        Witness::AnsweredAfterDeletion,
        Witness::AnsweredAfterAlteration,
    ],
    ..Scenario::PLAIN
};

/// Person who deletes the row of a replica before the process starts that serves the call.
pub const FORGOTTEN: Scenario = Scenario {
    name: "forgotten",
    running: 0b010,
    starting: 0b001,
    leasing: 0b110,
    polling: 0b001,
    delayed: 0b010,
    deleted: 0b010,
    interventions: 1,
    witnesses: &[Witness::AllowedByCopy, Witness::AnsweredAfterDeletion],
    ..Scenario::PLAIN
};

/// Wall clock of the database that jumps.
pub const WALL_CLOCK: Scenario = Scenario {
    name: "wall clock",
    wall_clock: true,
    witnesses: &[Witness::AllowedByCopy, Witness::AnsweredAfterJump, Witness::AnsweredByExpiry],
    ..Scenario::PLAIN
};

/// Failover that keeps every commit, while sessions to the old primary can still read, and a replica that starts.
pub const FAILOVER: Scenario = Scenario {
    name: "failover",
    leases: [1, 2, 2],
    starting: 0b100,
    running: 0b001,
    deadlines: true,
    polling: 0b100,
    delayed: 0b100,
    failover: Failover::Kept,
    witnesses: &[Witness::AllowedByCopy, Witness::AnsweredByReports, Witness::AnsweredAfterFailover],
    ..Scenario::PLAIN
};

/// Failover, a deleted row, a kill and a drain together.
pub const COMBINED: Scenario = Scenario {
    name: "combined",
    leases: [1, 2, 2],
    remembering: 0b001,
    leasing: 0b010,
    polling: 0b001,
    delayed: 0b010,
    killed: 0b010,
    drained: 0b010,
    deleted: 0b010,
    interventions: 1,
    slow: 0b011,
    failover: Failover::Kept,
    witnesses: &[
        Witness::AllowedByCopy,
        Witness::AnsweredByReports,
        Witness::AnsweredAfterFailover,
        Witness::AnsweredAfterLeave,
        Witness::AnsweredAfterKill,
    ],
    ..Scenario::PLAIN
};

/// Checks with look-ups, which reach the old primary after a failover that keeps every commit.
pub const LOOKUPS: Scenario = Scenario {
    name: "look-ups",
    leases: [1, 2, 2],
    leasing: 0b010,
    polling: 0b001,
    delayed: 0,
    looking_up: 0b010,
    narrowing: true,
    failover: Failover::Kept,
    witnesses: &[Witness::AllowedByLookup, Witness::AnsweredByReports, Witness::AnsweredAfterFailover],
    ..Scenario::PLAIN
};

/// Failover to a standby that lacks commits.
pub const LOSS: Scenario = Scenario {
    name: "loss",
    leases: [1, 2, 2],
    delayed: 0,
    failover: Failover::Lossy,
    witnesses: &[
        Witness::AllowedByCopy,
        Witness::AnsweredByReports,
        Witness::AnsweredAfterFailover,
        Witness::Restored,
    ],
    ..Scenario::PLAIN
};

/// Failover to a standby that lacks commits, while other writes take the lost revisions.
pub const FORK: Scenario = Scenario {
    name: "fork",
    leases: [1, 1, 1],
    leasing: 0b010,
    polling: 0b001,
    other_writes: 1,
    witnesses: &[Witness::AllowedByCopy, Witness::AnsweredAfterFailover],
    ..LOSS
};

/// Checks with look-ups, which reach a primary that lacks commits before its replica notices that.
pub const LOST_LOOKUPS: Scenario = Scenario {
    name: "look-ups after a loss",
    leases: [1, 1, 1],
    leasing: 0b010,
    delayed: 0,
    looking_up: 0b010,
    other_writes: 1,
    failover: Failover::Lossy,
    witnesses: &[Witness::AllowedByLookup, Witness::AnsweredAfterFailover],
    ..Scenario::PLAIN
};

/// Registration that a failover loses. The protocol doesn't hold here, because the database has lost a commit.
pub const LOST_REGISTRATION: Scenario =
    Scenario { name: "lost registration", starting: 0b100, running: 0b001, ..LOSS };

/// Restart under a name on the machine of the predecessor.
pub const SAME_MACHINE: Scenario = Scenario {
    name: "same machine",
    leases: [1, 2, 2],
    starting: 0b100,
    remembering: 0b100,
    leasing: 0b110,
    polling: 0b001,
    delayed: 0,
    killed: 0b010,
    restart: Restart::SameMachine,
    witnesses: &[Witness::AllowedByCopy, Witness::AnsweredByReports, Witness::AnsweredAfterSupersession],
    ..Scenario::PLAIN
};

/// Restart under a name on another machine, where the predecessor may be alive and cut off.
pub const OTHER_MACHINE: Scenario = Scenario {
    name: "other machine",
    delayed: 0b010,
    deadlines: true,
    restart: Restart::OtherMachine,
    witnesses: &[
        Witness::AllowedByCopy,
        Witness::AnsweredByReports,
        Witness::AnsweredAfterSupersession,
        Witness::RefusedByPredecessor,
    ],
    ..SAME_MACHINE
};

/// Proxy that follows a replica which is not the writer.
pub const PROXY: Scenario = Scenario {
    name: "proxy",
    leases: [1, 2, 2],
    proxy: Some(1),
    leasing: 0b110,
    polling: 0b001,
    delayed: 0,
    slow: 0b1010,
    witnesses: &[Witness::AllowedByProxy, Witness::AnsweredByReports, Witness::AnsweredByExpiry],
    ..Scenario::PLAIN
};

/// Proxy that follows the writer.
pub const PROXY_OF_WRITER: Scenario = Scenario {
    name: "proxy of the writer",
    leases: [3, 1, 1],
    proxy: Some(0),
    running: 0b001,
    leasing: 0b001,
    polling: 0,
    slow: 0b1001,
    witnesses: &[Witness::AllowedByProxy, Witness::AnsweredByReports],
    ..PROXY
};

/// Proxy whose replica drains.
pub const PROXY_LEAVES: Scenario = Scenario {
    name: "proxy of a draining replica",
    slow: 0,
    drained: 0b010,
    witnesses: &[Witness::AllowedByProxy, Witness::AnsweredByReports, Witness::AnsweredAfterLeave],
    ..PROXY
};

/// Proxy whose replica is killed and restarted under its name.
pub const PROXY_RESTARTS: Scenario = Scenario {
    name: "proxy of a restarted replica",
    slow: 0,
    starting: 0b100,
    remembering: 0b100,
    killed: 0b010,
    restart: Restart::SameMachine,
    witnesses: &[Witness::AllowedByProxy, Witness::AnsweredByReports, Witness::AnsweredAfterSupersession],
    ..PROXY
};

/// Scenarios in which the protocol must hold.
pub const SOUND: [Scenario; 20] = [
    RATES,
    DUPLICATES,
    THREE,
    STARTS,
    ENDS,
    PERSON,
    FORGOTTEN,
    WALL_CLOCK,
    FAILOVER,
    COMBINED,
    LOOKUPS,
    LOSS,
    FORK,
    LOST_LOOKUPS,
    SAME_MACHINE,
    OTHER_MACHINE,
    PROXY,
    PROXY_OF_WRITER,
    PROXY_LEAVES,
    PROXY_RESTARTS,
];
