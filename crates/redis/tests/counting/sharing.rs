//! Several limiters on one bucket: together they admit as much as the bucket allows, no more and hardly less.

use std::time::Duration;

use latchkey_core::limit::conformance::{LimiterHarness as _, bucket_charge, charge, charge_limiter};
use latchkey_core::limit::{BucketAlgorithm, BucketCharge, BucketOwner, ChargeOptions, CountingMode};
use latchkey_core::time::Clock;
use latchkey_testing::eventually_async;
use tokio::time::{MissedTickBehavior, interval};

use super::bench::{MonotonicClock, RedisBench, admitted, left};
use super::load::allowed;

#[tokio::test]
async fn three_replicas_share_a_leased_window() {
    let one = RedisBench::start(CountingMode::Leased).await;
    let others = [one.twin().await, one.twin().await];
    let mut window = bucket_charge(&one, BucketOwner::Key, (200, 3_600, 200));
    window.algorithm = BucketAlgorithm::FixedWindow;
    let mut sum = 0;
    for replica in [&others[0], &one, &others[1], &one, &others[0]] {
        sum += admitted(replica, window, 70).await;
    }
    assert!((176..=200).contains(&sum), "{sum}: all but the tokens leased by the others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_leased_bucket_sends_few_requests() {
    let bench = RedisBench::start(CountingMode::Leased).await;
    let bucket = bucket_charge(&bench, BucketOwner::Tenant, (20_000, 1, 20_000));
    let before = bench.limiter.requests();
    let calls = 6_000;
    assert_eq!(admitted(&bench, bucket, calls).await, calls);
    let asked = bench.limiter.requests() - before;
    assert!(asked * 20 < 6_000, "{asked} questions for {calls} calls");
}

/// Leased tokens still belong to their bucket, which does not fill up beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_out_make_no_room_for_others() {
    let one = RedisBench::start(CountingMode::Leased).await;
    let other = one.twin().await;
    let limit = (1_000, 1, 1_000);
    let bucket = bucket_charge(&one, BucketOwner::Key, limit);
    assert_eq!(admitted(&one, bucket, 200).await, 200);
    // Long enough for the bucket to fill up, too short for idle tokens to be returned.
    one.advance(Duration::from_millis(250)).await;
    let began = MonotonicClock.now().monotonic;
    let mut sum = 0;
    for replica in [&other, &one] {
        while admitted(replica, bucket, 1).await == 1 {
            sum += 1;
        }
    }
    let most = allowed(limit, MonotonicClock.now().monotonic.since(began));
    assert!(sum <= most, "{sum} passed at once; {most} may");
}

/// A call would return the tokens that its replica has leased, and take what it needs.
#[tokio::test]
async fn a_dry_run_has_room_for_the_tokens_that_the_replica_holds() {
    let bench = RedisBench::start(CountingMode::Leased).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, (800, 3_600 * 24, 800));
    for call in 0..40u32 {
        assert!(charge(&bench, &[bucket], 1).await.granted, "{call}");
        let left = u32::try_from(left(&bench, bucket).await).expect("at most 800");
        for cost in [left, left + 2] {
            let options = ChargeOptions { cost, dry_run: true };
            let looked = charge_limiter(&*bench.limiter, &[bucket], options, MonotonicClock.now()).await;
            assert_eq!(looked.granted, looked.levels[0].remaining >= u64::from(cost), "{cost} of {looked:?}");
        }
    }
}

/// A replica's reported level is exact to within one lease of each other replica.
#[tokio::test]
async fn the_reported_level_is_exact_to_within_a_lease() {
    let one = RedisBench::start(CountingMode::Leased).await;
    let replicas = [one.twin().await, one.twin().await, one];
    let bucket = bucket_charge(&replicas[2], BucketOwner::Key, (1, 3_600, 800));
    // The largest lease is an eighth of the bucket.
    let most = 2 * 800 / 8;
    for call in 1..=600u64 {
        let replica = &replicas[usize::from(call % 3 == 0) + usize::from(call % 9 == 0)];
        let spending = charge(replica, &[bucket], 1).await;
        let (remaining, level) = (spending.levels[0].remaining, spending.levels[0]);
        assert!(spending.granted && level.capacity == 800, "{level:?}");
        assert!(remaining.abs_diff(800 - call) <= most, "{remaining} of {} after {call} calls", 800 - call);
        let reset = level.reset_after.as_secs() / 3_600;
        assert!(reset.abs_diff(call) <= most, "{reset} hours after {call} calls");
    }
}

