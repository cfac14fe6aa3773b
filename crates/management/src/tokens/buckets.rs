//! Buckets that limit how often tokens are issued and refreshed: one for each key or user, and one for each family.
//! Every token that is issued writes to the database, so that without a limit one key could fill its disk. Each replica
//! has its own buckets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use latchkey_core::error::RequestError;
use latchkey_core::limit::Limit;
use latchkey_core::time::MonotonicInstant;
use uuid::Uuid;

/// Number of buckets from which full ones are dropped. A full bucket and an absent one are the same.
const LEAST_SWEEP: usize = 1_024;

/// Buckets by the identifier of their owner. An owner whose bucket is full has none.
#[derive(Debug)]
pub(super) struct TokenBuckets(Mutex<Buckets>);

#[derive(Debug)]
struct Buckets {
    /// Time at which each bucket is full again.
    full_at: HashMap<Uuid, MonotonicInstant>,
    /// Number of buckets at which full ones are dropped next.
    sweep_at: usize,
}

impl Default for TokenBuckets {
    fn default() -> Self {
        Self(Mutex::new(Buckets { full_at: HashMap::new(), sweep_at: LEAST_SWEEP }))
    }
}

impl TokenBuckets {
    /// Takes one token of the owner's bucket; an error with this text if there is none.
    pub(super) fn charge(
        &self,
        owner: Uuid,
        limit: &Limit,
        now: MonotonicInstant,
        error: &'static str,
    ) -> Result<(), RequestError> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.full_at.len() >= buckets.sweep_at {
            buckets.full_at.retain(|_, full_at| *full_at > now);
            buckets.sweep_at = LEAST_SWEEP.max(buckets.full_at.len() * 2);
        }
        let full = now.plus(refill_time(limit, limit.burst.unwrap_or(limit.tokens)));
        // After a change of the limit, a bucket that was empty is empty, and refills at the new rate.
        let before = buckets.full_at.get(&owner).copied().unwrap_or(now).clamp(now, full);
        let after = before.plus(refill_time(limit, 1));
        let allowed = after <= full;
        buckets.full_at.insert(owner, if allowed { after } else { before });
        if allowed { Ok(()) } else { Err(RequestError::ResourceExhausted(error)) }
    }
}

/// Returns the time in which a bucket is refilled by this many tokens.
fn refill_time(limit: &Limit, tokens: u64) -> Duration {
    let nanos = limit.period.as_nanos().saturating_mul(u128::from(tokens)) / u128::from(limit.tokens.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { tokens: 60, period: Duration::from_secs(60), burst: Some(10) };

    fn second(n: u64) -> MonotonicInstant {
        MonotonicInstant(7_000_000_000).plus(Duration::from_secs(n))
    }

    #[test]
    fn a_bucket_holds_the_burst_and_refills_at_the_rate() {
        let buckets = TokenBuckets::default();
        let charge =
            |owner: u128, at| buckets.charge(Uuid::from_u128(owner), &LIMIT, second(at), "often").is_ok();
        assert!((0..10).all(|_| charge(1, 0)));
        assert!(!charge(1, 0), "empty");
        assert!(charge(2, 0), "another owner");
        assert!(charge(1, 1) && !charge(1, 1), "one a second");
        assert_eq!((0..20).filter(|_| charge(1, 1_000)).count(), 10, "never more than the burst");
    }

    #[test]
    fn a_changed_limit_forgets_nothing_and_refills_at_the_new_rate() {
        let buckets = TokenBuckets::default();
        let owner = Uuid::from_u128(1);
        let charge = |limit: &Limit, at| buckets.charge(owner, limit, second(at), "often").is_ok();
        let slow = Limit { tokens: 3, period: Duration::from_hours(1), burst: Some(3) };
        assert!((0..3).all(|_| charge(&slow, 0)) && !charge(&slow, 0));
        assert!(!charge(&LIMIT, 0), "empty before, empty now");
        assert!(charge(&LIMIT, 1) && !charge(&LIMIT, 1), "one a second");
    }

    #[test]
    fn full_buckets_take_no_memory() {
        let buckets = TokenBuckets::default();
        for n in 0..100_000u64 {
            buckets.charge(Uuid::from_u128(n.into()), &LIMIT, second(n / 100), "often").unwrap();
        }
        assert!(buckets.0.lock().unwrap().full_at.len() <= 2 * LEAST_SWEEP);
    }
}
