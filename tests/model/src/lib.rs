//! Explicit-state model of the revocation protocol, which is checked exhaustively for small numbers by `stateright`.
//!
//! # Promise
//! After a write that takes access away has answered OK, no Check that begins later is allowed by what was taken away:
//! on no replica and on no proxy that decides by a copy, whatever the network, the clocks and the operators do, as long
//! as the database keeps its commits. If the database loses commits, no living replica admits again what it has
//! applied, and it extends no lease before the database has the revocation again.
//!
//! # Parts
//! | module | contents |
//! |---|---|
//! | [`world`], [`database`] | state: databases with histories and rows, replicas, a proxy, calls |
//! | [`action`], [`model`] | steps and their dispatch, properties |
//! | `rounds` | heartbeats, rounds, polls, reports, broken histories |
//! | `calls` | commit, list of holders, wait, answer, memory of holders |
//! | `checks` | Checks by look-ups and by copies |
//! | `proxy`, `life`, `time` | leases of a proxy; starts, restarts, drains, kills; clocks |
//! | `reduction`, [`state`] | states that count as equal, and their hash |
//! | [`scenario`], [`scenarios`], [`large`], [`witness`] | bounds of each run, and situations that it must reach |
//! | [`flaw`] | broken rules, each with the scenario that shows it |
//!
//! # Rules
//! The protocol as it is modelled, with the details that the checker has shown to be necessary:
//! - R1: A lease is extended by a complete round on one database: the clock is read, the heartbeat is committed, the
//!   changes are read and applied. The lease counts from the reading of the clock.
//! - R2: Nothing is decided without a lease. The history of a look-up must contain the revision that was applied when
//!   the lease was found valid; it fills the cache only if it contains what is applied when it arrives.
//! - R3: A call lists the holders after its commit, in a database that contains its revision. Each holder must have
//!   reported the revision as a part of the same history, or its lease and a margin must have passed since the commit,
//!   or since its row was first seen as it is. The writer's own copy must have the revision, or its own lease must have
//!   passed since the commit.
//! - R4: A call that finds nothing to change waits for the revision that is there.
//! - R5: A row that vanishes, or that fails its checksum, is waited for from then on. Registrations are counted apart
//!   from the rows. A writer that misses rows waits for the longest lease that a setting permits, and one that sees the
//!   counter change takes a missing row for a new one.
//! - R6: A replica that leaves stops deciding and trusting, waits for the leases of its proxy, and then marks its row.
//! - R7: A replica whose row is missing or altered stops trusting, and registers again with a beat that is new.
//! - R8: The row of a predecessor is superseded when the socket of its machine proves its end and it has no proxy,
//!   or else when its row has been unchanged for its lease and a margin.
//! - R9: A replica whose applied revision is not in the history of the database extends no lease until it has written
//!   its revocations again and reloaded everything. It refuses them by itself all along.
//!
//! # Bounds
//! There are two or three replicas with leases of one to three ticks, one key, at most two concurrent calls, at most
//! two actions of a person, one restart, one failover, and one proxy. Time is unbounded, because only ages matter and
//! they end at the longest lease. One clock loses one tick, and the margin of a writer is one tick: this stands for
//! clocks whose rates differ by less than 1/64. Scenarios whose properties hold are explored completely. Each one also
//! names the situations that it must reach.
//!
//! # Not modelled
//! - A cut, a stopped process and a lost message need no steps of their own: steps may stay out forever, and answers
//!   may arrive as late as their clocks permit. A statement that its client has given up and that commits later is left
//!   out; it only raises the beat.
//! - The list of holders arrives when it is read. A later arrival makes the writer wait longer.
//! - A round that is older than its lease ends, because it can extend nothing.
//! - A cached decision takes no time. A decision that takes long counts as one that began when its lease was found.
//! - A copy contains the key as soon as it is loaded, except where look-ups are modelled.
//! - A commit is durable at once. Loss is a failover to an earlier state of the same database.
//! - After a lossy failover the registrations of the first database are assumed to have reached the second one. Without
//!   that assumption the promise does not hold, which a test shows.
//! - A person who restores an older row byte by byte, or forges a checksum, is left out.
//! - R10 concerns requests that are denied, and no request is denied wrongly in this model. The bounds of tombstones and
//!   of the histories that replicas remember are left out, and so is the removal of rows that nothing waits for.

pub mod action;
mod calls;
mod checks;
pub mod database;
pub mod flaw;
mod flaws;
pub mod large;
mod life;
pub mod model;
mod proxy;
mod reduction;
mod rounds;
pub mod scenario;
pub mod scenarios;
pub mod state;
mod time;
pub mod witness;
pub mod world;
