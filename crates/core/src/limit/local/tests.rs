//! What a bucket promises: exact counts, whole refills, all or none.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::limit::suite::Bench;
use crate::limit::{Algorithm, Limit, Mode, Spending};

const SECOND: u64 = 1_000_000_000;

impl LocalLimiter {
    fn take(&self, demands: &[Demand], cost: u32, look: bool, now: Tick) -> Spending {
        let mut levels = Levels::new();
        let granted = self.charge_now(demands, Charge { cost, look }, now, &mut levels);
        Spending { granted, levels }
    }
}

fn demand(subject: u128, per: Per, (tokens, seconds, burst): (u64, u64, u64)) -> Demand {
    Demand {
        bucket: BucketId { per, subject, class: 1, place: 0 },
        limit: Limit { tokens, period: Duration::from_secs(seconds), burst },
        algorithm: Algorithm::TokenBucket,
        mode: Mode::Exact,
        owner: subject,
    }
}

#[test]
fn a_bucket_admits_its_burst_and_then_its_rate() {
    let limiter = LocalLimiter::new();
    let all = [demand(1, Per::Key, (60, 60, 3))];
    let at = |seconds: u64| limiter.take(&all, 1, false, Tick(seconds * SECOND));
    assert!((0..3).all(|_| at(0).granted));
    let refused = at(0);
    assert!(!refused.granted);
    assert_eq!(refused.levels[0].retry, Duration::from_secs(1));
    assert_eq!(refused.levels[0].reset, Duration::from_secs(3));
    assert_eq!((refused.levels[0].limit, refused.levels[0].remaining), (3, 0));
    assert!(at(1).granted && !at(1).granted);
    assert!((0..3).all(|_| at(100).granted) && !at(100).granted);
}

#[test]
fn a_rate_that_does_not_divide_loses_nothing() {
    let limiter = LocalLimiter::new();
    let all = [demand(1, Per::Key, (7, 1, 1))];
    // Asked every millisecond for ten seconds: the first one, and seven a second.
    let granted = (0..10_000u64).filter(|ms| limiter.take(&all, 1, false, Tick(ms * 1_000_000)).granted);
    let count = granted.count();
    assert!((69..=70).contains(&count), "{count}");
}

#[test]
fn a_window_counts_from_its_first_request_and_then_anew() {
    let limiter = LocalLimiter::new();
    let mut window = demand(1, Per::Key, (2, 10, 2));
    window.algorithm = Algorithm::FixedWindow;
    let at = |seconds: u64| limiter.take(&[window], 1, false, Tick(seconds * SECOND));
    assert!(at(5).granted && at(14).granted && !at(14).granted);
    assert_eq!(at(14).levels[0].retry, Duration::from_secs(1));
    assert!(at(15).granted);
}

#[test]
fn every_bucket_is_charged_or_none() {
    let limiter = LocalLimiter::new();
    let key = demand(1, Per::Key, (60, 60, 10));
    let tenant = demand(2, Per::Tenant, (60, 60, 1));
    assert!(limiter.take(&[key, tenant], 1, false, Tick(0)).granted);
    let refused = limiter.take(&[key, tenant], 1, false, Tick(0));
    assert!(!refused.granted);
    assert_eq!(refused.levels[0].bucket.per, Per::Tenant, "the tightest comes first");
    assert_eq!(limiter.take(&[key], 0, false, Tick(0)).levels[0].remaining, 9);
}

#[test]
fn looking_takes_nothing_and_tells_the_truth() {
    let limiter = LocalLimiter::new();
    let all = [demand(1, Per::Key, (1, 60, 1))];
    assert!(limiter.take(&all, 1, true, Tick(0)).granted);
    assert!(limiter.take(&all, 1, false, Tick(0)).granted);
    assert!(!limiter.take(&all, 1, true, Tick(0)).granted);
    assert!(limiter.take(&all, 0, false, Tick(0)).granted, "a cost of zero always finds room");
    assert!(!limiter.take(&[demand(3, Per::Key, (1, 60, 5))], 6, false, Tick(0)).granted);
}

#[test]
fn a_new_limit_keeps_what_was_used() {
    let limiter = LocalLimiter::new();
    let old = demand(1, Per::Key, (10, 60, 10));
    (0..8).for_each(|_| assert!(limiter.take(&[old], 1, false, Tick(0)).granted));
    let narrower = demand(1, Per::Key, (5, 60, 5));
    assert!(!limiter.take(&[narrower], 1, false, Tick(0)).granted);
    let wider = demand(2, Per::Key, (20, 60, 20));
    (0..8)
        .for_each(|_| assert!(limiter.take(&[demand(2, Per::Key, (10, 60, 10))], 1, false, Tick(0)).granted));
    assert_eq!(limiter.take(&[wider], 0, false, Tick(0)).levels[0].remaining, 12);
}

#[test]
fn parallel_calls_admit_the_burst_exactly() {
    let limiter = Arc::new(LocalLimiter::new());
    let both = [demand(1, Per::Key, (1, 3600, 1000)), demand(2, Per::Tenant, (1, 3600, 700))];
    let run = |limiter: Arc<LocalLimiter>| {
        move || (0..500).filter(|_| limiter.take(&both, 1, false, Tick(0)).granted).count()
    };
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(run(Arc::clone(&limiter)))).collect();
    let admitted: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!(admitted, 700);
    assert_eq!(limiter.take(&both, 0, false, Tick(0)).levels.iter().map(|l| l.remaining).max(), Some(300));
}

#[test]
fn a_bucket_learns_what_was_used_elsewhere() {
    let (here, there) = (LocalLimiter::new(), LocalLimiter::new());
    let all = [demand(1, Per::Key, (60, 60, 10))];
    (0..8).for_each(|_| assert!(there.take(&all, 1, false, Tick(0)).granted));
    here.learn(&all, &there.take(&all, 0, true, Tick(0)).levels, Tick(0));
    assert_eq!(here.take(&all, 0, true, Tick(0)).levels[0].remaining, 2);
    // What is full elsewhere fills nothing here.
    here.learn(&all, &LocalLimiter::new().take(&all, 0, true, Tick(0)).levels, Tick(0));
    assert_eq!(here.take(&all, 0, true, Tick(0)).levels[0].remaining, 2);
}

#[test]
fn full_buckets_are_forgotten() {
    let limiter = LocalLimiter::new();
    for subject in 0..200_000u128 {
        let now = Tick(u64::try_from(subject).unwrap() * 1_000_000);
        let _ = limiter.take(&[demand(subject, Per::Ip, (10, 1, 10))], 1, false, now);
    }
    assert!(limiter.remembered() < 100_000, "{}", limiter.remembered());
}

/// The process's own buckets, by a clock that is moved by hand.
struct ByHand(LocalLimiter, std::sync::atomic::AtomicU64);

impl Bench for ByHand {
    fn now(&self) -> Moment {
        Moment { tick: Tick(self.1.load(Ordering::SeqCst)), ..Moment::default() }
    }

    async fn pass(&self, time: Duration) {
        self.1.fetch_add(crate::time::nanos(time), Ordering::SeqCst);
    }

    fn limiter(&self) -> &(impl Limiter + 'static) {
        &self.0
    }

    fn mode(&self) -> Mode {
        Mode::Leased
    }

    fn subject(&self) -> u128 {
        7
    }
}

mod suite {
    crate::limiter_suite! { super::ByHand(super::LocalLimiter::new(), 5.into()) }
}
