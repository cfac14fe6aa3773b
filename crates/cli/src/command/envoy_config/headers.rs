//! Headers in Envoy's configuration: those that a Check gets, and those of clients that no service gets.

use std::collections::BTreeSet;

use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::{Value, json};

/// Headers from which services take the method or the path, and then run another call than the one that was judged.
pub(in crate::command) const CALL_HEADERS: [&str; 6] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-script-name",
];

/// Headers from which services take the host that a client has called, or a part of the path before their own.
pub(in crate::command) const HOST_HEADERS: [&str; 7] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-host",
    "x-http-host-override",
    "x-original-host",
];

/// Characters that some services read as one.
const SEPARATORS: [char; 3] = ['-', '_', '.'];

/// Returns the patterns of the headers that a Check gets. Where names with dots pass, it gets every spelling of a name.
pub(super) fn allowed(requirements: &EnvoyRequirements) -> Value {
    let spelled = passes_dots(requirements);
    let identity = requirements.identity_headers.iter().filter(|_| spelled);
    let names: BTreeSet<&String> = requirements.headers.iter().chain(identity).collect();
    let pattern = |name: &String| {
        if spelled && name.contains(SEPARATORS) {
            json!({ "safe_regex": { "regex": spellings(name) } })
        } else {
            json!({ "exact": name, "ignore_case": true })
        }
    };
    json!({ "patterns": names.into_iter().map(pattern).collect::<Vec<Value>>() })
}

/// Returns the headers that are removed from each request, unless the profile reads them.
pub(super) fn removed(requirements: &EnvoyRequirements) -> Vec<String> {
    let spelled = passes_dots(requirements);
    let names = CALL_HEADERS.into_iter().chain(HOST_HEADERS);
    let unread = names.filter(|name| !requirements.headers.contains(*name));
    unread.flat_map(|name| if spelled { with_dots(name) } else { vec![name.to_owned()] }).collect()
}

/// Returns a regular expression (RE2) of the names with another character than letters, digits, hyphens, underscores and
/// those that names have which the profile reads. Envoy drops such headers, as nginx does.
pub(super) fn odd_names(requirements: &EnvoyRequirements) -> String {
    let kept: String = odd_characters(requirements).into_iter().collect();
    format!(".*[^a-z0-9:_{kept}-].*")
}

fn odd_characters(requirements: &EnvoyRequirements) -> BTreeSet<char> {
    let all = requirements.headers.iter().flat_map(|name| name.chars());
    all.filter(|letter| !letter.is_ascii_alphanumeric() && !['-', '_'].contains(letter)).collect()
}

fn passes_dots(requirements: &EnvoyRequirements) -> bool {
    odd_characters(requirements).contains(&'.')
}

/// Returns a regular expression (RE2) of all spellings of a name.
fn spellings(name: &str) -> String {
    name.chars().fold(String::new(), |mut regex, letter| {
        if SEPARATORS.contains(&letter) {
            regex.push_str("[-_.]");
            return regex;
        }
        if !letter.is_ascii_alphanumeric() {
            regex.push('\\');
        }
        regex.push(letter);
        regex
    })
}

/// Returns the spellings of a name with hyphens and dots.
fn with_dots(name: &str) -> Vec<String> {
    let mut parts = name.split('-');
    let first = vec![parts.next().unwrap_or_default().to_owned()];
    parts.fold(first, |all, part| {
        let both = |begin: &String| ["-", "."].map(|separator| format!("{begin}{separator}{part}"));
        all.iter().flat_map(both).collect()
    })
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    fn requirements(headers: &[&str]) -> EnvoyRequirements {
        EnvoyRequirements {
            headers: headers.iter().map(|name| (*name).to_owned()).collect(),
            identity_headers: ["x-acme-user".to_owned()].into(),
            ..EnvoyRequirements::default()
        }
    }

    fn is_dropped(requirements: &EnvoyRequirements, name: &str) -> bool {
        Regex::new(&format!("^(?:{})$", odd_names(requirements))).unwrap().is_match(name)
    }

    #[test]
    fn names_that_services_read_as_others_are_dropped() {
        let plain = requirements(&["x-api-key", "x_shop"]);
        for name in ["x.api.key", "x-api.key", "x.http.method.override", "x!a", "a|b", "~", "."] {
            assert!(is_dropped(&plain, name), "{name}");
        }
        for name in ["x-api-key", ":authority", ":path", "x-b3-traceid", "x_shop", "te"] {
            assert!(!is_dropped(&plain, name), "{name}");
        }
        let patterns = &allowed(&plain)["patterns"];
        assert_eq!(patterns[0], json!({ "exact": "x-api-key", "ignore_case": true }));
        assert_eq!(patterns.as_array().map(Vec::len), Some(2), "{patterns}");
        assert_eq!(removed(&plain).len(), 13);
    }

    #[test]
    fn a_check_gets_every_spelling_where_the_profile_reads_a_name_with_a_dot() {
        let dotted = requirements(&["traceparent", "x.shop"]);
        assert!(!is_dropped(&dotted, "x.shop") && is_dropped(&dotted, "x+shop"));
        let expected = json!([
            { "exact": "traceparent", "ignore_case": true },
            { "safe_regex": { "regex": "x[-_.]acme[-_.]user" } },
            { "safe_regex": { "regex": "x[-_.]shop" } },
        ]);
        assert_eq!(allowed(&dotted)["patterns"], expected);
        let removed = removed(&dotted);
        for name in ["x.http.method-override", "x-http.method.override", "x.host", "forwarded"] {
            assert!(removed.iter().any(|one| one == name), "{name}: {removed:?}");
        }
    }

    #[test]
    fn a_header_that_the_profile_reads_is_kept() {
        let reads = requirements(&["x-forwarded-host", "x-api-key"]);
        let removed = removed(&reads);
        assert!(!removed.iter().any(|name| name == "x-forwarded-host"), "{removed:?}");
        assert!(removed.iter().any(|name| name == "x-original-host"), "{removed:?}");
    }
}
