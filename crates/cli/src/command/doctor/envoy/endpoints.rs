//! Routes of the paths that Latchkey serves itself. If Envoy sends them to the product's service, that one receives the
//! credentials of key managers, since Envoy keeps the credential of such a request.

use std::collections::BTreeSet;

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::{EndpointPath, EnvoyRequirements};
use serde_json::Value;

use super::destination::{OtherClusters, clusters, misroutes};
use super::doubtful;
use super::route_match::{MatchResult, fits, takes};
use super::walk::{at, find_all, list};

/// Path of no endpoint.
const OTHER_PATH: &str = "/latchkey-doctor/no-endpoint";

/// Checks the routes of a listener. `grpc` are the clusters of Latchkey's gRPC port.
pub(super) fn examine(
    routes: &Value,
    name: &str,
    requirements: &[EnvoyRequirements],
    grpc: &BTreeSet<&str>,
) -> Vec<Finding> {
    let hosts = list(routes, "virtual_hosts");
    let mut found = Vec::new();
    for requirements in requirements {
        for host in hosts.iter().filter(|host| serves(host, requirements)) {
            let others = OtherClusters { services: services(host, requirements), grpc };
            let faults = requirements.endpoints.iter();
            found.extend(faults.filter_map(|path| misrouted(path, name, host, routes, &others)));
        }
    }
    found
}

/// Returns the clusters that get requests which are no endpoint's: those of a path that no profile has, and of the
/// profile's other routes.
fn services<'h>(host: &'h Value, requirements: &EnvoyRequirements) -> BTreeSet<&'h str> {
    let routes = list(host, "routes");
    let of_other_path =
        routes.iter().filter(|route| takes(at(route, "match"), OTHER_PATH, "GET") != MatchResult::Never);
    let mut services: BTreeSet<&str> = of_other_path.flat_map(clusters).collect();
    let is_endpoint = |path: &str| {
        let mut endpoints = requirements.endpoints.iter();
        endpoints.any(|endpoint| fits(&endpoint.regex, path) != MatchResult::Never)
    };
    for (method, path) in requirements.upstream_requests.iter().filter(|(_, path)| !is_endpoint(path)) {
        let taken = |route: &&Value| takes(at(route, "match"), path, method) == MatchResult::Always;
        services.extend(routes.iter().find(taken).into_iter().flat_map(clusters));
    }
    services
}

/// Returns whether a virtual host is one of the profile: it names the profile, or none.
fn serves(host: &Value, requirements: &EnvoyRequirements) -> bool {
    let named = find_all(host, |value| at(value, "context_extensions").is_object());
    let profiles: Vec<&str> =
        named.iter().filter_map(|value| at(value, "context_extensions")["profile"].as_str()).collect();
    profiles.is_empty() || profiles.contains(&requirements.name.as_str())
}

/// Returns the finding in the first of the endpoint's requests that does not reach Latchkey. Latchkey serves a path with and
/// without a slash at its end.
fn misrouted(
    path: &EndpointPath,
    name: &str,
    host: &Value,
    all: &Value,
    others: &OtherClusters<'_>,
) -> Option<Finding> {
    let methods: Vec<&str> = path.methods.iter().map(String::as_str).collect();
    let label =
        format!("listener {name}: {} {} is an endpoint of the profile", methods.join(","), path.pattern);
    let bare = path.sample.trim_end_matches('/');
    let forms = [bare.to_owned(), format!("{bare}/")];
    for form in forms.iter().filter(|form| !form.is_empty()) {
        for method in &methods {
            if let Some(found) = first_fault(form, method, host, all, others, &label) {
                return Some(found);
            }
        }
    }
    None
}

/// Returns the finding in the routes that take a request, in order, up to the first one that takes it for certain.
fn first_fault(
    path: &str,
    method: &str,
    host: &Value,
    all: &Value,
    others: &OtherClusters<'_>,
    label: &str,
) -> Option<Finding> {
    for route in list(host, "routes") {
        let (taken, label) = match takes(at(route, "match"), path, method) {
            MatchResult::Never => continue,
            MatchResult::Perhaps => (false, format!("{label}, for some requests by {}", at(route, "match"))),
            MatchResult::Always => (true, form_of(label, path)),
        };
        let fault = misroutes(route, &[host, all], others, &label);
        if fault.is_some() || taken {
            return fault;
        }
    }
    let remedy = "route it to a cluster of Latchkey's HTTP port: `latchkey envoy-config --latchkey-http HOST:PORT` prints how";
    Some(doubtful(format!("{}, and no route takes it", form_of(label, path)), remedy))
}

/// Returns the label of an endpoint with the words that a slash is at the end of the path, if there is one.
fn form_of(label: &str, path: &str) -> String {
    if path.len() > 1 && path.ends_with('/') {
        format!("{label}, also with a slash at its end")
    } else {
        label.to_owned()
    }
}
