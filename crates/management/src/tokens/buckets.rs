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

/// Charge of one token to a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenCharge<'a> {
    /// Identifier of the bucket's owner.
    pub(super) owner: Uuid,
    /// Limit of the bucket.
    pub(super) limit: &'a Limit,
    /// True for a call that repeats another one, whose response can have been lost: it may take one token more than the
    /// bucket holds, since its caller cannot wait.
    pub(super) repeats: bool,
    /// Text of the error if the bucket has no token.
    pub(super) error: &'static str,
}

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
    /// Takes one token of each bucket, or none: the error is that of the first bucket without one.
    pub(super) fn charge(
        &self,
        charges: &[TokenCharge<'_>],
        now: MonotonicInstant,
    ) -> Result<(), RequestError> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.full_at.len() >= buckets.sweep_at {
            buckets.full_at.retain(|_, full_at| *full_at > now);
            buckets.sweep_at = LEAST_SWEEP.max(buckets.full_at.len() * 2);
        }
        let before: Vec<MonotonicInstant> =
            charges.iter().map(|charge| buckets.full_at(charge, now)).collect();
        let mut both = charges.iter().zip(&before);
        let empty = both.find(|(charge, before)| before.plus(charge.token()) > charge.most(now));
        for (charge, before) in charges.iter().zip(&before) {
            let after = if empty.is_none() { before.plus(charge.token()) } else { *before };
            buckets.full_at.insert(charge.owner, after);
        }
        match empty {
            None => Ok(()),
            Some((charge, before)) => Err(RequestError::TooManyCalls {
                message: charge.error,
                retry_after: before.plus(charge.token()).since(charge.most(now)),
            }),
        }
    }
}

impl Buckets {
    /// Returns the time at which the bucket of a charge is full. After a change of the limit, a bucket that was empty is
    /// empty, and refills at the new rate. One that lacks a token more was charged by a call that repeats another one.
    fn full_at(&self, charge: &TokenCharge<'_>, now: MonotonicInstant) -> MonotonicInstant {
        let known = self.full_at.get(&charge.owner).copied().unwrap_or(now).max(now);
        let empty = charge.latest(now);
        if known > empty.plus(charge.token()) { empty } else { known }
    }
}

impl TokenCharge<'_> {
    /// Returns the time in which a token is refilled.
    fn token(&self) -> Duration {
        refill_time(self.limit, 1)
    }

    /// Returns the latest time at which the bucket can be full after this charge.
    fn most(&self, now: MonotonicInstant) -> MonotonicInstant {
        let latest = self.latest(now);
        if self.repeats { latest.plus(self.token()) } else { latest }
    }

    /// Returns the time at which the bucket is full if it is empty now.
    fn latest(&self, now: MonotonicInstant) -> MonotonicInstant {
        now.plus(refill_time(self.limit, self.limit.burst.unwrap_or(self.limit.tokens)))
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

    /// Takes a token of one bucket. Returns false if it has none.
    fn takes(buckets: &TokenBuckets, owner: u128, limit: &Limit, at: u64) -> bool {
        let charge = TokenCharge { owner: Uuid::from_u128(owner), limit, repeats: false, error: "often" };
        buckets.charge(&[charge], second(at)).is_ok()
    }

    fn second(n: u64) -> MonotonicInstant {
        MonotonicInstant(7_000_000_000).plus(Duration::from_secs(n))
    }

    #[test]
    fn a_bucket_holds_the_burst_and_refills_at_the_rate() {
        let buckets = TokenBuckets::default();
        let charge = |owner, at| takes(&buckets, owner, &LIMIT, at);
        assert!((0..10).all(|_| charge(1, 0)));
        assert!(!charge(1, 0), "empty");
        assert!(charge(2, 0), "another owner");
        assert!(charge(1, 1) && !charge(1, 1), "one a second");
        assert_eq!((0..20).filter(|_| charge(1, 1_000)).count(), 10, "never more than the burst");
    }

    #[test]
    fn a_changed_limit_forgets_nothing_and_refills_at_the_new_rate() {
        let buckets = TokenBuckets::default();
        let charge = |limit: &Limit, at| takes(&buckets, 1, limit, at);
        let slow = Limit { tokens: 3, period: Duration::from_hours(1), burst: Some(3) };
        assert!((0..3).all(|_| charge(&slow, 0)) && !charge(&slow, 0));
        assert!(!charge(&LIMIT, 0), "empty before, empty now");
        assert!(charge(&LIMIT, 1) && !charge(&LIMIT, 1), "one a second");
    }

    #[test]
    fn a_refused_charge_takes_no_token_of_the_other_buckets() {
        let buckets = TokenBuckets::default();
        let slow = Limit { tokens: 1, period: Duration::from_hours(1), burst: Some(1) };
        let of =
            |owner, limit, error| TokenCharge { owner: Uuid::from_u128(owner), limit, repeats: false, error };
        assert!(takes(&buckets, 2, &slow, 0));
        let both = [of(1, &LIMIT, "first"), of(2, &slow, "second")];
        let retry_after = Duration::from_hours(1);
        let refused = RequestError::TooManyCalls { message: "second", retry_after };
        for _ in 0..20 {
            assert_eq!(buckets.charge(&both, second(0)), Err(refused.clone()));
        }
        assert!((0..10).all(|_| takes(&buckets, 1, &LIMIT, 0)), "the first is still full");
        let wait = |at| match buckets.charge(&both[1..], second(at)) {
            Err(RequestError::TooManyCalls { retry_after, .. }) => retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!([wait(0), wait(3_590)].map(|wait| wait.as_secs()), [3_600, 10]);
    }

    #[test]
    fn a_repeated_call_takes_one_token_more_than_there_are_and_later_calls_pay_for_it() {
        let buckets = TokenBuckets::default();
        let limit = Limit { tokens: 2, period: Duration::from_secs(200), burst: Some(2) };
        let repeats = |at| {
            let charge =
                TokenCharge { owner: Uuid::from_u128(1), limit: &limit, repeats: true, error: "often" };
            buckets.charge(&[charge], second(at)).is_ok()
        };
        let plain = |at| takes(&buckets, 1, &limit, at);
        assert!(plain(0) && plain(0) && !plain(0));
        assert!(repeats(0) && !plain(0) && !repeats(0), "one more, and a refused call forgets nothing");
        assert!(!plain(199) && plain(200) && !plain(200));
        assert!(repeats(200) && !repeats(299) && repeats(300));
    }

    #[test]
    fn full_buckets_take_no_memory() {
        let buckets = TokenBuckets::default();
        for n in 0..100_000u64 {
            assert!(takes(&buckets, n.into(), &LIMIT, n / 100));
        }
        assert!(buckets.0.lock().unwrap().full_at.len() <= 2 * LEAST_SWEEP);
    }
}
