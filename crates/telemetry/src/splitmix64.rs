//! Pseudorandom numbers by splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014),
//! a few instructions each. They sample decisions and identify spans; no secret depends on them.

use std::cell::Cell;

/// Position in one thread's sequence; `None` before its first number.
pub(super) type State = Cell<Option<u64>>;

/// Returns the next number of a sequence; `begin` returns its start.
pub(super) fn next(state: &State, begin: impl FnOnce() -> u64) -> u64 {
    let at = state.get().unwrap_or_else(begin).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state.set(Some(at));
    mix(at)
}

/// Mixes a number so that each of its bits affects all bits of the result.
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        let state = State::default();
        let actual = [0; 3].map(|begin| next(&state, || begin));
        assert_eq!(actual, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }
}
