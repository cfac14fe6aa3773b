//! Promises about limits that change, and about costs that no bucket holds.

use std::time::Duration;

use super::{HOUR, LimiterHarness, bucket_charge, charge, remaining};
use crate::limit::{BucketAlgorithm, BucketCharge, BucketOwner, ChargeCondition, Limit, RuleId};

/// Returns a charge to a sliding window of `tokens` tokens in `seconds` seconds.
fn window(harness: &impl LimiterHarness, per: BucketOwner, tokens: u64, seconds: u64) -> BucketCharge {
    let charge = bucket_charge(harness, per, (tokens, seconds, tokens));
    BucketCharge {
        limit: Limit { burst: None, ..charge.limit },
        algorithm: BucketAlgorithm::SlidingWindow,
        ..charge
    }
}

/// Checks that a sliding window admits its tokens in any period, and again when they are a period old.
pub async fn a_sliding_window_admits_its_tokens_in_any_period(harness: impl LimiterHarness) {
    let bucket = [window(&harness, BucketOwner::Key, 3, 16)];
    assert!(charge(&harness, &bucket, 2).await.granted);
    harness.advance(Duration::from_secs(8)).await;
    assert!(charge(&harness, &bucket, 1).await.granted);
    let denied = charge(&harness, &bucket, 1).await;
    let wait = denied.levels[0].retry_after.expect("the cost fits");
    assert!(!denied.granted && wait <= Duration::from_secs(8), "{denied:?}");
    assert!(denied.levels[0].reset_after > wait && denied.levels[0].reset_after <= Duration::from_secs(16));
    harness.advance(Duration::from_millis(9_200)).await;
    assert!(charge(&harness, &bucket, 2).await.granted, "two are older than a period");
    assert!(!charge(&harness, &bucket, 1).await.granted, "the third is not");
}

/// Checks that no sequence of limits and algorithms admits more than the largest limit.
pub async fn no_change_of_a_limit_forgets_what_was_spent(harness: impl LimiterHarness) {
    let algorithms =
        [BucketAlgorithm::SlidingWindow, BucketAlgorithm::TokenBucket, BucketAlgorithm::FixedWindow];
    for (number, seed) in (0..4u32).zip([1u64, 0x9e37_79b9, 0x5851_f42d, 0xdead_beef]) {
        let mut state = seed;
        let mut next = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % most
        };
        let (mut admitted, mut largest) = (0, 0);
        for _ in 0..40 {
            let tokens = 1 + next(30);
            let mut bucket = bucket_charge(&harness, BucketOwner::Key, (tokens, 100 * HOUR, tokens));
            bucket.bucket.rule = RuleId(number);
            bucket.algorithm = algorithms[usize::try_from(next(3)).unwrap_or_default()];
            largest = largest.max(tokens);
            for _ in 0..next(12) {
                let cost = u32::try_from(next(4)).unwrap_or_default();
                if charge(&harness, &[bucket], cost).await.granted {
                    admitted += u64::from(cost);
                }
                assert!(admitted <= largest, "{admitted} of {largest} with seed {seed}");
            }
        }
        assert!(admitted > 0);
    }
}

/// Checks that a narrower limit denies and forgets nothing, so that a wider one continues from what was spent.
pub async fn a_limit_that_is_narrowed_and_widened_refills_nothing(harness: impl LimiterHarness) {
    for make in
        [window, |harness: &_, per, tokens, seconds| bucket_charge(harness, per, (tokens, seconds, tokens))]
    {
        let per = if make(&harness, BucketOwner::Key, 1, 1).limit.burst.is_none() {
            BucketOwner::Key
        } else {
            BucketOwner::Tenant
        };
        let limit = |tokens| [make(&harness, per, tokens, 100 * HOUR)];
        assert!(charge(&harness, &limit(20), 18).await.granted);
        for _ in 0..5 {
            assert!(!charge(&harness, &limit(2), 1).await.granted);
            assert_eq!(remaining(&harness, limit(20)[0]).await, 2);
        }
        assert!(charge(&harness, &limit(20), 2).await.granted);
        assert!(!charge(&harness, &limit(20), 1).await.granted);
        assert_eq!(remaining(&harness, limit(25)[0]).await, 5);
    }
}

/// Checks that failed attempts and calls that pass have buckets of their own.
pub async fn failed_attempts_and_calls_share_no_bucket(harness: impl LimiterHarness) {
    let calls = window(&harness, BucketOwner::Ip, 5, HOUR);
    let mut failed = calls;
    failed.bucket.when = ChargeCondition::Unauthenticated;
    assert!(charge(&harness, &[calls], 5).await.granted);
    assert!(charge(&harness, &[failed], 5).await.granted);
    assert!(!charge(&harness, &[failed], 1).await.granted);
    assert!(!charge(&harness, &[calls], 1).await.granted);
}

