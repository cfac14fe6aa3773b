//! Takes leases, and returns them. For each bucket, one call at a time requests the next lease; other calls
//! wait for its result, for half of their time at most.

use std::time::Duration;

use latchkey_core::limit::{BucketCharge, ChargeResult, Levels, sort_tightest_first};
use smallvec::SmallVec;
use tokio::time::{Instant, sleep, timeout};

use crate::connection::{BucketRequest, Unavailable};
use crate::token_leases::RefillOutcome;
use crate::wire::BucketOp;
use crate::{RedisLimiter, cross_slot};

/// Interval at which leases and the connection are checked.
const ROUND: Duration = Duration::from_millis(100);
/// Rounds between two health checks of Redis.
const PROBE: u32 = 5;

/// Takes the next leases of these buckets, including the call's own tokens.
pub(crate) async fn refill(
    limiter: &RedisLimiter,
    charges: &[BucketCharge],
    cost: u32,
    end: Instant,
) -> Result<ChargeResult, Unavailable> {
    let Some(refill_locks) = limiter.leases.refill_locks(charges, limiter.clock.now().monotonic) else {
        return limiter.charge_exact(charges, cost, false, end).await;
    };
    let mine = async {
        let mut mine: SmallVec<[_; 4]> = SmallVec::new();
        for lock in &refill_locks {
            mine.push(lock.lock().await);
        }
        mine
    };
    let _mine = timeout(limiter.deadline / 2, mine).await.map_err(|_| {
        tracing::debug!(
            error = "timed out while another call requested the lease",
            "no lease from Redis; the call is counted in this process alone"
        );
        Unavailable
    })?;
    let sent = limiter.clock.now().monotonic;
    // The previous request may have brought enough tokens.
    if let Some(spending) = limiter.leases.spend(charges, cost.into(), false, sent) {
        return Ok(spending);
    }
    let operations = limiter.leases.take_for_refill(charges, cost.into(), sent);
    let request = BucketRequest { operations: &operations, cost, look: false, end, now: sent };
    let (granted, states) = cross_slot::send(&limiter.connection, &limiter.local, request).await?;
    let passed = RefillOutcome { granted, cost: cost.into(), sent };
    let mut levels = Levels::new();
    for (demand, state) in charges.iter().zip(&states) {
        limiter.leases.apply_refill(demand, state, passed);
        levels.push(state.level(demand, state.lease.left, cost.into()));
    }
    sort_tightest_first(&mut levels);
    Ok(ChargeResult { granted, levels })
}

impl RedisLimiter {
    /// Maintains the connection and returns idle leases. Runs until it is dropped.
    pub async fn maintain(&self) {
        let mut round = 0u32;
        let mut failures = 0u32;
        loop {
            if self.connection.is_up() {
                failures = 0;
                self.give_back(false).await;
                if round.is_multiple_of(PROBE) {
                    self.connection.health_check(self.deadline).await;
                }
            } else if round.is_multiple_of(1 << failures.min(3)) {
                self.connection.health_check(self.deadline).await;
                failures += 1;
            }
            round = round.wrapping_add(1);
            sleep(ROUND).await;
        }
    }

    /// Returns idle leases to Redis; with `all`, every lease.
    pub async fn give_back(&self, all: bool) {
        let now = self.clock.now().monotonic;
        for (demand, held) in self.leases.take_returnable(all, now) {
            let end = Instant::now() + self.deadline;
            let operations = [(demand, BucketOp::Return(held))];
            // Tokens that cannot be returned now count as used when their lease expires.
            let request = BucketRequest { operations: &operations, cost: 0, look: false, end, now };
            if self.connection.send(request).await.is_err() && !self.connection.is_cluster() {
                return;
            }
        }
    }
}
