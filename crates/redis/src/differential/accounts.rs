//! Buckets that versions before this one have written, and clocks that go back.

use super::*;

fn token(tokens: u64, seconds: u64, burst: u64) -> (Limit, BucketAlgorithm) {
    let limit = Limit { tokens, period: Duration::from_secs(seconds), burst: Some(burst) };
    (limit, BucketAlgorithm::TokenBucket)
}

impl Server {
    /// Writes a bucket's stored form.
    fn store(&self, bucket: &BucketCharge, text: &str) {
        let mut set = redis::cmd("SET");
        let set = set.arg(crate::key::of(bucket)).arg(text);
        self.runtime.block_on(set.exec_async(&mut self.connection.clone())).expect("it is stored");
    }

    /// Charges a bucket. Returns the tokens that remain if it had room.
    fn left(&self, bucket: BucketCharge, cost: u32, now: u64) -> Option<u64> {
        let reply = self.run(&[(bucket, BucketOp::Exact)], cost, false, now);
        reply.granted.then(|| reply.states[0].level(&bucket, 0, cost.into()).remaining)
    }
}

#[test]
fn a_token_bucket_that_an_earlier_version_wrote_goes_on() {
    let server = Server::start();
    let subject = server.subject();
    let bucket = |limit| charge(subject, 0, limit, CountingMode::Exact);
    let (low, high) = (bucket(token(10, 3_600, 10)), bucket(token(1_000, 1, 1_000)));
    let epoch = BEGIN / 2_000_000;
    server.store(&low, &format!("0 9 0 {BEGIN} 3240000000 1 360000000 {BEGIN} {epoch} 0 0"));
    assert_eq!(server.left(low, 1, BEGIN), Some(0));
    assert_eq!(server.left(high, 1, BEGIN), Some(989), "what was spent counts");
    for second in 1..4 {
        assert_eq!(server.left(low, 1, BEGIN + second * 1_000_000), None);
        assert_eq!(server.left(high, 1, BEGIN + second * 1_000_000), Some(999));
    }
}

/// An earlier version charges the present account alone, by the rate of its own call, and keeps the others with the time
/// that has passed.
#[test]
fn a_bucket_that_an_earlier_version_charged_meanwhile_is_not_refilled() {
    let server = Server::start();
    let subject = server.subject();
    let bucket = |limit| charge(subject, 0, limit, CountingMode::Exact);
    let (low, high) = (bucket(token(10, 3_600, 10)), bucket(token(1_000, 1, 1_000)));
    let (epoch, now) = (BEGIN / 2_000_000, BEGIN + 1_100_000);
    // Ten were spent under the low limit, and then two under the high one by the earlier version.
    let accounts = "1100000 0 10 1100000 360000000 1 1100000 0 10 1100000 3600000000 10 \
                    1100000 1000 1 1100000 0 0 1100000 0 1000";
    server.store(&low, &format!("0 2 0 {now} 2000 1 1000 {BEGIN} {epoch} 0 0 {accounts}"));
    assert_eq!(server.left(low, 1, now), None);
    assert_eq!(server.left(high, 1, now), Some(997));
    assert_eq!(server.left(low, 1, BEGIN + 359_000_000), None);
    assert_eq!(server.left(low, 1, BEGIN + 361_000_000), Some(0));
    assert_eq!(server.left(low, 1, BEGIN + 361_000_000), None);
}

/// A lease is taken while both limits are full; the replica that leased the tokens spends them and crashes.
#[test]
fn a_lease_that_expires_counts_for_its_own_limit() {
    let server = Server::start();
    let subject = server.subject();
    let bucket = |limit| charge(subject, 0, limit, CountingMode::Leased);
    let (low, high) = (bucket(token(100, 1, 100)), bucket(token(1_000, 1, 1_000)));
    let lease = BucketOp::Lease(LeasedTokens::default(), 12);
    let reply = server.run(&[(low, lease)], 1, false, BEGIN);
    assert!(reply.granted && reply.states[0].lease.left == 11, "{reply:?}");
    for micros in [100, 2_999_900, 4_000_001] {
        assert!(server.left(high, 0, BEGIN + micros).is_some_and(|left| left <= 989), "{micros}");
    }
    assert_eq!(server.left(low, 0, BEGIN + 4_011_000), Some(90));
}

