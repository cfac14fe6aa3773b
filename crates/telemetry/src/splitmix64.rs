//! Numbers that look like chance, a few instructions each: splitmix64 (Steele, Lea and Flood, "Fast splittable
//! pseudorandom number generators", 2014). They choose what is noted and tell spans apart; nothing secret hangs
//! on them.

use std::cell::Cell;

/// Where one thread's sequence is; nowhere before its first number.
pub(super) type State = Cell<Option<u64>>;

/// The next number of a sequence, which begins where it is told to.
pub(super) fn next(state: &State, begin: impl FnOnce() -> u64) -> u64 {
    let at = state.get().unwrap_or_else(begin).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state.set(Some(at));
    mix(at)
}

/// A number in which every bit of another has a part.
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sequence_that_was_published() {
        let state = State::default();
        let told = [0; 3].map(|begin| next(&state, || begin));
        assert_eq!(told, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }
}
