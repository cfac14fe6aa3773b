//! Conformance tests of limiters: promises that every limiter must keep.
//! [`limiter_conformance_tests!`](crate::limiter_conformance_tests) runs all of them against one limiter.
//! Where a count must be exact, rates are slow, so that a real server's clock, which tests cannot set,
//! refills nothing meanwhile. Where a bucket must open, periods are some seconds, longer than a busy machine stands still
//! between two calls.
#![expect(clippy::missing_panics_doc, reason = "these functions are tests: a broken promise is a panic")]

mod accounts;
mod changes;

use std::future::Future;
use std::time::Duration;

pub use accounts::{
    a_fixed_and_a_sliding_window_count_by_themselves, calls_under_a_higher_rate_count_for_a_lower_limit,
    calls_under_a_higher_rate_refill_no_lower_limit, many_rates_refill_none_of_them,
};
pub use changes::{
    a_cost_that_no_bucket_holds_is_impossible, a_limit_that_is_narrowed_and_widened_refills_nothing,
    a_sliding_window_admits_its_tokens_in_any_period, a_window_ends_by_the_period_that_applies_now,
    a_window_that_replaces_another_algorithm_ends_by_its_own_period,
    failed_attempts_and_calls_share_no_bucket, no_change_of_a_limit_forgets_what_was_spent,
};

use super::{
    BucketAlgorithm, BucketCharge, BucketId, BucketOwner, ChargeCondition, ChargeOptions, ChargeResult,
    CountingMode, Level, Levels, Limit, RuleId,
};
use crate::ports::Limiter;
use crate::time::Moment;

