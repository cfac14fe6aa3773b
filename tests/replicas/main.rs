//! Three replicas of the real program on one PostgreSQL and one Redis, each behind proxies that inject faults:
//! after `RevokeKey` has returned no replica admits the key, and a limit holds however calls are distributed.
//!
//! `LATCHKEY_TEST_ROUNDS=200 cargo test --workspace --test replicas -- --nocapture` runs more rounds and prints figures.
#![expect(clippy::print_stdout, reason = "figures are shown with --nocapture")]

mod bounds;
mod clocks;
mod cluster;
mod disk;
mod draining;
mod failover;
mod figures;
mod health;
mod killed;
mod limits;
mod logs;
mod meter;
mod names;
mod outages;
mod partial_restores;
mod revocation_latency;
mod rolling;
mod rows;
mod sessions;
mod shared_connection;
mod taken_away;
mod tokens;
mod wakeups;
