//! Comparison of two limits: whether one can ever admit more than the other, in a span of any length.

use super::{BucketAlgorithm, Limit};

/// Limit with the algorithm that counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedLimit {
    /// The limit.
    pub limit: Limit,
    /// The algorithm that applies; see [`BucketAlgorithm::with_limit`].
    pub algorithm: BucketAlgorithm,
}

impl From<Limit> for CountedLimit {
    /// Returns a limit as a rule without a declared algorithm counts it.
    fn from(limit: Limit) -> Self {
        Self { limit, algorithm: BucketAlgorithm::default().with_limit(limit) }
    }
}

impl CountedLimit {
    /// Returns whether this limit can admit calls that the other would not admit, in a span of some length. A sliding
    /// window admits its tokens in each period that a span touches, a fixed window once more, and a token bucket its
    /// burst and what is refilled in the span. A fixed window is compared as the sliding window of its limit, so that a
    /// limit that replaces one never uses the calls that fixed windows admit beyond their limit.
    ///
    /// ```
    /// use latchkey_core::limit::{CountedLimit, parse_key_limit};
    ///
    /// let limit = |text| parse_key_limit(text).map(CountedLimit::from);
    /// assert!(limit("59/59s")?.can_exceed(limit("60/min")?), "118 calls within a minute");
    /// assert!(!limit("30/30s")?.can_exceed(limit("60/min")?));
    /// # Ok::<(), latchkey_core::limit::LimitParseError>(())
    /// ```
    #[must_use]
    pub fn can_exceed(self, other: Self) -> bool {
        if other.algorithm == BucketAlgorithm::TokenBucket {
            let burst = u128::from(other.limit.burst.unwrap_or(other.limit.tokens));
            return self.at_once() > burst || self.has_higher_rate(other);
        }
        let (tokens, period) = (u128::from(self.limit.tokens), self.limit.period.as_nanos().max(1));
        let (most, span) = (u128::from(other.limit.tokens), other.limit.period.as_nanos());
        let periods = span.div_ceil(period);
        match (self.algorithm, other.algorithm) {
            (BucketAlgorithm::TokenBucket, _) => self.at_once() * period + tokens * span > most * period,
            (BucketAlgorithm::FixedWindow, BucketAlgorithm::SlidingWindow) => tokens * (periods + 1) > most,
            (BucketAlgorithm::FixedWindow | BucketAlgorithm::SlidingWindow, _) => tokens * periods > most,
        }
    }

    /// Returns the most tokens that are admitted at one moment: those of two fixed windows where they meet.
    fn at_once(self) -> u128 {
        let tokens = u128::from(self.limit.tokens);
        match self.algorithm {
            BucketAlgorithm::TokenBucket => self.limit.burst.map_or(tokens, u128::from),
            BucketAlgorithm::FixedWindow => tokens * 2,
            BucketAlgorithm::SlidingWindow => tokens,
        }
    }

