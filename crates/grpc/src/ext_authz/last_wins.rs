//! Removal of repeated map keys: protobuf keeps the last entry of each key. Envoy never repeats a key. A few names
//! are compared pairwise; more are sorted, so that no message can make the time quadratic.

/// Largest number of entries that are compared pairwise.
const PAIRWISE_LIMIT: usize = 8;

/// Returns the last entry of each name, in the order of the message, or `None` if no name is repeated. More than
/// `PAIRWISE_LIMIT` entries are always returned.
pub(super) fn last_wins<'a, T: Copy>(entries: &[T], name: impl Fn(&T) -> &'a [u8]) -> Option<Vec<T>> {
    let repeats = |n: usize| entries[..n].iter().any(|earlier| name(earlier) == name(&entries[n]));
    let may_repeat = entries.len() > PAIRWISE_LIMIT || (1..entries.len()).any(repeats);
    may_repeat.then(|| keep_last(entries, name))
}

fn keep_last<'a, T: Copy>(entries: &[T], name: impl Fn(&T) -> &'a [u8]) -> Vec<T> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|index| name(&entries[*index]));
    let mut superseded = vec![false; entries.len()];
    for (current, next) in order.iter().zip(&order[1..]) {
        // The sort is stable: among entries of one name, a later one follows an earlier one.
        superseded[*current] = name(&entries[*current]) == name(&entries[*next]);
    }
    entries.iter().zip(superseded).filter(|(_, superseded)| !superseded).map(|(entry, _)| *entry).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept<'n>(names: &[&'n str]) -> Vec<(&'n str, usize)> {
        let entries: Vec<(&str, usize)> = names.iter().copied().zip(0..).collect();
        last_wins(&entries, |(name, _)| name.as_bytes()).unwrap_or(entries)
    }

    #[test]
    fn the_last_of_a_name_is_kept_in_its_place() {
        assert_eq!(kept(&["a", "b", "a", "c", "b"]), [("a", 2), ("c", 3), ("b", 4)]);
        assert_eq!(kept(&["", ""]), [("", 1)]);
        assert_eq!(kept(&["a"]), [("a", 0)]);
        assert_eq!(kept(&[]), []);
    }

    proptest! {
        #[test]
        fn a_map_keeps_the_same_entries(names in prop::collection::vec("[ab]{0,3}", 0..60)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let entries = kept(&names);
            let map: std::collections::HashMap<&str, usize> = names.iter().copied().zip(0..).collect();
            prop_assert_eq!(entries.len(), map.len());
            prop_assert!(entries.iter().all(|(name, index)| map[name] == *index));
        }
    }
}
