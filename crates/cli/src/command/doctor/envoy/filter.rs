//! Checks of the ext_authz filter.

use std::time::Duration;

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::route_match::{MatchResult, fits};
use super::walk::{at, list, on, seconds, text};
use super::{doubtful, wrong};

/// Time for the network, by which Envoy's timeout is longer than the maximum duration of a Check.
const NETWORK: Duration = Duration::from_millis(50);
/// Longest time that a request may wait for a decision, unless a Check itself may take longer.
const LONG: Duration = Duration::from_secs(1);

/// Envoy's names of statuses below 400 (`envoy.type.v3.StatusCode`).
const NO_ERRORS: [&str; 20] = [
    "Empty",
    "Continue",
    "OK",
    "Created",
    "Accepted",
    "NonAuthoritativeInformation",
    "NoContent",
    "ResetContent",
    "PartialContent",
    "MultiStatus",
    "AlreadyReported",
    "IMUsed",
    "MultipleChoices",
    "MovedPermanently",
    "Found",
    "SeeOther",
    "NotModified",
    "UseProxy",
    "TemporaryRedirect",
    "PermanentRedirect",
];

/// Returns the findings in a filter, given what the profiles read, and the maximum duration of a Check.
pub(super) fn examine(
    filter: &Value,
    requirements: &[EnvoyRequirements],
    check_deadline: Duration,
) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(open(filter));
    found.extend(asking(filter, check_deadline));
    found.extend(headers(filter, requirements));
    found.extend(body(filter, requirements));
    found.extend(kept(filter));
    found
}

/// Finds settings that let a request pass without a Check.
fn open(filter: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    if on(filter, "failure_mode_allow") {
        found.push(wrong(
            "failure_mode_allow: requests pass while Latchkey can't be asked",
            "set failure_mode_allow: false",
        ));
    }
    let enabled = at(filter, "filter_enabled/default_value");
    let (numerator, whole) = (at(enabled, "numerator").as_f64(), denominator(text(enabled, "denominator")));
    if !at(filter, "filter_enabled").is_null() && numerator.unwrap_or_default() < whole {
        found.push(wrong(
            "filter_enabled: a part of the requests is not asked about, and passes",
            "leave filter_enabled out, or set 100 %",
        ));
    }
    if !at(filter, "filter_enabled_metadata").is_null() {
        found.push(doubtful(
            "filter_enabled_metadata: metadata of other filters decides whether Latchkey is asked",
            "make sure that no client can set that metadata, or leave it out",
        ));
    }
    found
}

pub(super) fn denominator(name: &str) -> f64 {
    match name {
        "TEN_THOUSAND" => 10_000.0,
        "MILLION" => 1_000_000.0,
        _ => 100.0,
    }
}

/// Checks the service, the timeout and the status on error.
fn asking(filter: &Value, check_deadline: Duration) -> Vec<Finding> {
    let service = at(filter, "grpc_service");
    let recommended = check_deadline + NETWORK;
    let timeout = format!("{}s", recommended.as_secs_f64());
    if service.is_null() {
        return vec![wrong(
            "the filter asks over HTTP, which Latchkey does not answer",
            format!(
                "ask by grpc_service: {{ envoy_grpc: {{ cluster_name: latchkey }}, timeout: {timeout} }}"
            ),
        )];
    }
    // The default of Envoy is 200 ms.
    let given = at(service, "timeout");
    let waits = if given.is_null() { Some(0.2) } else { seconds(given) };
    let shown =
        given.as_str().unwrap_or(if given.is_null() { "0.2s, the default of Envoy" } else { "the timeout" });
    let set = format!("set grpc_service.timeout: {timeout}");
    match waits {
        Some(waits) if waits <= 0.0 => {
            vec![wrong(format!("timeout {shown}: a request may wait for ever"), set)]
        }
        Some(waits) if waits < check_deadline.as_secs_f64() => vec![wrong(
            format!(
                "timeout {shown}: Envoy gives up before Latchkey answers that its database does not respond \
                 (check_deadline, {check_deadline:?})"
            ),
            set,
        )],
        Some(waits) if waits > recommended.max(LONG).as_secs_f64() => vec![doubtful(
            format!(
                "timeout {shown}: when Latchkey can't be reached, every request waits so long to be refused"
            ),
            set,
        )],
        Some(_) => Vec::new(),
        None => vec![wrong(format!("{shown} is not a duration that Envoy accepts"), set)],
    }
}

fn headers(filter: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let mut found = Vec::new();
    if !on(filter, "encode_raw_headers") {
        found.push(doubtful(
            "encode_raw_headers is off: repeated headers are joined by commas, and bytes that aren't UTF-8 are lost",
            "set encode_raw_headers: true",
        ));
    }
    let allowed = at(filter, "allowed_headers");
    if allowed.is_null() {
        let remedy = "set allowed_headers to what the profile reads: `latchkey envoy-config` prints it";
        found.push(doubtful(
            "without allowed_headers, every header is sent and read for every request",
            remedy,
        ));
    }
    let all = requirements.iter().flat_map(|requirements| &requirements.headers);
    let mut missing: Vec<&str> = all.map(String::as_str).filter(|name| !sends(filter, name)).collect();
    missing.sort_unstable();
    missing.dedup();
    if !missing.is_empty() {
        found.push(wrong(
            format!("the profile reads headers that Envoy doesn't send: {}", missing.join(", ")),
            "add them to allowed_headers",
        ));
    }
    found
}

