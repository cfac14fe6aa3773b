//! An Envoy set-up, read from its YAML or from its admin address, and what in it would let somebody past
//! Latchkey, wait for it too shortly or too long, show it too little, or show a credential to others.

mod cluster;
mod filter;
mod manager;
mod route;
mod source;
mod walk;

use latchkey_server::authoring::Needs;
use latchkey_server::doctor::{Area, Finding, Weight};
use serde_json::Value;

pub(super) use source::read;
use walk::{find, typed};

const FILTER: &str = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
const PER_ROUTE: &str = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute";
const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::new(Area::Envoy, Weight::Wrong, what, remedy)
}

fn doubtful(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::new(Area::Envoy, Weight::Doubtful, what, remedy)
}

/// Everything that is found in a configuration, given what the profiles in force look at.
pub(super) fn examine(configuration: &Value, needs: &[Needs]) -> Vec<Finding> {
    let filters = find(configuration, |value| typed(value, FILTER));
    let mut findings = Vec::new();
    if filters.is_empty() {
        let remedy = "put envoy.filters.http.ext_authz before the router: `latchkey envoy-config` prints how";
        return vec![wrong("no filter asks Latchkey: everybody passes", remedy)];
    }
    for manager in find(configuration, |value| typed(value, MANAGER)) {
        findings.extend(manager::examine(manager, needs));
    }
    for filter in filters {
        findings.extend(filter::examine(filter, needs));
        findings.extend(cluster::examine(configuration, filter));
    }
    findings.extend(route::examine(configuration));
    // One filter on many listeners is one matter.
    let mut told = Vec::new();
    findings.retain(|finding| {
        let new = !told.contains(&finding.what);
        told.push(finding.what.clone());
        new
    });
    if findings.is_empty() {
        findings.push(Finding::new(Area::Envoy, Weight::Good, "it asks Latchkey about every request", ""));
    }
    findings
}

#[cfg(test)]
mod tests;