/// In a cluster, another node denies the call after it was charged here, and after another limit's call.
#[test]
fn a_charge_that_is_taken_back_takes_no_later_call_of_a_window_back() {
    let server = Server::start();
    let subject = server.subject();
    let bucket = |limit| charge(subject, 0, limit, CountingMode::Exact);
    let sliding = Limit { tokens: 3, period: Duration::from_hours(1), burst: None };
    let (window, high) = (bucket((sliding, BucketAlgorithm::SlidingWindow)), bucket(token(1_000, 1, 1_000)));
    let reply = server.run(&[(high, BucketOp::Exact)], 1, false, BEGIN);
    assert_eq!(server.left(window, 1, BEGIN + 2_000), Some(2), "the high limit is full again");
    let undo = BucketOp::Undo { made: reply.states[0].lease.made, charged_at: reply.states[0].at };
    server.run(&[(high, undo)], 1, false, BEGIN + 3_000);
    assert_eq!(server.left(window, 0, BEGIN + 4_000), Some(2));
    // A charge that the window has counted is taken back.
    let reply = server.run(&[(high, BucketOp::Exact)], 1, false, BEGIN + 5_000);
    assert_eq!(server.left(window, 0, BEGIN + 6_000), Some(1));
    let undo = BucketOp::Undo { made: reply.states[0].lease.made, charged_at: reply.states[0].at };
    server.run(&[(high, undo)], 1, false, BEGIN + 7_000);
    assert_eq!(server.left(window, 0, BEGIN + 8_000), Some(2));
}

#[test]
fn an_account_of_a_negative_length_is_not_read() {
    let server = Server::start();
    let low = charge(server.subject(), 0, token(10, 3_600, 10), CountingMode::Exact);
    let epoch = BEGIN / 2_000_000;
    let accounts = "0 0 10 0 1000 0 0 0 0 0 0 -4 0 0 0";
    server.store(&low, &format!("0 1 0 {BEGIN} 360000000 1 360000000 {BEGIN} {epoch} 0 0 {accounts}"));
    assert_eq!(server.left(low, 1, BEGIN), Some(8));
}

/// Two versions that charge a bucket in turn can write more windows than one of them keeps.
#[test]
fn a_bucket_of_many_windows_is_charged_although_no_account_can_be_dropped() {
    let server = Server::start();
    let subject = server.subject();
    let bucket = |limit| charge(subject, 0, limit, CountingMode::Exact);
    let (low, high) = (bucket(token(10, 3_600, 10)), bucket(token(1_000, 1, 1_000)));
    let epoch = BEGIN / 2_000_000;
    let windows = " 0 3600000000 0 0 2 0 0 0 1 0 0 10 0 0 1".repeat(8);
    server.store(&low, &format!("0 1 0 {BEGIN} 360000000 1 360000000 {BEGIN} {epoch} 0 0 0 0 10{windows}"));
    assert_eq!(server.left(high, 1, BEGIN), Some(998));
    assert_eq!(server.left(low, 1, BEGIN), Some(7));
}

#[test]
fn a_clock_that_goes_back_admits_no_more_and_locks_nothing_up() {
    let server = Server::start();
    let pause = prop_oneof![3 => Just(0u64), 1 => 0..100_000u64, 1 => 0..3_000_000u64];
    let back = prop_oneof![12 => Just(0u64), 1 => 1..3_000_000u64, 1 => Just(70_000_000u64), 1 => Just(3_600_000_000)];
    let steps = prop::collection::vec((pause, back, 0..5u32), 1..100);
    let strategy = (1..40u64, prop_oneof![Just(1u64), Just(5), Just(60)], prop::option::of(1..40u64), steps);
    TestRunner::new(cases(60))
        .run(&strategy, |(tokens, seconds, burst, steps)| {
            let limit = Limit { tokens, period: Duration::from_secs(seconds), burst };
            let algorithm = BucketAlgorithm::default().with_limit(limit);
            let bucket = charge(server.subject(), 0, (limit, algorithm), CountingMode::Exact);
            let (mut time, mut behind, mut admitted) = (BEGIN, 0, Vec::new());
            let period = seconds * 1_000_000;
            for (pause, back, cost) in steps {
                (time, behind) = (time + pause, behind + back);
                if server.left(bucket, cost, time - behind).is_some() {
                    admitted.push((time, u64::from(cost)));
                }
                for (begin, _) in &admitted {
                    let within = |at: u64| at >= *begin && (burst.is_some() || at < begin + period);
                    let sum: u64 = admitted.iter().filter(|(at, _)| within(*at)).map(|(_, cost)| cost).sum();
                    let refilled = burst.map_or(0, |_| tokens * (time - begin) / period);
                    let most = burst.unwrap_or(tokens) + refilled;
                    prop_assert!(sum <= most, "{sum} admitted since {begin}, and {most} allowed");
                }
            }
            // The next call moves the bucket to the time of the clock, and a full one is there a period later.
            behind += 3_600_000_000;
            let _ = server.left(bucket, 0, time - behind);
            let full = burst.map_or(period, |burst| burst * period / tokens + 1);
            let size = u32::try_from(burst.unwrap_or(tokens)).unwrap_or_default();
            prop_assert_eq!(server.left(bucket, size, time - behind + full + 1), Some(0));
            Ok(())
        })
        .unwrap();
}
