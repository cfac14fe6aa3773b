//! Promises about a bucket whose calls have different limits: what is spent counts for all of them, and each refills by its
//! own rate alone.

use std::time::Duration;

use super::{HOUR, LimiterHarness, bucket_charge, charge, remaining};
use crate::limit::{BucketAlgorithm, BucketCharge, BucketOwner, Limit, RuleId};

/// Returns the charges of a low limit to buckets of one owner each: a token bucket and a sliding window of three an hour.
fn low_limits(harness: &impl LimiterHarness) -> [BucketCharge; 2] {
    let token = bucket_charge(harness, BucketOwner::Ip, (3, HOUR, 3));
    let mut window = token;
    window.bucket.rule = RuleId(1);
    (window.limit, window.algorithm) = (Limit { burst: None, ..token.limit }, BucketAlgorithm::SlidingWindow);
    [token, window]
}

/// Returns the charge of a token bucket with a high rate to the bucket of another charge.
fn high_limit(harness: &impl LimiterHarness, low: BucketCharge) -> BucketCharge {
    BucketCharge { bucket: low.bucket, ..bucket_charge(harness, BucketOwner::Ip, (1_000, 1, 1_000)) }
}

/// Checks that calls under a limit with a higher rate refill no limit with a lower one.
pub async fn calls_under_a_higher_rate_refill_no_lower_limit(harness: impl LimiterHarness) {
    for low in low_limits(&harness) {
        let high = high_limit(&harness, low);
        assert!(charge(&harness, &[low], 3).await.granted);
        for _ in 0..3 {
            assert!(charge(&harness, &[high], 1).await.granted);
            harness.advance(Duration::from_millis(50)).await;
            let denied = charge(&harness, &[low], 1).await;
            assert!(!denied.granted && denied.levels[0].remaining == 0, "{denied:?}");
        }
    }
}

/// Checks that calls under a limit with a higher rate count for a limit with a lower one, though the higher rate has
/// refilled them.
pub async fn calls_under_a_higher_rate_count_for_a_lower_limit(harness: impl LimiterHarness) {
    for low in low_limits(&harness) {
        let high = high_limit(&harness, low);
        assert!(charge(&harness, &[low], 1).await.granted);
        assert!(charge(&harness, &[high], 1).await.granted);
        harness.advance(Duration::from_millis(50)).await;
        assert!(remaining(&harness, low).await <= 1);
        assert!(charge(&harness, &[high], 1).await.granted);
        assert!(!charge(&harness, &[low], 1).await.granted);
    }
}

/// Checks that no sequence of many rates refills one of them.
pub async fn many_rates_refill_none_of_them(harness: impl LimiterHarness) {
    let low = bucket_charge(&harness, BucketOwner::Ip, (3, HOUR, 3));
    assert!(charge(&harness, &[low], 3).await.granted);
    for round in 0..2 {
        for tokens in 0..14 {
            let other = bucket_charge(&harness, BucketOwner::Ip, (1_000 + tokens, 1, 1_000));
            let _ = charge(&harness, &[other], 1).await;
        }
        harness.advance(Duration::from_millis(50)).await;
        assert!(!charge(&harness, &[low], 1).await.granted, "round {round}");
    }
}

/// Checks that a sliding window that replaces a fixed one counts its tokens for each period that it has later, and that
/// neither prolongs the other.
pub async fn a_fixed_and_a_sliding_window_count_by_themselves(harness: impl LimiterHarness) {
    let limit = |tokens, seconds, algorithm| {
        let charge = bucket_charge(&harness, BucketOwner::Ip, (tokens, seconds, tokens));
        [BucketCharge { limit: Limit { burst: None, ..charge.limit }, algorithm, ..charge }]
    };
    let fixed = limit(6, 16, BucketAlgorithm::FixedWindow);
    let sliding = |tokens, seconds| limit(tokens, seconds, BucketAlgorithm::SlidingWindow);
    assert!(charge(&harness, &fixed, 1).await.granted);
    harness.advance(Duration::from_millis(8_400)).await;
    assert!(charge(&harness, &fixed, 5).await.granted);
    assert!(charge(&harness, &sliding(7, 16), 1).await.granted);
    let denied = charge(&harness, &sliding(5, 8), 1).await;
    assert!(!denied.granted, "more than five calls passed just now: {denied:?}");
    harness.advance(Duration::from_millis(8_400)).await;
    assert!(charge(&harness, &sliding(5, 8), 1).await.granted, "all of them are older than a period");
    assert!(charge(&harness, &fixed, 5).await.granted, "the fixed window has ended");
    assert!(!charge(&harness, &fixed, 1).await.granted);
}
