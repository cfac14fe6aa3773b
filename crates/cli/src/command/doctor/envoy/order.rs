//! Checks of the order of a listener's HTTP filters: each request must reach the one that asks Latchkey.

use latchkey_server::doctor::Finding;
use serde_json::Value;

use super::walk::{at, kinds, list, on, text};
use super::{FILTER, doubtful, wrong};

/// Beginning of the types of HTTP filters.
const HTTP_FILTERS: &str = "envoy.extensions.filters.http.";
/// Filters that can change any part of a request.
const MUTATORS: [&str; 6] = ["lua.", "ext_proc.", "wasm.", "golang.", "dynamic_modules.", "header_mutation."];
/// Message that wraps a filter which runs for a part of the requests alone.
const MATCHER: &str = "envoy.extensions.common.matching.v3.ExtensionWithMatcher";

/// Returns whether a filter asks Latchkey.
pub(super) fn asks_latchkey(filter: &Value) -> bool {
    kinds(filter).contains(&FILTER)
}

fn is_one_of(filter: &Value, names: &[&str]) -> bool {
    let is = |kind: &&str| {
        kind.strip_prefix(HTTP_FILTERS).is_some_and(|kind| names.iter().any(|name| kind.starts_with(name)))
    };
    kinds(filter).iter().any(is)
}

pub(super) fn examine(manager: &Value, name: &str) -> Vec<Finding> {
    let filters = list(manager, "http_filters");
    let Some(asks) = filters.iter().position(asks_latchkey) else {
        return vec![doubtful(
            format!("listener {name} serves without asking Latchkey"),
            "put envoy.filters.http.ext_authz before its router, unless it is meant to be open",
        )];
    };
    let mut found = chain(filters, asks, name);
    found.extend(upgrades(manager, name));
    found
}

/// Checks the filters of upgraded connections, whose own list replaces the listener's.
fn upgrades(manager: &Value, name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for upgrade in list(manager, "upgrade_configs") {
        let filters = list(upgrade, "filters");
        if filters.is_empty() {
            continue;
        }
        let kind = text(upgrade, "upgrade_type");
        match filters.iter().position(asks_latchkey) {
            Some(asks) => found.extend(chain(filters, asks, &format!("{name}, upgrade to {kind}"))),
            None => found.push(wrong(
                format!(
                    "listener {name}: the filters of the upgrade to {kind} take the place of the listener's own, and do not \
                     ask Latchkey: such a request passes"
                ),
                "leave out upgrade_configs.filters, or put envoy.filters.http.ext_authz before the router there too",
            )),
        }
    }
    found
}

/// Checks the filters before and behind the one that asks Latchkey.
fn chain(filters: &[Value], asks: usize, name: &str) -> Vec<Finding> {
    let (before, behind) = (&filters[..asks], &filters[asks + 1..]);
    let mut found = Vec::new();
    if before.iter().any(|filter| is_one_of(filter, &["cache"])) {
        found.push(wrong(
            format!("listener {name}: a cache answers before Latchkey is asked: one caller's response is sent to all"),
            "put the cache behind ext_authz",
        ));
    }
    if before.iter().any(|filter| is_one_of(filter, &["router."])) {
        found.push(wrong(
            format!("listener {name}: the router sends requests on before Latchkey is asked"),
            "put the router behind ext_authz, as the last filter",
        ));
    }
    if behind.iter().any(|filter| is_one_of(filter, &["cache"])) {
        found.push(doubtful(
            format!(
                "listener {name}: a cache behind Latchkey sends one caller's response to another that requests the path"
            ),
            "leave it out, or let the service answer with cache-control: private, or with vary for each header that names the \
             caller",
        ));
    }
    for filter in behind.iter().filter(|filter| is_one_of(filter, &MUTATORS) && changes_requests(filter)) {
        found.push(doubtful(
            format!(
                "listener {name}: the filter {} can change a request after Latchkey has decided",
                text(filter, "name")
            ),
            "put it before ext_authz, unless it changes neither method nor path nor a header that the service trusts",
        ));
    }
    found.extend(for_all(&filters[asks], name));
    found
}

/// Returns false for a filter that changes responses alone.
fn changes_requests(filter: &Value) -> bool {
    let mutations = at(filter, "typed_config/mutations");
    mutations.is_null() || !list(mutations, "request_mutations").is_empty()
}

/// Checks that the filter runs for every request.
fn for_all(filter: &Value, name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if on(filter, "disabled") {
        found.push(wrong(
            format!("listener {name}: the filter is disabled, and routes must enable it one by one"),
            "leave out disabled: true",
        ));
    }
    if kinds(filter).contains(&MATCHER) {
        found.push(doubtful(
            format!(
                "listener {name}: a matcher selects the requests that Latchkey is asked about; others pass"
            ),
            "put ext_authz into the list of filters itself, without a matcher",
        ));
    }
    found
}
