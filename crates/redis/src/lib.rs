//! Rate limits that several replicas share on Redis, and notifications between replicas. Redis holds counts,
//! never decisions: without it, each process counts by its own buckets, and no call is denied because of an
//! error.
//!
//! [`RedisLimiter`] implements core's [`Limiter`](latchkey_core::ports::Limiter). A call is charged to the
//! local [`token_leases`] if they suffice; otherwise [`connection`] sends one script for all of its buckets
//! ([`wire`], `charge.lua`).

mod address;
mod connection;
mod cross_slot;
#[cfg(test)]
mod differential;
mod key;
mod limiter;
mod notifications;
mod probe;
mod refill;
mod sentinels;
mod token_lease;
mod token_leases;
mod wire;
mod without_tls;
mod words;

pub use address::{Address, InvalidUrl};
pub use limiter::{RedisLimiter, RedisOptions};
pub use notifications::{Notifier, RedisNotifications};
pub use probe::{Node, Probe, Refusal, Unreachable, probe};
