//! Tests of the local limiter: exact counts, refills without rounding, and charges to all buckets or none.

mod accounts;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::limit::conformance::LimiterHarness;
use crate::limit::{BucketAlgorithm, ChargeCondition, ChargeResult, CountingMode, Limit, RuleId};

const SECOND: u64 = 1_000_000_000;

impl LocalLimiter {
    fn charge_levels(
        &self,
        charges: &[BucketCharge],
        cost: u32,
        dry_run: bool,
        now: MonotonicInstant,
    ) -> ChargeResult {
        let mut levels = Levels::new();
        let granted = self.charge_now(charges, ChargeOptions { cost, dry_run }, now, &mut levels);
        ChargeResult { granted, levels }
    }
}

fn bucket_charge(subject: u128, per: BucketOwner, (tokens, seconds, burst): (u64, u64, u64)) -> BucketCharge {
    BucketCharge {
        bucket: BucketId { per, when: ChargeCondition::Allowed, subject, class_hash: 1, rule: RuleId(0) },
        limit: Limit { tokens, period: Duration::from_secs(seconds), burst: Some(burst) },
        algorithm: BucketAlgorithm::TokenBucket,
        mode: CountingMode::Exact,
        shard_key: subject,
    }
}

#[test]
fn a_bucket_allows_its_burst_and_then_its_rate() {
    let limiter = LocalLimiter::new();
    let all = [bucket_charge(1, BucketOwner::Key, (60, 60, 3))];
    let at = |seconds: u64| limiter.charge_levels(&all, 1, false, MonotonicInstant(seconds * SECOND));
    assert!((0..3).all(|_| at(0).granted));
    let denied = at(0);
    assert!(!denied.granted);
    assert_eq!(denied.levels[0].retry_after, Some(Duration::from_secs(1)));
    assert_eq!(denied.levels[0].reset_after, Duration::from_secs(3));
    assert_eq!((denied.levels[0].limit, denied.levels[0].capacity, denied.levels[0].remaining), (60, 3, 0));
    assert!(at(1).granted && !at(1).granted);
    assert!((0..3).all(|_| at(100).granted) && !at(100).granted);
}

#[test]
fn a_rate_that_does_not_divide_loses_nothing() {
    let limiter = LocalLimiter::new();
    let all = [bucket_charge(1, BucketOwner::Key, (7, 1, 1))];
    // One call in every millisecond of ten seconds: the first one is allowed, and then seven a second.
    let granted = (0..10_000u64)
        .filter(|ms| limiter.charge_levels(&all, 1, false, MonotonicInstant(ms * 1_000_000)).granted);
    let count = granted.count();
    assert!((69..=70).contains(&count), "{count}");
}

#[test]
fn a_window_starts_with_its_first_request_and_starts_over() {
    let limiter = LocalLimiter::new();
    let mut window = bucket_charge(1, BucketOwner::Key, (2, 10, 2));
    window.algorithm = BucketAlgorithm::FixedWindow;
    let at = |seconds: u64| limiter.charge_levels(&[window], 1, false, MonotonicInstant(seconds * SECOND));
    assert!(at(5).granted && at(14).granted && !at(14).granted);
    assert_eq!(at(14).levels[0].retry_after, Some(Duration::from_secs(1)));
    assert!(at(15).granted);
}

#[test]
fn every_bucket_is_charged_or_none() {
    let limiter = LocalLimiter::new();
    let key = bucket_charge(1, BucketOwner::Key, (60, 60, 10));
    let tenant = bucket_charge(2, BucketOwner::Tenant, (60, 60, 1));
    assert!(limiter.charge_levels(&[key, tenant], 1, false, MonotonicInstant(0)).granted);
    let denied = limiter.charge_levels(&[key, tenant], 1, false, MonotonicInstant(0));
    assert!(!denied.granted);
    assert_eq!(denied.levels[0].bucket.per, BucketOwner::Tenant, "the tightest is first");
    assert_eq!(limiter.charge_levels(&[key], 0, false, MonotonicInstant(0)).levels[0].remaining, 9);
}

#[test]
fn a_dry_run_takes_nothing_and_reports_room() {
    let limiter = LocalLimiter::new();
    let all = [bucket_charge(1, BucketOwner::Key, (1, 60, 1))];
    assert!(limiter.charge_levels(&all, 1, true, MonotonicInstant(0)).granted);
    assert!(limiter.charge_levels(&all, 1, false, MonotonicInstant(0)).granted);
    assert!(!limiter.charge_levels(&all, 1, true, MonotonicInstant(0)).granted);
    assert!(
        limiter.charge_levels(&all, 0, false, MonotonicInstant(0)).granted,
        "a cost of zero always has room"
    );
    assert!(
        !limiter
            .charge_levels(&[bucket_charge(3, BucketOwner::Key, (1, 60, 5))], 6, false, MonotonicInstant(0))
            .granted
    );
}

