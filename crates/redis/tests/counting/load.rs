//! Three limiters on one bucket under a load that mostly reaches one of them: together they admit no more than
//! the bucket allows, and at a steady rate hardly less. `LATCHKEY_TEST_ROUNDS=20` extends the load.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::conformance::{bucket_charge, charge_limiter};
use latchkey_core::limit::{BucketCharge, BucketOwner, ChargeOptions, CountingMode};
use latchkey_core::time::{Clock as _, MonotonicInstant};
use tokio::time::interval;

use super::bench::{MonotonicClock, RedisBench, left};

/// Tokens, the seconds in which they refill, and the capacity of the bucket.
pub(crate) type Limit = (u64, u64, u64);

/// Result of a load.
struct LoadResult {
    granted: [u64; 3],
    calls: [u64; 3],
    took: Duration,
    asked: u64,
    /// Tokens that the bucket holds at the end, after replicas have returned theirs.
    left: u64,
}

/// Sends calls to one replica at a rate, as evenly as the machine allows.
async fn drive_load(
    replica: &RedisBench,
    bucket: BucketCharge,
    rate: u64,
    begin: MonotonicInstant,
    time: Duration,
) -> (u64, u64) {
    let (limiter, mut granted, mut calls) = (Arc::clone(&replica.limiter), 0, 0);
    let mut pace = interval(Duration::from_millis(1));
    loop {
        pace.tick().await;
        let passed = MonotonicClock.now().monotonic.since(begin);
        if passed >= time {
            return (granted, calls);
        }
        let due = u64::try_from(passed.as_micros()).expect("seconds") * rate / 1_000_000;
        while calls < due {
            let spending = charge_limiter(
                &*limiter,
                &[bucket],
                ChargeOptions { cost: 1, dry_run: false },
                MonotonicClock.now(),
            )
            .await;
            granted += u64::from(spending.granted);
            calls += 1;
        }
    }
}

/// Sends calls at these rates until the time has passed.
async fn skewed(mode: CountingMode, limit: Limit, rates: [u64; 3], time: Duration) -> LoadResult {
    let one = RedisBench::start(mode).await;
    let replicas = [one.twin().await, one.twin().await, one];
    let bucket = bucket_charge(&replicas[2], BucketOwner::Key, limit);
    let asked = || replicas.iter().map(|replica| replica.limiter.requests()).sum::<u64>();
    let (before, begin) = (asked(), MonotonicClock.now().monotonic);
    let [a, b, c] = &replicas;
    let [(ga, ca), (gb, cb), (gc, cc)] = <[_; 3]>::from(tokio::join!(
        drive_load(a, bucket, rates[0], begin, time),
        drive_load(b, bucket, rates[1], begin, time),
        drive_load(c, bucket, rates[2], begin, time),
    ));
    let (took, asked) = (MonotonicClock.now().monotonic.since(begin), asked() - before);
    for replica in &replicas {
        assert!(replica.limiter.is_shared(), "Redis was in use throughout");
        replica.limiter.give_back(true).await;
    }
    let left = left(a, bucket).await;
    LoadResult { granted: [ga, gb, gc], calls: [ca, cb, cc], took, asked, left }
}

pub(crate) fn allowed((tokens, seconds, burst): Limit, took: Duration) -> u64 {
    let nanos = u128::from(tokens) * took.as_nanos() / (u128::from(seconds) * 1_000_000_000);
    burst + u64::try_from(nanos).expect("it fits")
}

fn seconds(few: u64) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "the length of the load is configurable")]
    let rounds = std::env::var("LATCHKEY_TEST_ROUNDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(rounds.map_or(few, |rounds: u64| rounds.clamp(few, 60)))
}

/// Largest number of attempts. A machine that stands still for a moment sends fewer calls than it should, and a full bucket
/// takes no tokens meanwhile; a limiter that loses tokens does so at each attempt.
const ATTEMPTS: usize = 8;

/// Repeats a load until nothing is reported about it, and panics with the last report.
async fn once_of_several(attempt: impl AsyncFn() -> Result<(), String>) {
    let mut report = String::new();
    for number in 1..=ATTEMPTS {
        match attempt().await {
            Ok(()) => return,
            Err(text) => report = format!("attempt {number}: {text}"),
        }
        println!("{report}");
    }
    panic!("{report}");
}

/// Returns an error with a text if a condition does not hold.
fn expected(condition: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(text()) }
}

/// More calls than the limit allows. As many are admitted as the limit allows, except for tokens that were
/// returned too late to be used; less than two percent of the limit are lost.
async fn overload(mode: CountingMode, limit: Limit, rates: [u64; 3]) {
    once_of_several(async || overload_once(mode, limit, rates).await).await;
}

async fn overload_once(mode: CountingMode, limit: Limit, rates: [u64; 3]) -> Result<(), String> {
    let LoadResult { granted, calls, took, asked, left } = skewed(mode, limit, rates, seconds(6)).await;
    let (sum, most, all) = (granted.iter().sum::<u64>(), allowed(limit, took), calls.iter().sum::<u64>());
    let lost = most.saturating_sub(sum + left);
    println!(
        "{mode:?}, {limit:?} under {rates:?} calls a second: {granted:?} of {calls:?} passed, {most} may; {lost} lost, \
         {left} left over; {asked} questions"
    );
    assert!(sum <= most, "{granted:?} of {calls:?} passed; {most} may");
    expected(all > most * 3 / 2, || format!("{calls:?} is no overload"))?;
    let passed = || format!("{granted:?} of {calls:?} passed and {left} are left; {most} could have");
    expected(lost * 50 < most && sum * 100 >= most * 96, passed)?;
    if mode == CountingMode::Leased {
        // About twenty requests a second for each replica, and some more at the start, however many calls
        // arrive.
        let bound = 3 * 25 * u64::try_from(took.as_millis()).expect("seconds") / 1_000;
        let requests = || format!("{asked} questions for {calls:?} calls in {took:?}");
        expected(asked <= bound, requests)?;
        expected(all < 2_000 * took.as_secs() || asked * 20 < all, requests)?;
    }
    expected(granted.iter().all(|granted| *granted > 0), || format!("{granted:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_share_an_exact_limit_and_give_nothing_up() {
    overload(CountingMode::Exact, (200, 1, 50), [300, 80, 20]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_share_a_leased_limit_and_give_up_little() {
    overload(CountingMode::Leased, (300, 1, 300), [600, 150, 50]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_share_a_fast_leased_limit_and_give_up_little() {
    overload(CountingMode::Leased, (1_000, 1, 1_000), [1_400, 700, 400]).await;
}

/// A load just within the limit is admitted although replicas always hold part of the tokens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_steady_load_just_below_a_leased_limit_is_not_refused() {
    let limit = (500, 1, 500);
    once_of_several(async || {
        let LoadResult { granted, calls, asked, .. } =
            skewed(CountingMode::Leased, limit, [340, 110, 40], seconds(6)).await;
        let (sum, all) = (granted.iter().sum::<u64>(), calls.iter().sum::<u64>());
        println!("98 % of {limit:?}: {granted:?} of {calls:?} passed, {asked} questions");
        expected((all - sum) * 50 <= all, || format!("{granted:?} of {calls:?} passed"))
    })
    .await;
}
