//! Listeners that pass connections on without the HTTP filters that ask Latchkey.

use latchkey_server::doctor::Finding;
use serde_json::Value;

use super::walk::{at, find, kinds, list, text};
use super::{MANAGER, doubtful};

pub(super) fn examine(configuration: &Value) -> Vec<Finding> {
    let has_chains = |value: &Value| {
        value.is_object()
            && (!list(value, "filter_chains").is_empty() || at(value, "default_filter_chain").is_object())
    };
    let mut found = Vec::new();
    for listener in find(configuration, has_chains) {
        for chain in list(listener, "filter_chains").iter().chain([at(listener, "default_filter_chain")]) {
            let filters = list(chain, "filters");
            if filters.is_empty() || filters.iter().any(|filter| kinds(filter).contains(&MANAGER)) {
                continue;
            }
            let names: Vec<&str> = filters.iter().map(|filter| text(filter, "name")).collect();
            found.push(doubtful(
                format!(
                    "listener {}: {} passes connections on without asking Latchkey",
                    text(listener, "name"),
                    names.join(", ")
                ),
                "serve it by an HTTP connection manager with envoy.filters.http.ext_authz, unless it is meant to be open",
            ));
        }
    }
    found
}
