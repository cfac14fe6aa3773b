//! Checks of the order of a listener's HTTP filters: each request must reach the one that asks Latchkey.

use latchkey_server::doctor::Finding;
use serde_json::{Map, Value};

use super::walk::{at, kinds, list, on, text, typed};
use super::{FILTER, MANAGER, doubtful, route, wrong};

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

/// Returns whether a connection manager has a filter that asks Latchkey.
pub(super) fn asks(manager: &Value) -> bool {
    list(manager, "http_filters").iter().any(asks_latchkey)
}

/// Returns the configuration without the connection managers that do not ask Latchkey: nothing else is checked of them.
pub(super) fn asking(configuration: &Value) -> Value {
    match configuration {
        Value::Array(items) => items.iter().map(asking).collect(),
        manager if typed(manager, MANAGER) && !asks(manager) => Value::Null,
        Value::Object(members) => {
            let each = |(name, member): (&String, &Value)| (name.clone(), asking(member));
            members.iter().map(each).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Returns whether Envoy responds to a request of a route itself, so that no service gets it.
fn is_answered(route: &Value) -> bool {
    ["redirect", "direct_response"].iter().any(|member| !at(route, member).is_null())
}

/// Returns all routes, each with the places whose settings count for it, the nearest one first.
fn places(routes: &Value) -> impl Iterator<Item = [&Value; 3]> {
    list(routes, "virtual_hosts")
        .iter()
        .flat_map(move |host| list(host, "routes").iter().map(move |route| [route, host, routes]))
}

/// Checks the order of the filters of a connection manager. `routes` are its routes, if they are known.
pub(super) fn examine(manager: &Value, name: &str, routes: Option<&Value>) -> Vec<Finding> {
    let filters = list(manager, "http_filters");
    let Some(asks) = filters.iter().position(asks_latchkey) else {
        let reaches_a_service = |routes: &Value| {
            places(routes).next().is_none() || !places(routes).all(|[route, ..]| is_answered(route))
        };
        if !routes.is_none_or(reaches_a_service) {
            return Vec::new();
        }
        return vec![doubtful(
            format!("listener {name} serves without asking Latchkey"),
            "put envoy.filters.http.ext_authz before its router, unless it is meant to be open",
        )];
    };
    let mut found = chain(filters, asks, name, routes);
    found.extend(upgrades(manager, name, routes));
    found
}

/// Checks the filters of upgraded connections, whose own list replaces the listener's.
fn upgrades(manager: &Value, name: &str, routes: Option<&Value>) -> Vec<Finding> {
    let mut found = Vec::new();
    for upgrade in list(manager, "upgrade_configs") {
        let filters = list(upgrade, "filters");
        if filters.is_empty() {
            continue;
        }
        let kind = text(upgrade, "upgrade_type");
        match filters.iter().position(asks_latchkey) {
            Some(asks) => {
                found.extend(chain(filters, asks, &format!("{name}, upgrade to {kind}"), routes));
            }
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
fn chain(filters: &[Value], asks: usize, name: &str, routes: Option<&Value>) -> Vec<Finding> {
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
    found.extend(for_all(&filters[asks], name, routes));
    found
}

/// Returns false for a filter that changes responses alone.
fn changes_requests(filter: &Value) -> bool {
    let mutations = at(filter, "typed_config/mutations");
    mutations.is_null() || !list(mutations, "request_mutations").is_empty()
}

/// Checks that the filter runs for every request.
fn for_all(filter: &Value, name: &str, routes: Option<&Value>) -> Vec<Finding> {
    let mut found = Vec::new();
    if on(filter, "disabled") {
        found.extend(disabled(text(filter, "name"), name, routes));
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

/// Checks that routes enable a filter that is disabled for all of them, as Envoy Gateway configures it.
fn disabled(filter: &str, name: &str, routes: Option<&Value>) -> Option<Finding> {
    let what = format!("listener {name}: the filter is disabled, and routes must enable it one by one");
    let remedy = "leave out disabled: true";
    let Some(routes) = routes else { return Some(doubtful(what, remedy)) };
    let setting =
        |place: &Value| at(place, "typed_per_filter_config").get(filter).map(|own| !on(own, "disabled"));
    let is_enabled =
        |around: &[&Value; 3]| around.iter().find_map(|place| setting(place)).unwrap_or_default();
    let mut open = Vec::new();
    let mut enabled = 0;
    for around in places(routes).filter(|[route, ..]| !is_answered(route)) {
        if is_enabled(&around) {
            enabled += 1;
        } else {
            open.push(route::name(around[0]));
        }
    }
    match (enabled, open.as_slice()) {
        (0, _) => Some(wrong(what, remedy)),
        (_, []) => None,
        (_, open) => Some(doubtful(
            format!(
                "listener {name}: the filter is disabled, and nothing enables it for {}",
                open.join(", ")
            ),
            "enable it there too, unless they are meant to be open",
        )),
    }
}
