//! Of a map's entries with one key, the last counts. Envoy never repeats a key, so a filter of one bit an
//! entry says so in a few nanoseconds; where it can't, sorting finds out, in a time that no message can
//! make quadratic.

use smallvec::{Array, SmallVec};

use crate::wire::scan::mark;

/// Names as they come in. May say that two are equal where they differ, never that they differ where they are equal.
pub(super) struct Names {
    seen: [u64; 64],
    repeated: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self { seen: [0; 64], repeated: false }
    }
}

impl Names {
    /// Another name.
    pub(super) fn add(&mut self, name: &[u8]) {
        let mark = mark(name);
        let (word, bit) = (&mut self.seen[usize::from(mark >> 6) % 64], 1 << (mark % 64));
        self.repeated |= *word & bit != 0;
        *word |= bit;
    }

    /// Keeps the last entry of each of these names, in the order that they came in.
    pub(super) fn last_wins<'a, A: Array>(
        &self,
        entries: &mut SmallVec<A>,
        name: impl Fn(&A::Item) -> &'a [u8],
    ) {
        if self.repeated {
            keep_last(entries, name);
        }
    }
}

fn keep_last<'a, A: Array>(entries: &mut SmallVec<A>, name: impl Fn(&A::Item) -> &'a [u8]) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Entries = SmallVec<[(&'static str, usize); 4]>;

    fn told_apart<'a, A: Array>(entries: &mut SmallVec<A>, name: impl Fn(&A::Item) -> &'a [u8]) {
        let mut names = Names::default();
        entries.iter().for_each(|entry| names.add(name(entry)));
        names.last_wins(entries, name);
    }

    fn kept(names: &[&'static str]) -> Vec<(&'static str, usize)> {
        let mut entries: Entries = names.iter().copied().zip(0..).collect();
        told_apart(&mut entries, |(name, _)| name.as_bytes());
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
        let mut names = Names::default();
        for name in usual {
            names.add(name.as_bytes());
        }
        assert!(!names.repeated);
    }

    proptest! {
        #[test]
        fn a_map_keeps_the_same(names in prop::collection::vec("[ab]{0,3}", 0..60)) {
            let mut entries: SmallVec<[(&str, usize); 8]> = names.iter().map(String::as_str).zip(0..).collect();
            told_apart(&mut entries, |(name, _)| name.as_bytes());
            let map: std::collections::HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
            prop_assert_eq!(entries.len(), map.len());
            prop_assert!(entries.iter().all(|(name, place)| map[name] == *place));
        }
    }
}
