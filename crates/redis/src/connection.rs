//! The connection to Redis, with deadlines and a breaker.
//!
//! A call never connects, and never waits longer than its deadline. After three misses in a row, calls stop
//! using Redis (the breaker) until [`RedisConnection::health_check`], which runs outside of calls, gets a
//! response again. The library's own reconnecting connection is not used, because it retries inside of a call
//! for seconds. In a cluster, a part that does not respond has a breaker of its own ([`slot_breakers`]), and
//! the library finds nodes again.

mod raw;
mod slot_breakers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use latchkey_core::limit::BucketCharge;
use latchkey_core::time::MonotonicInstant;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::{Instant, timeout, timeout_at};

use self::raw::{RawConnection, RedisClient};
use self::slot_breakers::{MAX_MISSES, SlotBreakers, SlotRange};
use crate::address::{Address, InvalidUrl};
use crate::key;
use crate::wire::{self, BucketOp, BucketState, ScriptHandle};

/// Time limit for connecting, outside of calls.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Unanswered probes in a row after which the connection to a cluster is replaced.
const MAX_CLUSTER_MISSES: u32 = 6;

/// Error that Redis did not respond in time, or that its response is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

/// The result of charging a call's buckets.
pub(crate) type BucketReply = Result<(bool, Vec<BucketState>), Unavailable>;

/// A request to charge or inspect the buckets of one call.
#[derive(Clone, Copy)]
pub(crate) struct BucketRequest<'a> {
    pub(crate) operations: &'a [(BucketCharge, BucketOp)],
    pub(crate) cost: u32,
    pub(crate) look: bool,
    /// Deadline of the response.
    pub(crate) end: Instant,
    pub(crate) now: MonotonicInstant,
}

/// The connection to one Redis server or cluster.
pub(crate) struct RedisConnection {
    source: RedisClient,
    script: ScriptHandle,
    current: ArcSwapOption<RawConnection>,
    misses: AtomicU32,
    breakers: SlotBreakers,
    requests: AtomicU64,
    failures: AtomicU64,
}

impl RedisConnection {
    /// Creates an unconnected one.
    pub(crate) fn new(address: &Address) -> Result<Self, InvalidUrl> {
        Ok(Self {
            source: RedisClient::new(address)?,
            script: ScriptHandle::new(),
            current: ArcSwapOption::empty(),
            misses: AtomicU32::new(0),
            breakers: SlotBreakers::new(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Returns whether calls currently use Redis.
    pub(crate) fn is_up(&self) -> bool {
        self.current.load().is_some()
    }

    /// Returns whether buckets with different tags may be in different slots.
    pub(crate) fn is_cluster(&self) -> bool {
        self.source.is_cluster()
    }

    /// Returns the number of requests that calls have sent.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Returns the number of requests without a usable response.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Sends a request for buckets of one slot, and waits until its deadline.
    pub(crate) async fn send(&self, request: BucketRequest<'_>) -> BucketReply {
        let current = self.current.load_full().ok_or(Unavailable)?;
        let range = match (self.is_cluster(), request.operations.first()) {
            (true, Some((demand, _))) => Some(SlotRange::of(&key::tag(demand))),
            _ => None,
        };
        if range.is_some_and(|range| !self.breakers.allows(range, request.now)) {
            return Err(Unavailable);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut raw = RawConnection::clone(&current);
        let answer =
            match timeout_at(request.end, self.run(&mut raw, request.operations, request.cost, request.look))
                .await
            {
                Ok(Ok(numbers)) => {
                    wire::parse_reply(request.operations, &numbers).ok_or(MissReason::Malformed)
                }
                Ok(Err(error)) => Err(MissReason::Error(error)),
                Err(_) => Err(MissReason::TimedOut),
            };
        if let Some(range) = range {
            if self.breakers.record(range, answer.is_ok(), request.now) {
                tracing::warn!(
                    "a part of the Redis Cluster does not respond; its limits are counted in this process alone until it does"
                );
            }
        } else if let Err(reason) = &answer {
            self.record_miss(&current, reason);
        } else {
            self.misses.store(0, Ordering::Relaxed);
        }
        answer.map_err(|reason| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(error = %reason, "a request to Redis failed; the call is counted in this process alone");
            Unavailable
        })
    }

    /// Runs the script by its hash, or by its text if the server does not have it. The script is not loaded in
    /// advance, since that would need a request to every node of a cluster.
    async fn run(
        &self,
        raw: &mut RawConnection,
        operations: &[(BucketCharge, BucketOp)],
        cost: u32,
        look: bool,
    ) -> Result<Vec<i64>, RedisError> {
        match raw.numbers(&self.script.by_hash(operations, cost, look)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                raw.numbers(&wire::by_text(operations, cost, look)).await
            }
            reply => reply,
        }
    }

    /// Connects if there is no connection, otherwise checks that the connection still responds.
    pub(crate) async fn health_check(&self, deadline: Duration) {
        match self.current.load_full() {
            Some(current) => {
                let mut raw = RawConnection::clone(&current);
                match timeout(deadline, self.probe(&mut raw)).await {
                    Ok(Ok(())) => self.misses.store(0, Ordering::Relaxed),
                    Ok(Err(error)) => self.record_miss(&current, &MissReason::Error(error)),
                    Err(_) => self.record_miss(&current, &MissReason::TimedOut),
                }
            }
            None => {
                if let Ok(Ok(raw)) = timeout(2 * CONNECT_TIMEOUT, self.connect()).await {
                    self.misses.store(0, Ordering::Relaxed);
                    self.current.store(Some(Arc::new(raw)));
                    tracing::info!("connected to Redis; limits are shared between replicas");
                }
            }
        }
    }

    async fn connect(&self) -> Result<RawConnection, RedisError> {
        let mut raw = self.source.open(CONNECT_TIMEOUT).await?;
        self.probe(&mut raw).await?;
        Ok(raw)
    }

    /// Runs the script without a bucket, which tests more than a PING does.
    async fn probe(&self, raw: &mut RawConnection) -> Result<(), RedisError> {
        self.run(raw, &[], 0, true).await.map(drop)
    }

    /// Counts a miss. A broken connection, or the third miss in a row, opens the breaker. A cluster's
    /// connection repairs itself, so it has more time.
    fn record_miss(&self, current: &Arc<RawConnection>, reason: &MissReason) {
        let misses = self.misses.fetch_add(1, Ordering::Relaxed) + 1;
        let over = if self.is_cluster() {
            misses >= MAX_CLUSTER_MISSES
        } else {
            misses >= MAX_MISSES || reason.is_broken()
        };
        if !over {
            return;
        }
        let before = self.current.compare_and_swap(current, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, current)) {
            tracing::warn!(error = %reason, "Redis does not respond; limits are counted in this process alone until it does");
        }
    }
}

/// The reason of a miss, for the log.
enum MissReason {
    TimedOut,
    Malformed,
    Error(RedisError),
}

impl MissReason {
    fn is_broken(&self) -> bool {
        match self {
            Self::TimedOut | Self::Malformed => false,
            Self::Error(error) => error.is_io_error() || error.is_unrecoverable_error(),
        }
    }
}

impl std::fmt::Display for MissReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no response in time"),
            Self::Malformed => f.write_str("malformed response"),
            // Only a code such as OOM, or the kind; never the content of the request.
            Self::Error(error) => match error.code() {
                Some(code) => f.write_str(code),
                None => write!(f, "{:?}", error.kind()),
            },
        }
    }
}