/// Checks that a cost that the bucket can never hold has no time to wait, and takes nothing.
pub async fn a_cost_that_no_bucket_holds_is_impossible(harness: impl LimiterHarness) {
    for algorithm in
        [BucketAlgorithm::TokenBucket, BucketAlgorithm::FixedWindow, BucketAlgorithm::SlidingWindow]
    {
        let mut bucket = bucket_charge(&harness, BucketOwner::Key, (3, HOUR, 3));
        bucket.algorithm = algorithm;
        bucket.bucket.rule = RuleId(algorithm as u32);
        for cost in [4, 10, u32::MAX] {
            let denied = charge(&harness, &[bucket], cost).await;
            assert!(!denied.granted && denied.levels[0].never_fits(), "{denied:?}");
        }
        let passed = charge(&harness, &[bucket], 0).await;
        assert!(passed.granted && passed.levels[0].retry_after == Some(Duration::ZERO), "{passed:?}");
        let passed = charge(&harness, &[bucket], 3).await;
        assert!(passed.granted && passed.levels[0].retry_after.is_some(), "{passed:?}");
        let denied = charge(&harness, &[bucket], 3).await;
        assert!(!denied.granted && !denied.levels[0].never_fits(), "a wait helps: {denied:?}");
    }
}

/// Checks that a fixed window ends by the period of the present limit, and that the window of the previous period
/// continues to count.
pub async fn a_window_ends_by_the_period_that_applies_now(harness: impl LimiterHarness) {
    let limit = |tokens, seconds| {
        let mut bucket = bucket_charge(&harness, BucketOwner::Key, (tokens, seconds, tokens));
        bucket.algorithm = BucketAlgorithm::FixedWindow;
        [bucket]
    };
    assert!(charge(&harness, &limit(30, 100 * HOUR), 6).await.granted);
    let denied = charge(&harness, &limit(5, 8), 1).await;
    let wait = denied.levels[0].retry_after.expect("the cost fits");
    assert!(!denied.granted && wait <= Duration::from_secs(8), "{denied:?}");
    harness.advance(Duration::from_millis(8_400)).await;
    assert_eq!(remaining(&harness, limit(30, 100 * HOUR)[0]).await, 24);
    assert!(charge(&harness, &limit(5, 8), 5).await.granted, "the window has ended");
    assert!(!charge(&harness, &limit(5, 8), 1).await.granted);
    assert_eq!(remaining(&harness, limit(30, 100 * HOUR)[0]).await, 19);
    assert!(charge(&harness, &limit(30, 100 * HOUR), 19).await.granted);
    assert!(!charge(&harness, &limit(30, 100 * HOUR), 1).await.granted);
    harness.advance(Duration::from_millis(8_400)).await;
    assert!(charge(&harness, &limit(5, 8), 1).await.granted);
    assert!(!charge(&harness, &limit(30, 100 * HOUR), 1).await.granted, "nothing is forgotten");
    assert_eq!(remaining(&harness, limit(40, 50 * HOUR)[0]).await, 9, "a new period counts what was spent");
}

/// Checks that a fixed window that replaces another algorithm ends by its own period, and that a longer period still
/// counts the tokens that were spent before.
pub async fn a_window_that_replaces_another_algorithm_ends_by_its_own_period(harness: impl LimiterHarness) {
    for before in [BucketAlgorithm::SlidingWindow, BucketAlgorithm::TokenBucket] {
        let limit = |tokens, seconds, algorithm| {
            let mut bucket = bucket_charge(&harness, BucketOwner::Key, (tokens, seconds, tokens));
            (bucket.algorithm, bucket.bucket.rule) = (algorithm, RuleId(before as u32));
            [bucket]
        };
        let (long, short) = (limit(30, 100 * HOUR, before), limit(5, 8, BucketAlgorithm::FixedWindow));
        assert!(charge(&harness, &long, 6).await.granted);
        let denied = charge(&harness, &short, 1).await;
        let wait = denied.levels[0].retry_after.expect("the cost fits");
        assert!(!denied.granted && wait <= Duration::from_secs(8), "{before:?}: {denied:?}");
        harness.advance(Duration::from_millis(8_400)).await;
        assert!(charge(&harness, &short, 5).await.granted, "{before:?}: the window has ended");
        assert!(!charge(&harness, &short, 1).await.granted, "{before:?}");
        let long = limit(30, 100 * HOUR, BucketAlgorithm::FixedWindow);
        let left = remaining(&harness, long[0]).await;
        assert!(left <= 19, "{before:?}: {left} of 30 are left after 11");
    }
}