    /// Returns whether more is admitted in the long run.
    fn has_higher_rate(self, other: Self) -> bool {
        let (one, two) = (self.limit, other.limit);
        u128::from(one.tokens) * two.period.as_nanos() > u128::from(two.tokens) * one.period.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::limit::local::LocalLimiter;
    use crate::limit::{
        BucketCharge, BucketId, BucketOwner, ChargeCondition, ChargeOptions, CountingMode, Levels, RuleId,
        parse_key_limit,
    };
    use crate::time::MonotonicInstant;

    const SECOND: u64 = 1_000_000_000;

    fn counted(text: &str) -> CountedLimit {
        parse_key_limit(text).unwrap().into()
    }

    #[test]
    fn a_smaller_rate_with_another_period_admits_more_in_some_spans() {
        for (more, own) in [
            ("5/5s", "6/6s"),
            ("6/6s", "10/10s"),
            ("59/59s", "60/min"),
            ("10000/h", "20/5s"),
            ("3000/h", "60/min"),
            ("60/min", "20/5s"),
            ("15/5s burst 15", "20/5s"),
            ("16/4s", "20/5s"),
            ("1/s burst 1", "10/min"),
            ("10/min burst 11", "10/min"),
        ] {
            assert!(counted(more).can_exceed(counted(own)), "{more} and {own}");
        }
    }

    #[test]
    fn a_limit_that_is_never_more_is_no_wider() {
        for (less, own) in [
            ("60/min", "60/min"),
            ("3/3s", "6/6s"),
            ("10/min", "10/min burst 10"),
            ("5/10s burst 4", "10/10s"),
            ("20/h", "20/5s"),
            ("1/s burst 5", "2/s burst 5"),
        ] {
            assert!(!counted(less).can_exceed(counted(own)), "{less} and {own}");
        }
        let fixed = |text: &str| CountedLimit { algorithm: BucketAlgorithm::FixedWindow, ..counted(text) };
        assert!(
            fixed("60/min").can_exceed(counted("60/min")) && !counted("60/min").can_exceed(fixed("60/min"))
        );
        assert!(
            !fixed("60/min").can_exceed(fixed("60/min")) && !fixed("30/min").can_exceed(counted("60/min"))
        );
        assert!(fixed("5/min").can_exceed(counted("60/min burst 9")));
    }

    fn limits() -> impl Strategy<Value = CountedLimit> {
        let algorithm = prop_oneof![
            Just(BucketAlgorithm::TokenBucket),
            Just(BucketAlgorithm::FixedWindow),
            Just(BucketAlgorithm::SlidingWindow)
        ];
        (1..12u64, 1..12u64, 1..12u64, algorithm).prop_map(|(tokens, seconds, burst, algorithm)| {
            let burst = (algorithm == BucketAlgorithm::TokenBucket).then_some(burst);
            let limit = Limit { tokens, period: Duration::from_secs(seconds), burst };
            CountedLimit { limit, algorithm }
        })
    }

    /// A limiter with one bucket.
    struct Simulation {
        limiter: LocalLimiter,
        charge: BucketCharge,
    }

    impl Simulation {
        fn of(counted: CountedLimit) -> Self {
            let (per, when) = (BucketOwner::Key, ChargeCondition::Allowed);
            let bucket = BucketId { per, when, subject: 1, class_hash: 1, rule: RuleId(0) };
            let CountedLimit { limit, algorithm } = counted;
            let charge = BucketCharge { bucket, limit, algorithm, mode: CountingMode::Exact, shard_key: 1 };
            Self { limiter: LocalLimiter::new(), charge }
        }

        fn admits(&self, now: u64) -> bool {
            let options = ChargeOptions { cost: 1, dry_run: false };
            self.limiter.charge_now(&[self.charge], options, MonotonicInstant(now), &mut Levels::new())
        }
    }

    /// Returns whether admitted calls break what a limit promises: in each of its periods, or since each of them.
    fn breaks(own: CountedLimit, admitted: &[u64]) -> bool {
        let (tokens, period) = (u128::from(own.limit.tokens), own.limit.period.as_nanos());
        (0..admitted.len()).any(|first| {
            (first..admitted.len()).any(|last| {
                let span = u128::from(admitted[last] - admitted[first]);
                let count = (last - first + 1) as u128;
                match own.limit.burst {
                    Some(burst) => count * period > u128::from(burst) * period + tokens * span,
                    None => span < period && count > tokens,
                }
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

        #[test]
        fn calls_that_a_lower_limit_admits_keep_the_other(
            one in limits(),
            own in limits(),
            pauses in prop::collection::vec(prop_oneof![3 => Just(0), 2 => 0..12 * SECOND], 1..150),
        ) {
            if one.can_exceed(own) || own.algorithm == BucketAlgorithm::FixedWindow {
                return Ok(());
            }
            let (simulation, mut now, mut admitted) = (Simulation::of(one), 1 << 50, Vec::new());
            for pause in pauses {
                now += pause;
                if simulation.admits(now) {
                    admitted.push(now);
                }
            }
            prop_assert!(!breaks(own, &admitted), "{one:?} admits {admitted:?}");
        }

        #[test]
        fn some_calls_that_a_higher_limit_admits_break_the_other(one in limits(), own in limits()) {
            let sliding = |counted: CountedLimit| CountedLimit::from(Limit { burst: None, ..counted.limit });
            let (one, own) = (sliding(one), sliding(own));
            // As many as possible at the start of each period.
            let (simulation, mut admitted) = (Simulation::of(one), Vec::new());
            for period in 0..13 {
                let now = (1 << 50) + period * one.limit.period.as_secs() * SECOND;
                while simulation.admits(now) {
                    admitted.push(now);
                }
            }
            prop_assert_eq!(breaks(own, &admitted), one.can_exceed(own), "{:?} admits {:?}", one, admitted);
        }
    }
}