#[test]
fn a_new_limit_keeps_what_was_used() {
    let limiter = LocalLimiter::new();
    let old = bucket_charge(1, BucketOwner::Key, (10, 60, 10));
    (0..8).for_each(|_| assert!(limiter.charge_levels(&[old], 1, false, MonotonicInstant(0)).granted));
    let narrower = bucket_charge(1, BucketOwner::Key, (5, 60, 5));
    assert!(!limiter.charge_levels(&[narrower], 1, false, MonotonicInstant(0)).granted);
    let wider = bucket_charge(2, BucketOwner::Key, (20, 60, 20));
    let bucket = bucket_charge(2, BucketOwner::Key, (10, 60, 10));
    (0..8).for_each(|_| assert!(limiter.charge_levels(&[bucket], 1, false, MonotonicInstant(0)).granted));
    assert_eq!(limiter.charge_levels(&[wider], 0, false, MonotonicInstant(0)).levels[0].remaining, 12);
}

#[test]
fn parallel_calls_get_the_burst_exactly() {
    let limiter = Arc::new(LocalLimiter::new());
    let both = [
        bucket_charge(1, BucketOwner::Key, (1, 3600, 1000)),
        bucket_charge(2, BucketOwner::Tenant, (1, 3600, 700)),
    ];
    let run = |limiter: Arc<LocalLimiter>| {
        move || {
            (0..500).filter(|_| limiter.charge_levels(&both, 1, false, MonotonicInstant(0)).granted).count()
        }
    };
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(run(Arc::clone(&limiter)))).collect();
    let allowed: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!(allowed, 700);
    assert_eq!(
        limiter.charge_levels(&both, 0, false, MonotonicInstant(0)).levels.iter().map(|l| l.remaining).max(),
        Some(300)
    );
}

#[test]
fn a_bucket_is_capped_to_what_is_left_elsewhere() {
    let (here, there) = (LocalLimiter::new(), LocalLimiter::new());
    let all = [bucket_charge(1, BucketOwner::Key, (60, 60, 10))];
    (0..8).for_each(|_| assert!(there.charge_levels(&all, 1, false, MonotonicInstant(0)).granted));
    here.cap_levels(
        &all,
        &there.charge_levels(&all, 0, true, MonotonicInstant(0)).levels,
        MonotonicInstant(0),
    );
    assert_eq!(here.charge_levels(&all, 0, true, MonotonicInstant(0)).levels[0].remaining, 2);
    // A bucket that is full elsewhere refills nothing here.
    here.cap_levels(
        &all,
        &LocalLimiter::new().charge_levels(&all, 0, true, MonotonicInstant(0)).levels,
        MonotonicInstant(0),
    );
    assert_eq!(here.charge_levels(&all, 0, true, MonotonicInstant(0)).levels[0].remaining, 2);
}

#[test]
fn full_buckets_are_dropped() {
    let limiter = LocalLimiter::new();
    for subject in 0..200_000u128 {
        let now = MonotonicInstant(u64::try_from(subject).unwrap() * 1_000_000);
        let _ = limiter.charge_levels(&[bucket_charge(subject, BucketOwner::Ip, (10, 1, 10))], 1, false, now);
    }
    assert!(limiter.bucket_count() < 100_000, "{}", limiter.bucket_count());
}

/// A local limiter with a clock that the test sets.
struct ManualHarness(LocalLimiter, std::sync::atomic::AtomicU64);

impl LimiterHarness for ManualHarness {
    fn now(&self) -> Moment {
        Moment { monotonic: MonotonicInstant(self.1.load(Ordering::SeqCst)), ..Moment::default() }
    }

    async fn advance(&self, time: Duration) {
        self.1.fetch_add(crate::time::nanos(time), Ordering::SeqCst);
    }

    fn limiter(&self) -> &(impl Limiter + 'static) {
        &self.0
    }

    fn mode(&self) -> CountingMode {
        CountingMode::Leased
    }

    fn subject(&self) -> u128 {
        7
    }
}

mod conformance {
    crate::limiter_conformance_tests! { super::ManualHarness(super::LocalLimiter::new(), 5.into()) }
}
