//! What every limiter promises, whoever counts: one list of sentences, run over each adapter by
//! [`limiter_conformance_tests!`](crate::limiter_conformance_tests). Rates are slow where a count must be exact, so that a real
//! server's clock, which nobody can move, brings nothing back meanwhile.
#![expect(clippy::missing_panics_doc, reason = "a promise that is not kept is a panic: it is for tests")]

use std::future::Future;
use std::time::Duration;

use super::{
    BucketAlgorithm, BucketCharge, BucketId, BucketOwner, ChargeOptions, ChargeResult, CountingMode, Levels,
    Limit,
};
use crate::ports::Limiter;
use crate::time::Moment;

/// A limiter on the bench, with the clock that it counts by.
pub trait LimiterHarness: Send + Sync {
    /// What time it is.
    fn now(&self) -> Moment;
    /// Lets time pass.
    fn advance(&self, time: Duration) -> impl Future<Output = ()> + Send;
    /// The limiter.
    fn limiter(&self) -> &(impl Limiter + 'static);
    /// How its buckets are counted.
    fn mode(&self) -> CountingMode;
    /// A number that no other bench's buckets have.
    fn subject(&self) -> u128;
}

/// A bucket of so many tokens in so many seconds, holding so many.
#[must_use]
pub fn bucket_charge(
    harness: &impl LimiterHarness,
    per: BucketOwner,
    (tokens, seconds, burst): (u64, u64, u64),
) -> BucketCharge {
    let limit = Limit { tokens, period: Duration::from_secs(seconds), burst };
    let bucket = BucketId { per, subject: harness.subject(), class_hash: 1, index: 0 };
    BucketCharge {
        bucket,
        limit,
        algorithm: BucketAlgorithm::TokenBucket,
        mode: harness.mode(),
        shard_key: harness.subject(),
    }
}

/// Spends, and expects an answer.
pub async fn charge(harness: &impl LimiterHarness, charges: &[BucketCharge], cost: u32) -> ChargeResult {
    charge_limiter(harness.limiter(), charges, ChargeOptions { cost, dry_run: false }, harness.now()).await
}

async fn look(harness: &impl LimiterHarness, charges: &[BucketCharge], cost: u32) -> ChargeResult {
    charge_limiter(harness.limiter(), charges, ChargeOptions { cost, dry_run: true }, harness.now()).await
}

/// Charges, and expects an answer.
pub async fn charge_limiter(
    limiter: &impl Limiter,
    charges: &[BucketCharge],
    options: ChargeOptions,
    now: Moment,
) -> ChargeResult {
    let mut levels = Levels::new();
    let granted = limiter.charge(charges, options, now, &mut levels).await.expect("a limiter answers");
    ChargeResult { granted, levels }
}

async fn left(harness: &impl LimiterHarness, charge: BucketCharge) -> u64 {
    look(harness, &[charge], 0).await.levels[0].remaining
}

const HOUR: u64 = 3_600;

/// The burst passes, the next call does not, and its answer says when to come again.
pub async fn a_bucket_admits_its_burst(harness: impl LimiterHarness) {
    let bucket = [bucket_charge(&harness, BucketOwner::Key, (3, HOUR, 3))];
    for remaining in [2, 1, 0] {
        let spending = charge(&harness, &bucket, 1).await;
        assert!(spending.granted);
        assert_eq!((spending.levels[0].limit, spending.levels[0].remaining), (3, remaining));
    }
    let refused = charge(&harness, &bucket, 1).await;
    let level = refused.levels[0];
    assert!(!refused.granted && level.remaining == 0, "{refused:?}");
    assert!(
        level.retry_after > Duration::from_secs(1_100) && level.retry_after <= Duration::from_mins(20),
        "{level:?}"
    );
    assert!(
        level.reset_after > Duration::from_secs(3_500) && level.reset_after <= Duration::from_secs(HOUR),
        "{level:?}"
    );
}

/// What was used comes back evenly, and no faster.
pub async fn tokens_come_back_at_their_rate(harness: impl LimiterHarness) {
    let bucket = [bucket_charge(&harness, BucketOwner::Key, (2, 1, 1))];
    assert!(charge(&harness, &bucket, 1).await.granted);
    assert!(!charge(&harness, &bucket, 1).await.granted);
    harness.advance(Duration::from_millis(600)).await;
    assert!(charge(&harness, &bucket, 1).await.granted);
    assert!(!charge(&harness, &bucket, 1).await.granted, "one came back, not two");
}

/// A window counts anew when it has ended.
pub async fn a_window_counts_from_its_first_request_and_then_anew(harness: impl LimiterHarness) {
    let mut window = bucket_charge(&harness, BucketOwner::Key, (2, 1, 50));
    window.algorithm = BucketAlgorithm::FixedWindow;
    assert!(charge(&harness, &[window], 1).await.granted);
    let second = charge(&harness, &[window], 1).await;
    assert!(second.granted && second.levels[0].limit == 2);
    let refused = charge(&harness, &[window], 1).await;
    assert!(!refused.granted);
    assert!(
        refused.levels[0].retry_after <= Duration::from_secs(1) && !refused.levels[0].retry_after.is_zero()
    );
    harness.advance(Duration::from_millis(1_050)).await;
    assert!(charge(&harness, &[window], 2).await.granted);
    assert!(!charge(&harness, &[window], 1).await.granted);
}

/// A call that one bucket refuses takes nothing from the others.
pub async fn every_bucket_is_charged_or_none(harness: impl LimiterHarness) {
    let key = bucket_charge(&harness, BucketOwner::Key, (10, HOUR, 10));
    let tenant = bucket_charge(&harness, BucketOwner::Tenant, (1, HOUR, 1));
    assert!(charge(&harness, &[key, tenant], 1).await.granted);
    let refused = charge(&harness, &[key, tenant], 1).await;
    assert!(!refused.granted);
    assert_eq!(refused.levels.len(), 2);
    assert_eq!(refused.levels[0].bucket.per, BucketOwner::Tenant, "the tightest comes first");
    assert_eq!(left(&harness, key).await, 9);
}

/// Looking takes nothing, and still says whether there is room.
pub async fn looking_takes_nothing_and_tells_the_truth(harness: impl LimiterHarness) {
    let bucket = [bucket_charge(&harness, BucketOwner::Key, (1, HOUR, 1))];
    assert!(look(&harness, &bucket, 1).await.granted);
    assert!(charge(&harness, &bucket, 1).await.granted);
    assert!(!look(&harness, &bucket, 1).await.granted);
    assert!(charge(&harness, &bucket, 0).await.granted, "a cost of zero always finds room");
    let small = bucket_charge(&harness, BucketOwner::Tenant, (1, HOUR, 5));
    assert!(!charge(&harness, &[small], 6).await.granted, "more than the bucket holds");
    assert_eq!(left(&harness, small).await, 5);
}

/// A new limit begins where the old one was, not with a full bucket.
pub async fn a_new_limit_keeps_what_was_used(harness: impl LimiterHarness) {
    let old = bucket_charge(&harness, BucketOwner::Key, (10, HOUR, 10));
    assert!(charge(&harness, &[old], 8).await.granted);
    assert!(!charge(&harness, &[bucket_charge(&harness, BucketOwner::Key, (5, HOUR, 5))], 1).await.granted);
    let old = bucket_charge(&harness, BucketOwner::Tenant, (10, HOUR, 10));
    for _ in 0..8 {
        assert!(charge(&harness, &[old], 1).await.granted);
    }
    assert_eq!(left(&harness, bucket_charge(&harness, BucketOwner::Tenant, (20, HOUR, 20))).await, 12);
}

/// However many calls come at once, the tightest bucket's burst passes, to the token.
pub async fn parallel_calls_admit_the_burst_exactly(harness: impl LimiterHarness) {
    let both = [
        bucket_charge(&harness, BucketOwner::Key, (1, HOUR, 100)),
        bucket_charge(&harness, BucketOwner::Tenant, (1, HOUR, 70)),
    ];
    let calls = (0..200).map(|_| charge(&harness, &both, 1));
    let admitted = join_all(calls).await.into_iter().filter(|spending| spending.granted).count();
    assert_eq!(admitted, 70);
    assert_eq!(left(&harness, both[0]).await, 30);
}

/// Runs futures side by side.
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

/// One test for each promise, over the bench that the expression makes; give it an `await` if it needs one.
#[macro_export]
macro_rules! limiter_conformance_tests {
    ($harness:expr) => {
        $crate::limiter_conformance_tests! { $harness =>
            a_bucket_admits_its_burst tokens_come_back_at_their_rate
            a_window_counts_from_its_first_request_and_then_anew every_bucket_is_charged_or_none
            looking_takes_nothing_and_tells_the_truth a_new_limit_keeps_what_was_used
            parallel_calls_admit_the_burst_exactly
        }
    };
    ($harness:expr => $($promise:ident)+) => {
        $(#[tokio::test]
        async fn $promise() {
            $crate::limit::conformance::$promise($harness).await;
        })+
    };
}
