//! Which share of answers is noted. Chance is cheap and each thread's own; no request can choose it.

use latchkey_core::thread;

use crate::splitmix64;

/// A share: nothing, everything, or some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRate(u64);

impl SampleRate {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(u64::MAX);

    /// So many of one: from 0, nothing, to 1, everything. What is below or above counts as these.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 2^64, to the precision that a share is written with"
    )]
    pub fn new(part: f64) -> Self {
        // The cast saturates, and no number at all is nothing.
        Self((part * u64::MAX as f64) as u64)
    }

    /// Whether this one is among them.
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

/// Each thread begins elsewhere.
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
