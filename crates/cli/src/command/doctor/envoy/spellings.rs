//! Checks that a service reads the headers that Latchkey has judged: no other spelling of a name, and no other host.

use std::collections::BTreeMap;

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::walk::{at, find, find_all, list, text, typed};
use super::{FILTER, doubtful, filter};
use crate::command::envoy_config::{CALL_HEADERS, HOST_HEADERS};

/// Types of messages that change the headers of requests, each with the member that lists the changes.
const MUTATIONS: [(&str, &str); 2] = [
    ("envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", "mutations"),
    ("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", "mutations/request_mutations"),
];

/// Checks that no name with dots passes beside the one that Latchkey judges, unless Latchkey gets it too.
pub(super) fn dots(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Option<Finding> {
    let filters = find(manager, |value| typed(value, FILTER));
    let all = requirements.iter().flat_map(|one| one.headers.iter().chain(&one.identity_headers));
    let separated = all.filter(|header| header.contains(['-', '_', '.']));
    let mut spellings: BTreeMap<String, &str> =
        separated.map(|header| (header.replace(['-', '_'], "."), header.as_str())).collect();
    if spellings.is_empty() {
        spellings.insert("x.key".to_owned(), "x-key");
    }
    let judged = |spelling: &str| filters.iter().all(|filter| filter::sends(filter, spelling));
    let passes = |spelling: &str| !removes(manager, spelling) && !judged(spelling);
    let (spelling, header) = spellings.iter().find(|(spelling, _)| passes(spelling))?;
    Some(doubtful(
        format!("listener {name}: {spelling} passes beside {header}, and PHP reads both as the same header"),
        "drop names with dots by early_header_mutation_extensions, as `latchkey envoy-config` prints them",
    ))
}

/// Checks that a client names no other method or path than the ones that are judged, and no other host than the one that
/// decides the environment.
pub(super) fn judged(
    manager: &Value,
    routes: &Value,
    name: &str,
    requirements: &[EnvoyRequirements],
) -> Vec<Finding> {
    let lists = |place: &Value, header: &str| {
        let mut listed = list(place, "request_headers_to_remove").iter().filter_map(Value::as_str);
        listed.any(|removed| removed.eq_ignore_ascii_case(header))
    };
    let virtual_hosts = list(routes, "virtual_hosts");
    let stays = |header: &&str| {
        let in_each = !virtual_hosts.is_empty() && virtual_hosts.iter().all(|host| lists(host, header));
        let is_read = requirements.iter().any(|one| one.headers.contains(*header));
        !is_read && !lists(routes, header) && !in_each && !removes(manager, header)
    };
    let passing = |headers: &[&'static str]| headers.iter().copied().filter(stays).collect::<Vec<_>>();
    let by_host = requirements.iter().any(|one| !one.hosts.is_empty());
    let hosts = if by_host { passing(&HOST_HEADERS) } else { Vec::new() };
    let calls = passing(&CALL_HEADERS);
    let remedy = "add them to request_headers_to_remove of route_config";
    let mut found = Vec::new();
    if !calls.is_empty() {
        let what = format!(
            "listener {name}: some services take another method or path than the judged one from {}",
            calls.join(", ")
        );
        found.push(doubtful(what, remedy));
    }
    if !hosts.is_empty() {
        let what = format!(
            "listener {name}: clients can name another host than the one that decides the environment, by {}",
            hosts.join(", ")
        );
        found.push(doubtful(what, remedy));
    }
    found
}

/// Returns true if a client's headers of this name are removed by a change of headers.
fn removes(manager: &Value, name: &str) -> bool {
    MUTATIONS.iter().any(|(kind, member)| {
        let mutations = find_all(manager, |value| typed(value, kind));
        mutations.iter().flat_map(|one| list(one, member)).any(|change| {
            let pattern = at(change, "remove_on_match/key_matcher");
            text(change, "remove").eq_ignore_ascii_case(name) || filter::matches(pattern, name)
        })
    })
}
