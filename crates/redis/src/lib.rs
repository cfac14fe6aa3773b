//! The counter: buckets that several replicas share, on Redis. Redis carries counts, never verdicts: without
//! it each process counts by its own buckets, and nobody is refused because of an error.
//!
//! [`RedisLimiter`] implements core's [`Limiter`](latchkey_core::ports::Limiter). A call whose buckets are all
//! leased is answered from [`token_leases`] that lie here; any other asks [`connection`] with one script for all of its
//! buckets ([`wire`], `charge.lua`).

mod address;
mod connection;
mod cross_slot;
mod key;
mod limiter;
mod notifications;
mod probe;
mod refill;
mod token_lease;
mod token_leases;
mod wire;

pub use address::{Address, InvalidUrl};
pub use limiter::{RedisLimiter, RedisOptions};
pub use notifications::{Notifier, RedisNotifications};
pub use probe::{Node, Probe, Unreachable, probe};
