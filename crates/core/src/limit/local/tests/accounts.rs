//! Buckets whose calls have different limits: none admits more than it promises, and none stays closed for longer than it
//! takes to fill.

use proptest::prelude::*;

use super::*;

/// Tokens, seconds and burst of a limit. Without a burst, it is a window: a fixed one if the last value is true, or else
/// a sliding one.
type Shape = (u64, u64, Option<u64>, bool);

/// A call: the microseconds since the last one, its limit, and its cost.
type Call = (u64, prop::sample::Index, u32);

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let tokens = prop_oneof![Just(1u64), Just(2), Just(5), Just(20), Just(100)];
    let seconds = prop_oneof![Just(1u64), Just(5), Just(60), Just(3_600)];
    let burst =
        prop_oneof![3 => Just(Some(1u64)), 3 => Just(Some(10)), 3 => Just(Some(100)), 4 => Just(None)];
    prop::collection::vec((tokens, seconds, burst, any::<bool>()), 1..14)
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let pause = prop_oneof![3 => Just(0u64), 1 => 0..3_000_000u64, 1 => 0..80_000_000u64];
    let cost = prop_oneof![3 => Just(1u32), 1 => 1..20u32];
    prop::collection::vec((pause, any::<prop::sample::Index>(), cost), 1..150)
}

fn charge_of((tokens, seconds, burst, is_fixed): Shape) -> BucketCharge {
    let limit = Limit { tokens, period: Duration::from_secs(seconds), burst };
    let declared =
        if is_fixed && burst.is_none() { BucketAlgorithm::FixedWindow } else { BucketAlgorithm::default() };
    let algorithm = declared.with_limit(limit);
    BucketCharge { limit, algorithm, ..bucket_charge(1, BucketOwner::Ip, (1, 1, 1)) }
}

/// Returns the most that a limit admits in a span of so many microseconds.
fn most((tokens, seconds, burst, is_fixed): Shape, span: u64) -> u64 {
    let period = seconds * 1_000_000;
    let windows = span / period + 1 + u64::from(is_fixed);
    burst.map_or_else(|| tokens * windows, |burst| burst + tokens * span / period)
}

/// Returns the seconds after which a bucket with all of these limits admits a call under one of them.
fn filling_time((tokens, seconds, burst, _): Shape, all: &[Shape]) -> u64 {
    if burst.is_none() {
        return seconds;
    }
    // The rate of windows is that of the last limit in the longest of their periods.
    let slower = all.iter().filter(|other| other.2.is_none() || other.0 * seconds <= tokens * other.1);
    let size = slower.map(|other| other.2.unwrap_or(other.0)).max().unwrap_or(tokens);
    size * seconds / tokens + 1
}

proptest! {
    #[test]
    fn the_calls_of_each_limit_keep_it(shapes in shapes(), calls in calls()) {
        let limiter = LocalLimiter::new();
        let (mut now, mut admitted) = (1u64 << 40, Vec::new());
        for (pause, index, cost) in calls {
            now += pause;
            let shape = *index.get(&shapes);
            let at = MonotonicInstant(now * 1_000);
            if !limiter.charge_levels(&[charge_of(shape)], cost, false, at).granted {
                continue;
            }
            admitted.push((now, shape, u64::from(cost)));
            let own = || admitted.iter().filter(move |(_, other, _)| *other == shape);
            for (begin, _, _) in own() {
                let sum: u64 = own().filter(|(at, _, _)| at >= begin).map(|(_, _, cost)| cost).sum();
                let allowed = most(shape, now - begin);
                prop_assert!(sum <= allowed, "{sum} of {allowed} under {shape:?} since {begin}");
            }
        }
    }

    #[test]
    fn a_bucket_of_few_rates_opens_within_the_time_that_it_takes_to_fill(
        shapes in shapes(),
        calls in calls(),
    ) {
        // Nine limits and more have accounts that count for several of them.
        let shapes = &shapes[..shapes.len().min(7)];
        let limiter = LocalLimiter::new();
        let mut now = 1u64 << 40;
        for (pause, index, cost) in calls {
            now += pause;
            let charge = charge_of(*index.get(shapes));
            let _ = limiter.charge_levels(&[charge], cost, false, MonotonicInstant(now * 1_000));
        }
        // A limit that is new to a bucket begins with what the others have counted.
        for shape in shapes {
            let _ = limiter.charge_levels(&[charge_of(*shape)], 1, false, MonotonicInstant(now * 1_000));
        }
        let mut waits: Vec<(u64, Shape)> = shapes.iter().map(|shape| (filling_time(*shape, shapes), *shape)).collect();
        waits.sort_unstable();
        for (wait, shape) in waits {
            let later = MonotonicInstant((now + (wait + 1) * 1_000_000) * 1_000);
            prop_assert!(limiter.charge_levels(&[charge_of(shape)], 1, true, later).granted, "{shape:?}");
        }
    }
}
