//! Text of a key's own limits, with the sort of each.

use latchkey_proto::v1;

/// Returns the limits by class, each with a note if it holds beside those of the tenant, its plan and the profile.
pub(super) fn own_limits(key: &v1::Key) -> String {
    let limit = |(class, limit): (&String, &String)| {
        let is_beside = key.rate_limits_beside_others.contains(class);
        format!("{class}={limit}{}", if is_beside { " (beside the plan's limit)" } else { "" })
    };
    let mut limits: Vec<String> = key.rate_limits.iter().map(limit).collect();
    limits.sort_unstable();
    limits.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_limit_that_replaces_no_other_is_marked() {
        let limits = [("default", "9/h"), ("search", "1/s")];
        let rate_limits: HashMap<String, String> =
            limits.map(|(class, limit)| (class.to_owned(), limit.to_owned())).into();
        let rate_limits_beside_others = vec!["search".to_owned()];
        let key = v1::Key { rate_limits, rate_limits_beside_others, ..v1::Key::default() };
        assert_eq!(own_limits(&key), "default=9/h, search=1/s (beside the plan's limit)");
    }
}
