//! Match of a route: whether it takes a request for certain, perhaps, or never.

use regex::Regex;
use serde_json::Value;

use super::walk::{at, is_named, list, on, text};

/// Members of a match that are evaluated here. Any other one is a condition that may hold or not.
const EVALUATED: [&str; 8] = [
    "prefix",
    "path",
    "path_separated_prefix",
    "safe_regex",
    "connect_matcher",
    "path_match_policy",
    "case_sensitive",
    "headers",
];

/// Result of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MatchResult {
    /// The route matches no such request.
    Never,
    /// The route matches some of these requests, by a condition that cannot be evaluated here.
    Perhaps,
    /// The route matches each request of this path and method.
    Always,
}

/// Returns whether a route with this match takes a request with this path and method.
pub(super) fn takes(rule: &Value, path: &str, method: &str) -> MatchResult {
    let members = rule.as_object().into_iter().flatten();
    let others = members.filter(|(name, _)| !EVALUATED.iter().any(|known| is_named(name, known)));
    let conditions = others.map(|(name, condition)| {
        if is_empty(condition) || (is_named(name, "runtime_fraction") && is_whole(condition)) {
            MatchResult::Always
        } else {
            MatchResult::Perhaps
        }
    });
    let headers = list(rule, "headers").iter().map(|header| method_fits(header, method));
    conditions.chain(headers).chain([path_fits(rule, path)]).min().unwrap_or(MatchResult::Never)
}

fn certain(fits: bool) -> MatchResult {
    if fits { MatchResult::Always } else { MatchResult::Never }
}

/// Returns true for a member that has no content.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Returns true if a fraction is all, and no runtime key can change it.
fn is_whole(fraction: &Value) -> bool {
    let default = at(fraction, "default_value");
    let hundred = matches!(text(default, "denominator"), "" | "HUNDRED");
    text(fraction, "runtime_key").is_empty()
        && hundred
        && at(default, "numerator").as_u64().is_some_and(|numerator| numerator >= 100)
}

fn path_fits(rule: &Value, path: &str) -> MatchResult {
    let sensitive = at(rule, "case_sensitive").is_null() || on(rule, "case_sensitive");
    let fold = |text: &str| if sensitive { text.to_owned() } else { text.to_lowercase() };
    let given = |name: &str| at(rule, name).as_str().map(fold);
    let own = fold(path);
    if let Some(prefix) = given("prefix") {
        return certain(own.starts_with(&prefix));
    }
    if let Some(exact) = given("path") {
        return certain(own == exact);
    }
    if let Some(prefix) = given("path_separated_prefix") {
        return certain(
            own.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        );
    }
    if let Some(regex) = at(rule, "safe_regex/regex").as_str() {
        // Envoy compares a regular expression with letter case, whatever `case_sensitive` says.
        return fits(regex, path);
    }
    if let Some(template) = at(rule, "path_match_policy/typed_config/path_template").as_str() {
        return certain(segments_fit(template, path));
    }
    // A request of the method CONNECT is none of a product's endpoints.
    if at(rule, "connect_matcher").is_null() { MatchResult::Perhaps } else { MatchResult::Never }
}

fn segments_fit(template: &str, path: &str) -> bool {
    let (mut own, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (own.next(), segments.next()) {
            (None, None) | (Some("**"), _) => return true,
            (Some(part), Some(segment))
                if part == segment || (!segment.is_empty() && (part == "*" || part.starts_with('{'))) => {}
            _ => return false,
        }
    }
}

/// Returns whether a condition on a header holds, which can be evaluated for the method alone.
fn method_fits(header: &Value, method: &str) -> MatchResult {
    if text(header, "name") != ":method" || on(header, "invert_match") {
        return MatchResult::Perhaps;
    }
    let matcher = at(header, "string_match");
    let exact = [at(header, "exact_match"), at(matcher, "exact")].into_iter().find_map(Value::as_str);
    let regex = [at(header, "safe_regex_match/regex"), at(matcher, "safe_regex/regex")]
        .into_iter()
        .find_map(Value::as_str);
    match (exact, regex) {
        (Some(exact), _) if on(matcher, "ignore_case") => certain(exact.eq_ignore_ascii_case(method)),
        (Some(exact), _) => certain(exact == method),
        (None, Some(regex)) => fits(regex, method),
        (None, None) => MatchResult::Perhaps,
    }
}

/// Returns whether a regular expression matches a whole text, as Envoy's do.
pub(super) fn fits(regex: &str, text: &str) -> MatchResult {
    let regex = Regex::new(&format!("^(?:{regex})$"));
    regex.map_or(MatchResult::Perhaps, |regex| certain(regex.is_match(text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_that_cannot_be_evaluated_makes_a_match_uncertain() {
        for condition in [
            json!({ "runtime_fraction": { "default_value": { "numerator": 1 } } }),
            json!({ "runtimeFraction": { "default_value": { "numerator": 100 }, "runtime_key": "x" } }),
            json!({ "query_parameters": [{ "name": "a" }] }),
            json!({ "grpc": {} }),
            json!({ "headers": [{ "name": "x-a", "present_match": true }] }),
            json!({ "a_condition_of_a_later_version": {} }),
        ] {
            let mut rule = condition.clone();
            rule["prefix"] = json!("/v1");
            assert_eq!(takes(&rule, "/v1/keys", "GET"), MatchResult::Perhaps, "{condition}");
            rule["prefix"] = json!("/v2");
            assert_eq!(takes(&rule, "/v1/keys", "GET"), MatchResult::Never, "{condition}");
        }
        let whole = json!({ "prefix": "/", "query_parameters": [], "runtime_fraction": { "default_value": { "numerator": 100 } } });
        assert_eq!(takes(&whole, "/v1/keys", "GET"), MatchResult::Always);
    }
}
