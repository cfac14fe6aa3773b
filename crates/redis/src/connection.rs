//! The connection to Redis, and what stands between a call and a Redis that doesn't answer.
//!
//! A call never connects and never waits longer than its deadline; after three misses in a row nobody asks
//! any more (the breaker), until [`RedisConnection::health_check`], off the path of calls, has heard Redis answer again. The
//! library's own reconnecting connection is not used: it retries inside a call, for seconds. In a cluster a
//! part that doesn't answer is shut off by itself ([`slot_breakers`]), and the library finds nodes again.

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

/// How long connecting may take, off the path of calls.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Silent probes in a row after which a cluster is connected to anew.
const MAX_CLUSTER_MISSES: u32 = 6;

/// Redis gave no answer in time, or none that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

/// What a call heard.
pub(crate) type BucketReply = Result<(bool, Vec<BucketState>), Unavailable>;

/// A call's request: what of which buckets, and how much.
#[derive(Clone, Copy)]
pub(crate) struct BucketRequest<'a> {
    pub(crate) operations: &'a [(BucketCharge, BucketOp)],
    pub(crate) cost: u32,
    pub(crate) look: bool,
    /// When the answer comes too late.
    pub(crate) end: Instant,
    pub(crate) now: MonotonicInstant,
}

/// The connection to one Redis, or to one cluster.
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
    /// Not connected yet.
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

    /// Whether calls ask Redis now.
    pub(crate) fn is_up(&self) -> bool {
        self.current.load().is_some()
    }

    /// Whether buckets with different tags lie apart.
    pub(crate) fn is_cluster(&self) -> bool {
        self.source.is_cluster()
    }

    /// How many questions calls have requests.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// How many of them had no answer that could be used.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Asks for all of these at once, and waits until the question's end. All of them lie in one slot.
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
        let answer = match timeout_at(
            request.end,
            self.run(&mut raw, (request.operations, request.cost, request.look)),
        )
        .await
        {
            Ok(Ok(numbers)) => wire::parse_reply(request.operations, &numbers).ok_or(MissReason::Malformed),
            Ok(Err(error)) => Err(MissReason::Error(error)),
            Err(_) => Err(MissReason::TimedOut),
        };
        if let Some(range) = range {
            if self.breakers.record(range, answer.is_ok(), request.now) {
                tracing::warn!(
                    "a part of the Redis Cluster does not answer: its limits are counted in this process alone"
                );
            }
        } else if let Err(reason) = &answer {
            self.record_miss(&current, reason);
        } else {
            self.misses.store(0, Ordering::Relaxed);
        }
        answer.map_err(|reason| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(error = %reason, "Redis missed a call");
            Unavailable
        })
    }

    /// By the script's hash; a server that hasn't got the script is sent the whole of it. Not by loading it
    /// beforehand: that would ask every node of a cluster.
    async fn run(
        &self,
        raw: &mut RawConnection,
        (operations, cost, look): (&[(BucketCharge, BucketOp)], u32, bool),
    ) -> Result<Vec<i64>, RedisError> {
        match raw.numbers(&self.script.by_hash(operations, cost, look)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                raw.numbers(&wire::by_text(operations, cost, look)).await
            }
            reply => reply,
        }
    }

    /// Connects where there is no connection, else asks whether the one there is still answers.
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
                    tracing::info!("Redis answers: limits are counted together");
                }
            }
        }
    }

    async fn connect(&self) -> Result<RawConnection, RedisError> {
        let mut raw = self.source.open(CONNECT_TIMEOUT).await?;
        self.probe(&mut raw).await?;
        Ok(raw)
    }

    /// The script without a bucket: that it answers says more than a PING does.
    async fn probe(&self, raw: &mut RawConnection) -> Result<(), RedisError> {
        self.run(raw, (&[], 0, true)).await.map(drop)
    }

    /// Counts a miss; a connection that broke, or the third miss in a row, ends asking. A cluster's connection
    /// mends itself, so it is given longer.
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
            tracing::warn!(error = %reason, "Redis does not answer: limits are counted in this process alone");
        }
    }
}

/// The reason why there was no answer, for the log.
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
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Malformed => f.write_str("an answer that is none"),
            // A code such as OOM, or the kind: never what was sent.
            Self::Error(error) => match error.code() {
                Some(code) => f.write_str(code),
                None => write!(f, "{:?}", error.kind()),
            },
        }
    }
}
