//! The counter: buckets that several replicas share, on Redis. Redis carries counts, never verdicts: without
//! it each process counts by its own buckets, and nobody is refused because of an error.
//!
//! [`RedisLimiter`] implements core's [`Limiter`](latchkey_core::ports::Limiter). A call whose buckets are all
//! leased is answered from [`batches`] that lie here; any other asks [`link`] with one script for all of its
//! buckets ([`wire`], `spend.lua`).

mod address;
mod apart;
mod ask;
mod batch;
mod batches;
mod key;
mod limiter;
mod link;
mod probe;
mod wakeups;
mod wire;

pub use address::{Address, BadUrl};
pub use limiter::{RedisLimiter, RedisOptions};
pub use probe::{Away, Node, Probe, probe};
pub use wakeups::{Bell, Listening};