/// Sends calls at an even rate, and returns the number of requests to Redis and the seconds that it took.
async fn paced(mode: CountingMode, every: Duration, calls: u64) -> (u64, u64) {
    let bench = RedisBench::start(mode).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, (100_000, 1, 100_000));
    let (before, began) = (bench.limiter.requests(), MonotonicClock.now().monotonic);
    let mut pace = interval(10 * every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace.tick().await;
    for call in 1..=calls {
        assert!(charge(&bench, &[bucket], 1).await.granted);
        if call.is_multiple_of(10) {
            pace.tick().await;
        }
    }
    (bench.limiter.requests() - before, MonotonicClock.now().monotonic.since(began).as_secs() + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faster_calls_need_fewer_requests_each() {
    for (mode, micros, calls) in [
        (CountingMode::Exact, 1_000, 1_000),
        (CountingMode::Leased, 10_000, 200),
        (CountingMode::Leased, 2_000, 1_000),
        (CountingMode::Leased, 500, 4_000),
        (CountingMode::Leased, 100, 10_000),
    ] {
        let (asked, seconds) = paced(mode, Duration::from_micros(micros), calls).await;
        println!(
            "{mode:?}, at most {} calls a second: {asked} questions for {calls} calls",
            1_000_000 / micros
        );
        match mode {
            CountingMode::Exact => assert_eq!(asked, calls),
            // A slow machine sends the calls at a lower rate. About twenty requests a second are sent at any rate.
            CountingMode::Leased if micros <= 500 => {
                assert!(asked * 20 < calls || asked <= 25 * seconds, "{asked} for {calls} in {seconds} s");
            }
            CountingMode::Leased => assert!(asked < calls, "{asked} for {calls}"),
        }
    }
}

#[tokio::test]
async fn tokens_that_one_replica_returns_can_be_spent_by_another() {
    let one = RedisBench::start(CountingMode::Leased).await;
    let bucket = bucket_charge(&one, BucketOwner::Key, (1, 3_600, 400));
    assert_eq!(admitted(&one, bucket, 30).await, 30);
    let other = one.twin().await;
    let given_back = async || (left(&other, bucket).await >= 370).then_some(());
    eventually_async("idle tokens are returned", given_back).await;
    assert_eq!(admitted(&other, bucket, 380).await, 370);
}

#[tokio::test]
async fn a_replica_that_ends_gives_back_at_once() {
    let one = RedisBench::start(CountingMode::Leased).await;
    let bucket = bucket_charge(&one, BucketOwner::Key, (1, 3_600, 400));
    assert_eq!(admitted(&one, bucket, 30).await, 30);
    one.limiter.give_back(true).await;
    let other = one.twin().await;
    assert_eq!(admitted(&other, bucket, 380).await, 370);
}

#[tokio::test]
async fn the_tokens_of_a_crashed_replica_count_as_used() {
    let one = RedisBench::start(CountingMode::Leased).await;
    let bucket = bucket_charge(&one, BucketOwner::Key, (1, 3_600, 400));
    assert_eq!(admitted(&one, bucket, 30).await, 30);
    let other = one.twin().await;
    drop(one);
    let sum = admitted(&other, bucket, 400).await;
    assert!((320..=370).contains(&sum), "{sum}");
}

#[tokio::test]
async fn a_change_of_the_mode_keeps_the_count() {
    let leased = RedisBench::start(CountingMode::Leased).await;
    let bucket = bucket_charge(&leased, BucketOwner::Key, (1, 3_600, 100));
    assert_eq!(admitted(&leased, bucket, 20).await, 20);
    leased.limiter.give_back(true).await;
    let exact = BucketCharge { mode: CountingMode::Exact, ..bucket };
    assert_eq!(admitted(&leased, exact, 90).await, 80);
}

#[tokio::test]
async fn every_key_ends_when_its_bucket_is_full_again() {
    let bench = RedisBench::start(CountingMode::Exact).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, (10, 100, 10));
    assert!(charge(&bench, &[bucket], 5).await.granted);
    let name = format!("latchkey:{{{:x}}}:key:{:x}:1:0:calls", bucket.shard_key, bucket.shard_key);
    let left: u64 = RedisBench::redis().cli(&["PTTL", &name]).parse().unwrap();
    assert!((1_000..=50_002).contains(&left), "{left} ms");
    let looked = bench.limiter.requests();
    assert_eq!(
        super::bench::left(&bench, bucket_charge(&bench, BucketOwner::Tenant, (10, 10, 10))).await,
        10
    );
    assert_eq!(bench.limiter.requests(), looked + 1);
    let unseen = format!("latchkey:{{{:x}}}:tenant:{:x}:1:0:calls", bucket.shard_key, bucket.shard_key);
    assert_eq!(RedisBench::redis().cli(&["EXISTS", &unseen]), "0", "an inspection stores nothing");
}

#[tokio::test]
async fn big_numbers_are_counted_to_the_token() {
    let bench = RedisBench::start(CountingMode::Exact).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, (999_999_999_989, 2_678_400, 999_999_999_999));
    for round in 1..=3u64 {
        let spending = charge(&bench, &[bucket], 4_000_000_000).await;
        // 373,357 tokens refill each second.
        let least = 999_999_999_999 - 4_000_000_000 * round;
        let remaining = spending.levels[0].remaining;
        assert!((least..least + 40_000_000).contains(&remaining), "{remaining}");
    }
}
