//! Limiter that charges local leases if they suffice, otherwise Redis by one request, otherwise this process's own
//! buckets. The own buckets are set to every level that Redis returns, so that they continue from there when Redis
//! does not respond, and are not full at that time.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{
    BucketCharge, ChargeOptions, ChargeResult, CountingMode, Levels, sort_tightest_first,
};
use latchkey_core::ports::Limiter;
use latchkey_core::time::{Clock, Moment};
use tokio::time::Instant;

use crate::address::{Address, InvalidUrl};
use crate::connection::{BucketRequest, RedisConnection, Unavailable};
use crate::token_leases::TokenLeases;
use crate::wire::{BucketOp, BucketState};
use crate::{cross_slot, refill};

/// Options for connecting to Redis.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// Address of the server or cluster.
    pub address: Address,
    /// Deadline of a call's request, by default 20 ms: with a query of 120 ms, a call is answered before Envoy gives up.
    pub deadline: Duration,
}

/// A limiter that counts on Redis, together with all other processes that use it.
pub struct RedisLimiter {
    pub(crate) connection: RedisConnection,
    pub(crate) leases: TokenLeases,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadline: Duration,
    pub(crate) local: LocalLimiter,
}

impl RedisLimiter {
    /// Creates an unconnected limiter. [`RedisLimiter::maintain`] connects it; until then, the process counts
    /// alone.
    pub fn new(options: &RedisOptions, clock: Arc<dyn Clock>) -> Result<Self, InvalidUrl> {
        let connection = RedisConnection::new(&options.address, Arc::clone(&clock))?;
        let local = LocalLimiter::new();
        Ok(Self { connection, leases: TokenLeases::new(), clock, deadline: options.deadline, local })
    }

    /// Returns the deadline of a call's request.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Returns whether Redis is in use. If not, this process counts alone.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.connection.is_up()
    }

    /// Returns the number of requests that calls have sent to Redis.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.connection.requests()
    }

    /// Returns the number of requests that Redis did not answer in time, or whose response was malformed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.connection.failures()
    }

    /// Returns the clock of Redis minus the clock of this process in seconds; `None` before the first response.
    /// In a cluster, the largest difference of all nodes that responded.
    #[must_use]
    pub fn clock_offset(&self) -> Option<f64> {
        let micros = self.connection.clock_offset()?;
        let sign = if micros < 0 { -1.0 } else { 1.0 };
        Some(sign * Duration::from_micros(micros.unsigned_abs()).as_secs_f64())
    }

    /// Returns the number of buckets that this process holds itself.
    #[must_use]
    pub fn bucket_count(&self) -> usize {
        self.local.bucket_count()
    }

    /// Charges on Redis; `None` if it does not respond.
    async fn charge_shared(
        &self,
        charges: &[BucketCharge],
        ChargeOptions { cost, dry_run: look }: ChargeOptions,
    ) -> Option<ChargeResult> {
        let end = Instant::now() + self.deadline;
        let reply = if is_leased(charges) && !look {
            refill::refill(self, charges, cost, end).await
        } else {
            self.charge_exact(charges, cost, look, end).await
        };
        reply.ok()
    }

    /// Charges local leases if they suffice.
    fn held_here(
        &self,
        charges: &[BucketCharge],
        options: ChargeOptions,
        now: Moment,
    ) -> Option<ChargeResult> {
        if !is_leased(charges) {
            return None;
        }
        self.leases.spend(charges, options.cost.into(), options.dry_run, now.monotonic)
    }

    /// Sends one request for this call alone.
    pub(crate) async fn charge_exact(
        &self,
        charges: &[BucketCharge],
        cost: u32,
        look: bool,
        end: Instant,
    ) -> Result<ChargeResult, Unavailable> {
        let operations: Vec<_> = charges.iter().map(|demand| (*demand, BucketOp::Exact)).collect();
        let now = self.clock.now().monotonic;
        let request = BucketRequest { operations: &operations, cost, look, end, now };
        let (granted, states) = cross_slot::send(&self.connection, &self.local, request).await?;
        let now = self.clock.now().monotonic;
        let more = |demand: &BucketCharge| match demand.mode {
            CountingMode::Exact => 0,
            CountingMode::Leased => self.leases.held(demand, now),
        };
        let level =
            |(demand, state): (&BucketCharge, &BucketState)| state.level(demand, more(demand), cost.into());
        let mut levels: Levels = charges.iter().zip(&states).map(level).collect();
        sort_tightest_first(&mut levels);
        // A call would spend the tokens that this process has leased too, and return the lease for that.
        let granted = granted || (look && levels.iter().all(|level| level.remaining >= u64::from(cost)));
        Ok(ChargeResult { granted, levels })
    }
}

fn is_leased(charges: &[BucketCharge]) -> bool {
    charges.iter().all(|demand| demand.mode == CountingMode::Leased)
}

impl Limiter for RedisLimiter {
    async fn charge(
        &self,
        charges: &[BucketCharge],
        options: ChargeOptions,
        now: Moment,
        levels: &mut Levels,
    ) -> Result<bool, SystemError> {
        let spending = match self.held_here(charges, options, now) {
            // Boxed because the future of a request to Redis is large, and most calls need none.
            None if self.connection.is_up() => Box::pin(self.charge_shared(charges, options)).await,
            held => held,
        };
        let Some(ChargeResult { granted, levels: reply }) = spending else {
            return Ok(self.local.charge_now(charges, options, now.monotonic, levels));
        };
        // After a step ahead of Redis's clock, a bucket there may be full too early. This process's own one is not.
        let early = |demand: &BucketCharge| self.connection.filled_early(demand, now.monotonic);
        if granted && charges.iter().any(early) {
            return Ok(self.local.charge_now(charges, options, now.monotonic, levels));
        }
        self.local.cap_levels(charges, &reply, now.monotonic);
        *levels = reply;
        Ok(granted)
    }
}
