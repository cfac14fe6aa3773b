//! The connection to Redis, with deadlines and a breaker.
//!
//! A call never connects, and never waits longer than its deadline. After three misses in a row, calls stop
//! using Redis (the breaker) until [`RedisConnection::health_check`], which runs outside of calls, gets a
//! response again. The library's own reconnecting connection is not used, because it retries inside of a call
//! for seconds. In a cluster, a part that does not respond has a breaker of its own ([`slot_breakers`]), and
//! the library finds nodes again.

mod clock_watch;
mod miss;
pub(crate) mod raw;
mod slot_breakers;
mod trial;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use latchkey_core::limit::BucketCharge;
use latchkey_core::time::{Clock, MonotonicInstant};
use tokio::time::{Instant, timeout, timeout_at};

use self::clock_watch::ClockWatch;
use self::miss::MissReason;
use self::raw::{RawConnection, RedisClient};
use self::slot_breakers::{BreakerChange, MAX_MISSES, SlotBreakers, SlotRange};
pub(crate) use self::trial::Trial;
use self::trial::Trials;
use crate::address::{Address, InvalidUrl};
use crate::key;
use crate::sentinels::PrimaryAddress;
use crate::wire::{self, BucketOp, BucketState, Reply, ScriptHandle, full_after};

/// Time limit for connecting, outside of calls.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Unanswered probes in a row after which the connection to a cluster is replaced.
const MAX_CLUSTER_MISSES: u32 = 6;
/// Difference between the clocks of Redis and of this process from which on it is reported, in microseconds.
const FAR: u64 = 5_000_000;

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
    /// Address of the current connection, if Sentinels named it.
    primary: ArcSwapOption<PrimaryAddress>,
    misses: AtomicU32,
    breakers: SlotBreakers,
    trials: Trials,
    clock: Arc<dyn Clock>,
    clocks: ClockWatch,
    /// True while an outage, or a clock that is far off, has been logged.
    outage_logged: AtomicBool,
    clock_logged: AtomicBool,
    requests: AtomicU64,
    failures: AtomicU64,
}