/// Returns true if a Check gets the headers of this name.
pub(super) fn sends(filter: &Value, name: &str) -> bool {
    let is_in = |patterns: &Value| list(patterns, "patterns").iter().any(|pattern| matches(pattern, name));
    let allowed = at(filter, "allowed_headers");
    (allowed.is_null() || is_in(allowed)) && !is_in(at(filter, "disallowed_headers"))
}

/// Returns true if a pattern names the header. A pattern that cannot be evaluated here counts as a match.
pub(super) fn matches(pattern: &Value, name: &str) -> bool {
    let is = |how: &str, holds: &dyn Fn(&str) -> bool| {
        pattern[how].as_str().is_some_and(|p| holds(&p.to_lowercase()))
    };
    let regex = at(pattern, "safe_regex/regex").as_str();
    is("exact", &|p| p == name)
        || is("prefix", &|p| name.starts_with(p))
        || is("suffix", &|p| name.ends_with(p))
        || is("contains", &|p| name.contains(p))
        || regex.is_some_and(|regex| fits(regex, name) != MatchResult::Never)
        || !at(pattern, "custom").is_null()
}

/// Largest body that fits into a Check beside the headers.
const LARGEST_BODY_BYTES: u64 = 128 * 1024;

fn body(filter: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let settings = at(filter, "with_request_body");
    match (requirements.iter().any(|requirements| requirements.body), !settings.is_null()) {
        (true, false) => vec![wrong(
            "the profile reads bodies, and Envoy sends none",
            "set with_request_body: { max_request_bytes: 65536, allow_partial_message: false, pack_as_bytes: true }",
        )],
        (false, true) if !requirements.is_empty() => {
            vec![doubtful(
                "with_request_body: no profile reads bodies",
                "leave it out: it costs a copy of each body",
            )]
        }
        (_, true) => whole(settings),
        (false, false) => Vec::new(),
    }
}

/// Checks that a body is sent as a whole and unchanged.
pub(super) fn whole(settings: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    if settings.is_null() {
        return found;
    }
    if on(settings, "allow_partial_message") {
        found.push(doubtful(
            "allow_partial_message: keys in larger bodies are not found, and bound keys are denied with them",
            "set allow_partial_message: false, and max_request_bytes to the largest body that your clients send",
        ));
    }
    if !on(settings, "pack_as_bytes") {
        found.push(doubtful(
            "without pack_as_bytes, bytes of a body that are not UTF-8 are replaced before Latchkey reads it",
            "set pack_as_bytes: true",
        ));
    }
    let most = at(settings, "max_request_bytes");
    let most = most.as_u64().or_else(|| most.as_str()?.parse().ok());
    if most.is_some_and(|most| most > LARGEST_BODY_BYTES) {
        found.push(wrong(
            format!("max_request_bytes is over {LARGEST_BODY_BYTES}: Latchkey denies a Check of more than 256 KiB"),
            "set max_request_bytes: 65536, and check_settings.disable_request_body_buffering on routes for uploads",
        ));
    }
    found
}

/// Returns whether a status, given as a number or as Envoy's name for it, is not an error.
fn is_no_error(code: &Value) -> bool {
    match code.as_u64().or_else(|| code.as_str()?.parse().ok()) {
        Some(number) => number < 400,
        None => code.as_str().is_some_and(|name| NO_ERRORS.contains(&name)),
    }
}

/// Checks that Envoy applies Latchkey's response, and the status on error.
fn kept(filter: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    let rules = at(filter, "decoder_header_mutation_rules");
    if !rules.is_null() {
        found.push(wrong(
            "decoder_header_mutation_rules keep Latchkey from removing the credential and forged identity headers",
            "leave them out for this filter",
        ));
    }
    if on(filter, "clear_route_cache") {
        found.push(doubtful(
            "clear_route_cache: the route is chosen again after Latchkey has decided by another route",
            "leave it out, unless routes depend on headers that Latchkey sets",
        ));
    }
    let status = at(filter, "status_on_error");
    if !status.is_null() && is_no_error(at(status, "code")) {
        found.push(wrong(
            format!(
                "status_on_error: {}: clients take an outage for a response of the service",
                at(status, "code")
            ),
            "set status_on_error: { code: ServiceUnavailable }",
        ));
    }
    if status.is_null() {
        found.push(doubtful(
            "without status_on_error, an outage looks like a denial (403)",
            "set status_on_error: { code: ServiceUnavailable }",
        ));
    }
    found
}
