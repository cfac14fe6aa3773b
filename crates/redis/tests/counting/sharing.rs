//! Several limiters on one bucket: together they admit what the bucket allows, no more and hardly less.

use std::time::Duration;

use latchkey_core::limit::suite::{demand, spend};
use latchkey_core::limit::{Algorithm, Demand, Mode, Per};
use latchkey_core::time::Clock;

use super::bench::{Real, Steady, admitted, left};
use super::load::allowed;

#[tokio::test]
async fn three_replicas_share_a_leased_window() {
    let one = Real::start(Mode::Leased).await;
    let others = [one.twin().await, one.twin().await];
    let mut window = demand(&one, Per::Key, (200, 3_600, 200));
    window.algorithm = Algorithm::FixedWindow;
    let mut sum = 0;
    for replica in [&others[0], &one, &others[1], &one, &others[0]] {
        sum += admitted(replica, window, 70).await;
    }
    assert!((176..=200).contains(&sum), "{sum}: all but what lies with the others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_leased_bucket_asks_seldom() {
    let real = Real::start(Mode::Leased).await;
    let bucket = demand(&real, Per::Tenant, (20_000, 1, 20_000));
    let before = real.limiter.asked();
    let calls = 6_000;
    assert_eq!(admitted(&real, bucket, calls).await, calls);
    let asked = real.limiter.asked() - before;
    assert!(asked * 20 < 6_000, "{asked} questions for {calls} calls");
}

/// Tokens that lie with one replica still belong to their bucket: it doesn't fill up beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_out_make_no_room_for_others() {
    let one = Real::start(Mode::Leased).await;
    let other = one.twin().await;
    let limit = (1_000, 1, 1_000);
    let bucket = demand(&one, Per::Key, limit);
    assert_eq!(admitted(&one, bucket, 200).await, 200);
    // Time for the bucket to fill up, and not yet for idle tokens to be given back.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let began = Steady.now().tick;
    let mut sum = 0;
    for replica in [&other, &one] {
        while admitted(replica, bucket, 1).await == 1 {
            sum += 1;
        }
    }
    let most = allowed(limit, Steady.now().tick.since(began));
    assert!(sum <= most, "{sum} passed at once; {most} may");
}

/// What a replica says is left is true to within a batch of each other replica.
#[tokio::test]
async fn what_is_left_is_told_to_within_a_batch() {
    let one = Real::start(Mode::Leased).await;
    let replicas = [one.twin().await, one.twin().await, one];
    let bucket = demand(&replicas[2], Per::Key, (1, 3_600, 800));
    // The largest batch is an eighth of the bucket.
    let most = 2 * 800 / 8;
    for call in 1..=600u64 {
        let replica = &replicas[usize::from(call % 3 == 0) + usize::from(call % 9 == 0)];
        let spending = spend(replica, &[bucket], 1).await;
        let (told, level) = (spending.levels[0].remaining, spending.levels[0]);
        assert!(spending.granted && level.limit == 800, "{level:?}");
        assert!(told.abs_diff(800 - call) <= most, "{told} of {} after {call} calls", 800 - call);
        let reset = level.reset.as_secs() / 3_600;
        assert!(reset.abs_diff(call) <= most, "{reset} hours after {call} calls");
    }
}

