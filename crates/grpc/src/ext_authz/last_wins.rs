//! Of a map's entries with one key, the last counts. Envoy never repeats a key, so a filter of one bit an
//! entry says so in a few nanoseconds; where it can't, sorting finds out, in a time that no message can
//! make quadratic.

use smallvec::{Array, SmallVec};

/// Keeps the last entry of each name, in the order that they came in.
pub(super) fn last_wins<'a, A: Array>(entries: &mut SmallVec<A>, name: impl Fn(&A::Item) -> &'a [u8]) {
    if all_differ(entries.iter().map(&name)) {
        return;
    }
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|place| name(&entries[*place]));
    let mut stale = vec![false; entries.len()];
    for (one, next) in order.iter().zip(&order[1..]) {
        // The sort is stable: among equals, the later stands behind.
        stale[*one] = name(&entries[*one]) == name(&entries[*next]);
    }
    let mut stale = stale.into_iter();
    entries.retain(|_| !stale.next().unwrap_or_default());
}

/// Whether no two names can be equal. May say no where they differ, never yes where two are equal.
fn all_differ<'a>(names: impl ExactSizeIterator<Item = &'a [u8]>) -> bool {
    if names.len() < 2 {
        return true;
    }
    let mut seen = [0u64; 64];
    for name in names {
        let mark = mark(name);
        let (word, bit) = (usize::from(mark >> 6) % 64, 1 << (mark % 64));
        if seen[word] & bit != 0 {
            return false;
        }
        seen[word] |= bit;
    }
    true
}

/// Twelve bits of a name, from its length and a few of its bytes.
fn mark(name: &[u8]) -> u16 {
    let at = |place: usize| u32::from(name.get(place).copied().unwrap_or_default());
    let length = name.len();
    let bytes = [at(0), at(length / 4), at(length / 2), at(length * 3 / 4), at(length.wrapping_sub(1))];
    let start = u32::try_from(length).unwrap_or(u32::MAX);
    let mixed = bytes.iter().fold(start, |mark, byte| mark.wrapping_mul(0x0100_0193) ^ byte);
    let [_, _, high, low] = mixed.wrapping_mul(0x9e37_79b1).rotate_left(16).to_be_bytes();
    u16::from_be_bytes([high, low]) & 0x0fff
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Entries = SmallVec<[(&'static str, usize); 4]>;

    fn kept(names: &[&'static str]) -> Vec<(&'static str, usize)> {
        let mut entries: Entries = names.iter().copied().zip(0..).collect();
        last_wins(&mut entries, |(name, _)| name.as_bytes());
        entries.into_vec()
    }

    #[test]
    fn the_last_of_a_name_is_kept_in_its_place() {
        assert_eq!(kept(&["a", "b", "a", "c", "b"]), [("a", 2), ("c", 3), ("b", 4)]);
        assert_eq!(kept(&["", ""]), [("", 1)]);
        assert_eq!(kept(&["a"]), [("a", 0)]);
        assert_eq!(kept(&[]), []);
    }

    #[test]
    fn usual_headers_are_told_apart_without_sorting() {
        let usual = [
            ":authority",
            ":path",
            ":method",
            ":scheme",
            "user-agent",
            "accept",
            "accept-encoding",
            "content-type",
            "content-length",
            "x-forwarded-proto",
            "x-request-id",
            "x-api-key",
            "x-envoy-auth-partial-body",
            "authorization",
            "x-tenant-id",
            "traceparent",
        ];
        assert!(all_differ(usual.into_iter().map(str::as_bytes)));
    }

    proptest! {
        #[test]
        fn a_map_keeps_the_same(names in prop::collection::vec("[ab]{0,3}", 0..60)) {
            let mut entries: SmallVec<[(&str, usize); 8]> = names.iter().map(String::as_str).zip(0..).collect();
            last_wins(&mut entries, |(name, _)| name.as_bytes());
            let map: std::collections::HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
            prop_assert_eq!(entries.len(), map.len());
            prop_assert!(entries.iter().all(|(name, place)| map[name] == *place));
        }
    }
}
