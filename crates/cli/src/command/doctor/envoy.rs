//! Checks of an Envoy configuration, read from YAML or from the admin address. They find requests that pass without a
//! Check, a timeout that is too short or too long, data that Latchkey needs and does not get, and disclosed
//! credentials.

mod behind;
mod cluster;
mod destination;
mod discovery;
mod endpoints;
mod environments;
mod extensions;
mod filter;
mod log;
mod manager;
mod network;
mod order;
mod port;
mod route;
mod route_match;
mod runtime;
mod source;
mod spellings;
mod upgrades;
mod walk;

use std::time::Duration;

use latchkey_server::doctor::{Area, CheckPort, Finding, Severity};
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

pub(super) use source::read;
use walk::{at, find, text, typed, untyped};

const FILTER: &str = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
const PER_ROUTE: &str = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute";
const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::new(Area::Envoy, Severity::Error, what, remedy)
}

fn doubtful(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::new(Area::Envoy, Severity::Warning, what, remedy)
}

/// Returns all findings in a configuration, given what the profiles in force read, the maximum duration of a Check, and
/// what the gRPC port requires of its callers, if that is known.
pub(super) fn examine(
    configuration: &Value,
    requirements: &[EnvoyRequirements],
    check_deadline: Duration,
    port: Option<CheckPort>,
) -> Vec<Finding> {
    let configuration = &untyped(configuration);
    let filters = find(configuration, |value| typed(value, FILTER));
    let mut findings = Vec::new();
    findings.extend(discovery::listeners(configuration));
    if filters.is_empty() {
        let Some(discovered) = discovery::filters(configuration) else {
            let remedy =
                "put envoy.filters.http.ext_authz before the router: `latchkey envoy-config` prints how";
            findings.insert(0, wrong("no filter asks Latchkey: every request passes", remedy));
            return findings;
        };
        findings.push(discovered);
    }
    findings.extend(network::examine(configuration));
    for manager in find(configuration, |value| typed(value, MANAGER)) {
        findings.extend(manager::examine(configuration, manager, requirements));
    }
    for filter in filters {
        findings.extend(filter::examine(filter, requirements, check_deadline));
        findings.extend(runtime::examine(configuration, filter));
        findings.extend(cluster::examine(configuration, filter));
        findings.extend(port.iter().flat_map(|port| port::examine(configuration, filter, *port)));
    }
    let asking = &order::asking(configuration);
    findings.extend(route::examine(asking, requirements));
    findings.extend(extensions::examine(asking, requirements));
    findings.extend(environments::examine(asking, requirements));
    findings.extend(behind::examine(configuration, requirements));
    findings.extend(log::examine(configuration, requirements));
    findings.extend(admin(configuration));
    // A filter that several listeners have is reported once.
    let mut output = Vec::new();
    findings.retain(|finding| {
        let new = !output.contains(&finding.message);
        output.push(finding.message.clone());
        new
    });
    if findings.is_empty() {
        findings.push(Finding::new(Area::Envoy, Severity::Ok, "it asks Latchkey about every request", ""));
    }
    findings
}

/// Checks that no other machine reaches the admin interface.
fn admin(configuration: &Value) -> Option<Finding> {
    let holds = |value: &Value| value.is_object() && at(value, "admin").is_object();
    let open = |value: &Value| {
        let host = text(value, "admin/address/socket_address/address");
        !host.is_empty() && !host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    };
    find(configuration, holds).into_iter().any(open).then(|| {
        doubtful(
            "other machines can reach Envoy's admin interface, stop it and read its configuration",
            "set the admin address to 127.0.0.1 or a Unix socket, or leave it out (`latchkey envoy-config --admin`)",
        )
    })
}

#[cfg(test)]
mod tests;
