//! Which share of answers is noted. Chance is cheap and each thread's own; no request can choose it.

use latchkey_core::thread;

use crate::chance;

/// A share: nothing, everything, or some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
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
    pub fn of(part: f64) -> Self {
        // The cast saturates, and no number at all is nothing.
        Self((part * u64::MAX as f64) as u64)
    }

    /// Whether this one is among them.
    pub(super) fn takes(self) -> bool {
        match self.0 {
            0 => false,
            u64::MAX => true,
            some => chance() < some,
        }
    }
}

thread_local! {
    static STATE: chance::State = const { chance::State::new(None) };
}

/// Each thread begins elsewhere.
fn chance() -> u64 {
    STATE.with(|state| chance::next(state, || chance::mix(thread::number() as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_from_nothing_to_everything() {
        assert_eq!((Share::of(0.0), Share::of(1.0)), (Share::NONE, Share::ALL));
        for (beyond, counts) in [(-0.1, Share::NONE), (1.1, Share::ALL), (f64::NAN, Share::NONE)] {
            assert_eq!(Share::of(beyond), counts, "{beyond}");
        }
    }

    #[test]
    fn a_share_takes_about_as_many() {
        let taken = |part| (0..100_000).filter(|_| Share::of(part).takes()).count();
        assert_eq!((taken(0.0), taken(1.0)), (0, 100_000));
        assert!((9_000..11_000).contains(&taken(0.1)), "{}", taken(0.1));
        assert!((48_000..52_000).contains(&taken(0.5)), "{}", taken(0.5));
    }
}
