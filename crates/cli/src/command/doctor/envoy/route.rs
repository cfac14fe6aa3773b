//! Checks of routes and hosts that disable the filter, or override its settings.

use std::collections::BTreeSet;

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::order::asks_latchkey;
use super::walk::{at, find, find_all, list, on, text, typed};
use super::{PER_ROUTE, doubtful, wrong};

pub(super) fn examine(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let mut found = open(configuration);
    if requirements.iter().any(|requirements| !requirements.hosts.is_empty()) {
        found.extend(environments(configuration, requirements));
    }
    found.extend(uploads(configuration, requirements));
    found
}

/// Finds places whose bodies Envoy does not send, and that set no resource in place of the one in the body. A client of
/// HTTP/2 need not announce a body, so that Latchkey cannot know that there is one.
fn uploads(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let resources: BTreeSet<&String> =
        requirements.iter().flat_map(|requirements| &requirements.body_resources).collect();
    let holds = |value: &Value| value.is_object() && !at(value, "typed_per_filter_config").is_null();
    let mut found = Vec::new();
    for place in nested(configuration, holds) {
        let unread =
            |value: &Value| value.is_object() && on(value, "check_settings/disable_request_body_buffering");
        for one in find(at(place, "typed_per_filter_config"), unread) {
            let extensions = at(one, "check_settings/context_extensions");
            let unnamed = resources.iter().filter(|name| extensions[format!("resource.{name}")].is_null());
            let names: Vec<String> = unnamed.map(|name| format!("resource.{name}: \"-\"")).collect();
            if !names.is_empty() {
                found.push(wrong(
                    format!(
                        "{}: Envoy sends no body here, and a client of HTTP/2 need not announce one, so that a bound \
                         key reaches other resources",
                        name(place)
                    ),
                    format!("set check_settings.context_extensions: {{ {} }}, which no key is bound to", names.join(", ")),
                ));
            }
        }
    }
    found
}

/// Finds hosts without an environment, where the profile tells environments apart by host. A host for all names needs one
/// if there is no other, or if the profile has an environment for it.
fn environments(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let hosts = find(configuration, |value| value.is_object() && !list(value, "domains").is_empty());
    let any = |host: &Value| list(host, "domains").iter().all(|domain| domain == "*");
    let mut named = requirements.iter().flat_map(|requirements| &requirements.hosts);
    let any_counts = named.any(|(name, environment)| name == "*" && environment.is_some())
        || hosts.iter().all(|host| any(host));
    let mut found = Vec::new();
    for host in hosts.into_iter().filter(|host| any_counts || !any(host)) {
        let named = |value: &Value| !at(value, "check_settings/context_extensions/environment").is_null();
        let routes = list(host, "routes");
        let by_host = !find(at(host, "typed_per_filter_config"), named).is_empty();
        let by_route = routes.iter().all(|route| !find(route, named).is_empty()) && !routes.is_empty();
        if !by_host && !by_route {
            found.push(doubtful(
                format!(
                    "host {}: Envoy chooses the service by the host, and Latchkey the environment; the two may differ",
                    text(host, "name")
                ),
                "set check_settings: { context_extensions: { environment: … } } for each host: \
                 `latchkey envoy-config` prints them",
            ));
        }
    }
    found
}

/// Finds places where the filter is disabled.
fn open(configuration: &Value) -> Vec<Finding> {
    let holds = |value: &Value| value.is_object() && !at(value, "typed_per_filter_config").is_null();
    let filters = find_all(configuration, |value| value["name"].is_string() && asks_latchkey(value));
    let names: BTreeSet<&str> = filters.into_iter().map(|filter| text(filter, "name")).collect();
    let mut found = Vec::new();
    for place in nested(configuration, holds) {
        let settings = at(place, "typed_per_filter_config");
        // Disabled for this filter by its own message, or for any filter by the general one.
        let off = settings.as_object().into_iter().flatten().any(|(filter, one)| {
            let own = !find(one, |value| typed(value, PER_ROUTE) && on(value, "disabled")).is_empty();
            own || ((filter.contains("ext_authz") || names.contains(filter.as_str())) && on(one, "disabled"))
        });
        if off {
            found.push(doubtful(
                format!("{}: Latchkey is not asked here, and the credential goes on to the service behind", name(place)),
                "let a public route of the profile pass it instead, which still removes credential and identity headers",
            ));
        }
    }
    found
}

/// Returns all values for which `holds` is true, also those inside of other such values: hosts, and the routes in them.
pub(super) fn nested(value: &Value, holds: impl Fn(&Value) -> bool + Copy) -> Vec<&Value> {
    let mut all = Vec::new();
    let mut waiting = vec![value];
    while let Some(next) = waiting.pop() {
        for found in find(next, holds) {
            all.push(found);
            waiting.extend(found.as_object().into_iter().flat_map(serde_json::Map::values));
        }
    }
    all
}

/// Returns the name of a place in the routes.
pub(super) fn name(place: &Value) -> String {
    if !list(place, "virtual_hosts").is_empty() {
        return "all routes".to_owned();
    }
    let kinds =
        [("prefix", "match/prefix"), ("path", "match/path"), ("prefix", "match/path_separated_prefix")];
    let matched =
        kinds.iter().map(|(kind, path)| (*kind, text(place, path))).find(|(_, text)| !text.is_empty());
    match (matched, text(place, "name")) {
        (Some((kind, path)), "") => format!("route {kind} {path}"),
        (Some((kind, path)), name) => format!("route {name} ({kind} {path})"),
        (None, "") => "a route".to_owned(),
        (None, name) => format!("host {name}"),
    }
}