impl RedisConnection {
    /// Creates an unconnected one.
    pub(crate) fn new(address: &Address, clock: Arc<dyn Clock>) -> Result<Self, InvalidUrl> {
        let source = RedisClient::new(address)?;
        let trials = Trials::new(source.is_cluster());
        Ok(Self {
            source,
            script: ScriptHandle::new(),
            current: ArcSwapOption::empty(),
            primary: ArcSwapOption::empty(),
            misses: AtomicU32::new(0),
            breakers: SlotBreakers::new(),
            trials,
            clock,
            clocks: ClockWatch::new(),
            outage_logged: AtomicBool::new(false),
            clock_logged: AtomicBool::new(false),
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

    /// Returns the clock of Redis minus the wall clock in microseconds; `None` before the first response.
    pub(crate) fn clock_offset(&self) -> Option<i64> {
        self.clocks.offset()
    }

    /// Returns whether the clock of Redis was put ahead so shortly before `now` that this bucket may have been
    /// filled too early.
    pub(crate) fn filled_early(&self, demand: &BucketCharge, now: MonotonicInstant) -> bool {
        self.clocks.stepped_within(self.range(demand), full_after(demand), now)
    }

    fn range(&self, demand: &BucketCharge) -> Option<SlotRange> {
        self.is_cluster().then(|| SlotRange::of(&key::tag(demand)))
    }

    /// Sends a request for buckets of one slot, and waits until its deadline.
    pub(crate) async fn send(&self, request: BucketRequest<'_>) -> BucketReply {
        let current = self.current.load_full().ok_or(Unavailable)?;
        let range = request.operations.first().and_then(|(demand, _)| self.range(demand));
        if range.is_some_and(|range| !self.breakers.allows(range, request.now)) {
            return Err(Unavailable);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut raw = RawConnection::clone(&current);
        let run = raw.run(&self.script, request.operations, request.cost, request.look);
        let answer = match timeout_at(request.end, run).await {
            Ok(Ok(numbers)) => wire::parse_reply(request.operations, &numbers).ok_or(MissReason::Malformed),
            Ok(Err(error)) => Err(MissReason::Error(error)),
            Err(_) => Err(MissReason::TimedOut),
        };
        self.record(&current, range, &answer, request.now);
        answer.map(|reply| (reply.granted, reply.states)).map_err(|reason| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(error = %reason, "a request to Redis failed; the call is counted in this process alone");
            Unavailable
        })
    }

    /// Records the outcome of a request for the breakers and for the comparison of the clocks.
    fn record(
        &self,
        current: &Arc<RawConnection>,
        range: Option<SlotRange>,
        answer: &Result<Reply, MissReason>,
        now: MonotonicInstant,
    ) {
        if let Ok(reply) = answer {
            self.clocks.observe(range, reply.time, self.clock.now());
        }
        match (range, answer) {
            (Some(range), _) => match (self.breakers.record(range, answer.is_ok(), now), answer) {
                (BreakerChange::FirstOpened, Err(reason)) => tracing::warn!(
                    error = %reason,
                    "a part of the Redis Cluster cannot be used; its limits are counted in this process alone until it can"
                ),
                (BreakerChange::LastClosed, _) => {
                    tracing::info!("all parts of the Redis Cluster that were asked can be used again");
                }
                _ => {}
            },
            (None, Err(reason)) => self.record_miss(current, reason),
            (None, Ok(_)) => self.misses.store(0, Ordering::Relaxed),
        }
    }

    /// Connects if there is no connection, otherwise checks that the connection can still be used.
    pub(crate) async fn health_check(&self, deadline: Duration) {
        match self.current.load_full() {
            Some(current) => {
                let mut raw = RawConnection::clone(&current);
                match self.try_bucket(&mut raw, deadline).await {
                    Ok(()) => self.misses.store(0, Ordering::Relaxed),
                    Err(reason) => self.record_miss(&current, &reason),
                }
                if self.source.has_moved_from(self.primary.load().as_deref()).await {
                    // The old primary stays in use until the new one counts.
                    if let Err(reason) = self.connect(deadline).await {
                        tracing::debug!(error = %reason, "the primary that the Sentinels name cannot be used yet");
                    }
                }
            }
            None => {
                if let Err(reason) = self.connect(deadline).await {
                    self.log_outage(&reason);
                }
            }
        }
        self.log_clock();
    }

    /// Connects, charges a bucket twice, and uses the connection from then on. The first charge has no deadline, since
    /// the script may have to be loaded.
    async fn connect(&self, deadline: Duration) -> Result<(), MissReason> {
        let open = timeout(2 * CONNECT_TIMEOUT, self.source.open(CONNECT_TIMEOUT));
        let (mut raw, primary) = open.await.map_err(|_| MissReason::TimedOut)??;
        self.try_bucket(&mut raw, CONNECT_TIMEOUT).await?;
        self.try_bucket(&mut raw, deadline).await?;
        if !self.is_cluster() {
            // A node of a cluster may have the slot of the trial, and not those of calls.
            let (one, other) = (Trial::new(), Trial::new());
            timeout(CONNECT_TIMEOUT, one.inspect_both(&other, &mut raw, &self.script))
                .await
                .map_err(|_| MissReason::TimedOut)??;
        }
        self.misses.store(0, Ordering::Relaxed);
        let server = primary.as_ref().map(tracing::field::display);
        tracing::info!(server, "connected to Redis; limits are shared between replicas");
        self.primary.store(primary.clone().map(Arc::new));
        self.current.store(Some(Arc::new(raw)));
        self.outage_logged.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Logs once that the clock of Redis is far from that of this process, and once that it no longer is.
    fn log_clock(&self) {
        let Some(offset) = self.clock_offset() else { return };
        let far = offset.unsigned_abs() > FAR;
        if self.clock_logged.swap(far, Ordering::Relaxed) == far {
            return;
        }
        let seconds = offset / 1_000_000;
        if far {
            tracing::warn!(
                seconds,
                "the clock of Redis is far from the clock of this replica (above 0: ahead of it); when it is corrected, limits can open too early or up to one period late: synchronise both clocks (NTP)"
            );
        } else {
            tracing::info!(seconds, "the clock of Redis is near the clock of this replica again");
        }
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
            self.log_outage(reason);
        }
    }

    /// Logs an outage once. Its end is logged when Redis is used again.
    fn log_outage(&self, reason: &MissReason) {
        if self.outage_logged.swap(true, Ordering::Relaxed) {
            tracing::debug!(error = %reason, "Redis still cannot be used");
        } else if reason.is_refusal() {
            tracing::warn!(error = %reason, "Redis refuses to count limits; they are counted in this process alone until it does");
        } else {
            tracing::warn!(error = %reason, "Redis does not respond; limits are counted in this process alone until it does");
        }
    }
}