/// Calls at an even pace, and how many questions that took.
async fn paced(mode: Mode, every: Duration, calls: u64) -> u64 {
    let real = Real::start(mode).await;
    let bucket = demand(&real, Per::Key, (100_000, 1, 100_000));
    let before = real.limiter.asked();
    for call in 1..=calls {
        assert!(spend(&real, &[bucket], 1).await.granted);
        if call.is_multiple_of(10) {
            tokio::time::sleep(10 * every).await;
        }
    }
    real.limiter.asked() - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_faster_calls_come_the_fewer_are_asked_for() {
    for (mode, micros, calls) in [
        (Mode::Exact, 1_000, 1_000),
        (Mode::Leased, 10_000, 200),
        (Mode::Leased, 2_000, 1_000),
        (Mode::Leased, 500, 4_000),
        (Mode::Leased, 100, 10_000),
    ] {
        let asked = paced(mode, Duration::from_micros(micros), calls).await;
        println!(
            "{mode:?}, at most {} calls a second: {asked} questions for {calls} calls",
            1_000_000 / micros
        );
        match mode {
            Mode::Exact => assert_eq!(asked, calls),
            Mode::Leased if micros <= 500 => assert!(asked * 20 < calls, "{asked} for {calls}"),
            Mode::Leased => assert!(asked < calls, "{asked} for {calls}"),
        }
    }
}

#[tokio::test]
async fn what_one_replica_leaves_another_can_spend() {
    let one = Real::start(Mode::Leased).await;
    let bucket = demand(&one, Per::Key, (1, 3_600, 400));
    assert_eq!(admitted(&one, bucket, 30).await, 30);
    let other = one.twin().await;
    let all_back = async {
        while left(&other, bucket).await < 370 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_back).await.expect("idle tokens are given back");
    assert_eq!(admitted(&other, bucket, 380).await, 370);
}

#[tokio::test]
async fn a_replica_that_ends_gives_back_at_once() {
    let one = Real::start(Mode::Leased).await;
    let bucket = demand(&one, Per::Key, (1, 3_600, 400));
    assert_eq!(admitted(&one, bucket, 30).await, 30);
    one.limiter.give_back(true).await;
    let other = one.twin().await;
    assert_eq!(admitted(&other, bucket, 380).await, 370);
}

#[tokio::test]
async fn the_tokens_of_a_dead_replica_count_as_used() {
    let one = Real::start(Mode::Leased).await;
    let bucket = demand(&one, Per::Key, (1, 3_600, 400));
    assert_eq!(admitted(&one, bucket, 30).await, 30);
    let other = one.twin().await;
    drop(one);
    let sum = admitted(&other, bucket, 400).await;
    assert!((320..=370).contains(&sum), "{sum}");
}

#[tokio::test]
async fn modes_may_change_and_count_on() {
    let leased = Real::start(Mode::Leased).await;
    let bucket = demand(&leased, Per::Key, (1, 3_600, 100));
    assert_eq!(admitted(&leased, bucket, 20).await, 20);
    leased.limiter.give_back(true).await;
    let exact = Demand { mode: Mode::Exact, ..bucket };
    assert_eq!(admitted(&leased, exact, 90).await, 80);
}

#[tokio::test]
async fn every_key_ends_when_its_bucket_is_full_again() {
    let real = Real::start(Mode::Exact).await;
    let bucket = demand(&real, Per::Key, (10, 10, 10));
    assert!(spend(&real, &[bucket], 5).await.granted);
    let name = format!("latchkey:{{{:x}}}:key:{:x}:1:0", bucket.owner, bucket.owner);
    let left: u64 = Real::redis().cli(&["PTTL", &name]).parse().unwrap();
    assert!((1_000..=5_002).contains(&left), "{left} ms");
    let looked = real.limiter.asked();
    assert_eq!(super::bench::left(&real, demand(&real, Per::Tenant, (10, 10, 10))).await, 10);
    assert_eq!(real.limiter.asked(), looked + 1);
    let unseen = format!("latchkey:{{{:x}}}:tenant:{:x}:1:0", bucket.owner, bucket.owner);
    assert_eq!(Real::redis().cli(&["EXISTS", &unseen]), "0", "looking leaves nothing behind");
}

#[tokio::test]
async fn big_numbers_are_counted_to_the_token() {
    let real = Real::start(Mode::Exact).await;
    let bucket = demand(&real, Per::Key, (999_999_999_989, 2_678_400, 999_999_999_999));
    for round in 1..=3u64 {
        let spending = spend(&real, &[bucket], 4_000_000_000).await;
        // 373,357 tokens come back each second.
        let least = 999_999_999_999 - 4_000_000_000 * round;
        let remaining = spending.levels[0].remaining;
        assert!((least..least + 40_000_000).contains(&remaining), "{remaining}");
    }
}