/// A limiter under test, with its clock.
pub trait LimiterHarness: Send + Sync {
    /// Returns the present moment.
    fn now(&self) -> Moment;
    /// Advances the clock, or waits.
    fn advance(&self, time: Duration) -> impl Future<Output = ()> + Send;
    /// Returns the limiter.
    fn limiter(&self) -> &(impl Limiter + 'static);
    /// Returns the counting mode of its buckets.
    fn mode(&self) -> CountingMode;
    /// Returns a number that no other harness uses for its buckets.
    fn subject(&self) -> u128;
}

/// Returns a charge to a token bucket that refills `tokens` tokens in `seconds` seconds and holds `burst`
/// tokens.
#[must_use]
pub fn bucket_charge(
    harness: &impl LimiterHarness,
    per: BucketOwner,
    (tokens, seconds, burst): (u64, u64, u64),
) -> BucketCharge {
    let limit = Limit { tokens, period: Duration::from_secs(seconds), burst: Some(burst) };
    let bucket = BucketId {
        per,
        when: ChargeCondition::Allowed,
        subject: harness.subject(),
        class_hash: 1,
        rule: RuleId(0),
    };
    BucketCharge {
        bucket,
        limit,
        algorithm: BucketAlgorithm::TokenBucket,
        mode: harness.mode(),
        shard_key: harness.subject(),
    }
}

/// Charges buckets and returns the result. Panics if the limiter returns an error.
pub async fn charge(harness: &impl LimiterHarness, charges: &[BucketCharge], cost: u32) -> ChargeResult {
    charge_limiter(harness.limiter(), charges, ChargeOptions { cost, dry_run: false }, harness.now()).await
}

async fn dry_run(harness: &impl LimiterHarness, charges: &[BucketCharge], cost: u32) -> ChargeResult {
    charge_limiter(harness.limiter(), charges, ChargeOptions { cost, dry_run: true }, harness.now()).await
}

/// Charges buckets of a limiter and returns the result. Panics if the limiter returns an error.
pub async fn charge_limiter(
    limiter: &impl Limiter,
    charges: &[BucketCharge],
    options: ChargeOptions,
    now: Moment,
) -> ChargeResult {
    let mut levels = Levels::new();
    let granted =
        limiter.charge(charges, options, now, &mut levels).await.expect("the limiter must not fail");
    ChargeResult { granted, levels }
}

async fn remaining(harness: &impl LimiterHarness, charge: BucketCharge) -> u64 {
    dry_run(harness, &[charge], 0).await.levels[0].remaining
}

/// Returns the time to wait. Panics if no wait helps.
fn wait(level: &Level) -> Duration {
    level.retry_after.expect("the cost fits into the bucket")
}

const HOUR: u64 = 3_600;

/// Checks that a bucket allows its burst and denies the next call with the time to wait.
pub async fn a_bucket_admits_its_burst(harness: impl LimiterHarness) {
    let bucket = [bucket_charge(&harness, BucketOwner::Key, (3, HOUR, 3))];
    for remaining in [2, 1, 0] {
        let result = charge(&harness, &bucket, 1).await;
        assert!(result.granted);
        assert_eq!((result.levels[0].limit, result.levels[0].remaining), (3, remaining));
    }
    let denied = charge(&harness, &bucket, 1).await;
    let level = denied.levels[0];
    assert!(!denied.granted && level.remaining == 0, "{denied:?}");
    assert!(
        wait(&level) > Duration::from_secs(1_100) && wait(&level) <= Duration::from_mins(20),
        "{level:?}"
    );
    assert!(
        level.reset_after > Duration::from_secs(3_500) && level.reset_after <= Duration::from_secs(HOUR),
        "{level:?}"
    );
}

/// Checks that used tokens are refilled evenly and no faster than the rate.
pub async fn tokens_come_back_at_their_rate(harness: impl LimiterHarness) {
    let bucket = [bucket_charge(&harness, BucketOwner::Key, (2, 4, 1))];
    assert!(charge(&harness, &bucket, 1).await.granted);
    assert!(!charge(&harness, &bucket, 1).await.granted);
    harness.advance(Duration::from_millis(2_400)).await;
    assert!(charge(&harness, &bucket, 1).await.granted);
    assert!(!charge(&harness, &bucket, 1).await.granted, "one token was refilled, not two");
}

/// Checks that a window begins with its first request and starts over after its end.
pub async fn a_window_starts_with_its_first_request_and_starts_over(harness: impl LimiterHarness) {
    let mut window = bucket_charge(&harness, BucketOwner::Key, (2, 4, 50));
    window.algorithm = BucketAlgorithm::FixedWindow;
    assert!(charge(&harness, &[window], 1).await.granted);
    let second = charge(&harness, &[window], 1).await;
    assert!(second.granted && second.levels[0].limit == 2);
    let denied = charge(&harness, &[window], 1).await;
    assert!(!denied.granted);
    assert!(wait(&denied.levels[0]) <= Duration::from_secs(4) && !wait(&denied.levels[0]).is_zero());
    harness.advance(Duration::from_millis(4_200)).await;
    assert!(charge(&harness, &[window], 2).await.granted);
    assert!(!charge(&harness, &[window], 1).await.granted);
}

/// Checks that a call that one bucket denies takes nothing from the others.
pub async fn every_bucket_is_charged_or_none(harness: impl LimiterHarness) {
    let key = bucket_charge(&harness, BucketOwner::Key, (10, HOUR, 10));
    let tenant = bucket_charge(&harness, BucketOwner::Tenant, (1, HOUR, 1));
    assert!(charge(&harness, &[key, tenant], 1).await.granted);
    let denied = charge(&harness, &[key, tenant], 1).await;
    assert!(!denied.granted);
    assert_eq!(denied.levels.len(), 2);
    assert_eq!(denied.levels[0].bucket.per, BucketOwner::Tenant, "the tightest is first");
    assert_eq!(remaining(&harness, key).await, 9);
}

/// Checks that a dry run takes nothing and reports whether there is room.
pub async fn a_dry_run_takes_nothing_and_reports_room(harness: impl LimiterHarness) {
    let bucket = [bucket_charge(&harness, BucketOwner::Key, (1, HOUR, 1))];
    assert!(dry_run(&harness, &bucket, 1).await.granted);
    assert!(charge(&harness, &bucket, 1).await.granted);
    assert!(!dry_run(&harness, &bucket, 1).await.granted);
    assert!(charge(&harness, &bucket, 0).await.granted, "a cost of zero always has room");
    let small = bucket_charge(&harness, BucketOwner::Tenant, (1, HOUR, 5));
    assert!(!charge(&harness, &[small], 6).await.granted, "the cost is more than the bucket holds");
    assert_eq!(remaining(&harness, small).await, 5);
}

/// Checks that a new limit continues from the tokens used under the old one, and not with a full bucket.
pub async fn a_new_limit_keeps_what_was_used(harness: impl LimiterHarness) {
    let old = bucket_charge(&harness, BucketOwner::Key, (10, HOUR, 10));
    assert!(charge(&harness, &[old], 8).await.granted);
    assert!(!charge(&harness, &[bucket_charge(&harness, BucketOwner::Key, (5, HOUR, 5))], 1).await.granted);
    let old = bucket_charge(&harness, BucketOwner::Tenant, (10, HOUR, 10));
    for _ in 0..8 {
        assert!(charge(&harness, &[old], 1).await.granted);
    }
    assert_eq!(remaining(&harness, bucket_charge(&harness, BucketOwner::Tenant, (20, HOUR, 20))).await, 12);
}

/// Checks that parallel calls get exactly the burst of the tightest bucket.
pub async fn parallel_calls_admit_the_burst_exactly(harness: impl LimiterHarness) {
    let both = [
        bucket_charge(&harness, BucketOwner::Key, (1, HOUR, 100)),
        bucket_charge(&harness, BucketOwner::Tenant, (1, HOUR, 70)),
    ];
    let calls = (0..200).map(|_| charge(&harness, &both, 1));
    let allowed = join_all(calls).await.into_iter().filter(|result| result.granted).count();
    assert_eq!(allowed, 70);
    assert_eq!(remaining(&harness, both[0]).await, 30);
}

/// Runs futures concurrently and returns their outputs.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut running {
            if output.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
            {
                *output = Some(done);
            }
        }
        let done = running.iter().all(|(_, output)| output.is_some());
        if done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

/// Defines one test for each promise. The expression makes the harness of a test and may use `await`.
#[macro_export]
macro_rules! limiter_conformance_tests {
    ($harness:expr) => {
        $crate::limiter_conformance_tests! { $harness =>
            a_bucket_admits_its_burst tokens_come_back_at_their_rate
            a_window_starts_with_its_first_request_and_starts_over every_bucket_is_charged_or_none
            a_dry_run_takes_nothing_and_reports_room a_new_limit_keeps_what_was_used
            parallel_calls_admit_the_burst_exactly
            a_sliding_window_admits_its_tokens_in_any_period no_change_of_a_limit_forgets_what_was_spent
            a_limit_that_is_narrowed_and_widened_refills_nothing failed_attempts_and_calls_share_no_bucket
            a_cost_that_no_bucket_holds_is_impossible a_window_ends_by_the_period_that_applies_now
            a_window_that_replaces_another_algorithm_ends_by_its_own_period
            calls_under_a_higher_rate_refill_no_lower_limit calls_under_a_higher_rate_count_for_a_lower_limit
            many_rates_refill_none_of_them a_fixed_and_a_sliding_window_count_by_themselves
        }
    };
    ($harness:expr => $($promise:ident)+) => {
        $(#[tokio::test]
        async fn $promise() {
            $crate::limit::conformance::$promise($harness).await;
        })+
    };
}
