//! Random sampling of decisions. The random numbers are cheap and each thread has its own; no request can influence them.

use latchkey_core::thread;

use crate::splitmix64;

/// Ratio of decisions that are logged, as a fraction of 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRate(u64);

impl SampleRate {
    /// No decision.
    pub const NONE: Self = Self(0);
    /// Every decision.
    pub const ALL: Self = Self(u64::MAX);

    /// Creates a rate from a ratio between 0 (none) and 1 (all). A value outside of these bounds counts as the nearest one.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a ratio of 2^64, to the precision that a ratio is written with"
    )]
    pub fn new(ratio: f64) -> Self {
        // The cast saturates, and turns NaN into 0.
        Self((ratio * u64::MAX as f64) as u64)
    }

    /// Decides by chance whether a decision is logged.
    pub(super) fn sample(self) -> bool {
        match self.0 {
            0 => false,
            u64::MAX => true,
            some => random_u64() < some,
        }
    }
}

thread_local! {
    static STATE: splitmix64::State = const { splitmix64::State::new(None) };
}

/// Returns a pseudorandom number; each thread's sequence begins at another place.
fn random_u64() -> u64 {
    STATE.with(|state| splitmix64::next(state, || splitmix64::mix(thread::thread_index() as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_from_nothing_to_everything() {
        assert_eq!((SampleRate::new(0.0), SampleRate::new(1.0)), (SampleRate::NONE, SampleRate::ALL));
        for (beyond, counts) in
            [(-0.1, SampleRate::NONE), (1.1, SampleRate::ALL), (f64::NAN, SampleRate::NONE)]
        {
            assert_eq!(SampleRate::new(beyond), counts, "{beyond}");
        }
    }

    #[test]
    fn a_share_takes_about_as_many() {
        let taken = |part| (0..100_000).filter(|_| SampleRate::new(part).sample()).count();
        assert_eq!((taken(0.0), taken(1.0)), (0, 100_000));
        assert!((9_000..11_000).contains(&taken(0.1)), "{}", taken(0.1));
        assert!((48_000..52_000).contains(&taken(0.5)), "{}", taken(0.5));
    }
}
