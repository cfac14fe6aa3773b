//! Destination of a route, and why a request of an endpoint must not get there.

use std::collections::BTreeSet;

use latchkey_server::doctor::Finding;
use serde_json::Value;

use super::walk::{at, list, text};
use super::{doubtful, wrong};

/// Members by which a route changes the path.
const REWRITES: [&str; 4] = ["prefix_rewrite", "regex_rewrite", "path_rewrite_policy", "path_rewrite"];
/// Members that choose the cluster of each request.
const CHOICES: [&str; 3] = ["cluster_header", "cluster_specifier_plugin", "inline_cluster_specifier_plugin"];
const LEAK: &str = "the service there receives the credentials of key managers";

/// Names of clusters that do not serve endpoints.
pub(super) struct OtherClusters<'a> {
    /// Clusters of the product's service.
    pub(super) services: BTreeSet<&'a str>,
    /// Clusters of Latchkey's gRPC port.
    pub(super) grpc: &'a BTreeSet<&'a str>,
}

/// Returns the names of all clusters that a route sends a request to.
pub(super) fn clusters(route: &Value) -> impl Iterator<Item = &str> {
    let one = Some(text(route, "route/cluster")).filter(|name| !name.is_empty());
    one.into_iter().chain(weighted(route))
}

fn weighted(route: &Value) -> impl Iterator<Item = &str> {
    list(route, "route/weighted_clusters/clusters").iter().map(|one| text(one, "name"))
}

/// Returns the clusters that a route, or else its host or its list of routes, copies requests to.
fn mirrors<'a>(route: &'a Value, around: &[&'a Value]) -> Vec<&'a str> {
    let own = list(route, "route/request_mirror_policies");
    let inherited = || around.iter().map(|place| list(place, "request_mirror_policies"));
    let policies = if own.is_empty() { inherited().find(|found| !found.is_empty()) } else { Some(own) };
    policies.into_iter().flatten().map(|policy| text(policy, "cluster")).collect()
}

/// Returns why a route does not serve an endpoint: `None` if it sends the whole request unchanged to one cluster that is
/// neither the service nor the gRPC port. `around` are the host and the list of routes, and `label` names the endpoint.
pub(super) fn misroutes(
    route: &Value,
    around: &[&Value],
    others: &OtherClusters<'_>,
    label: &str,
) -> Option<Finding> {
    let remedy = "route it to a cluster of Latchkey's HTTP port before the routes of the service: `latchkey envoy-config \
                  --latchkey-http HOST:PORT` prints how";
    let what = |flaw: String| format!("{label}, and Envoy {flaw}");
    let redirect = at(route, "redirect");
    if !redirect.is_null() {
        let flaw = what("redirects it: the endpoint does not respond here".to_owned());
        let to_https = at(redirect, "https_redirect").as_bool() == Some(true)
            || text(redirect, "scheme_redirect").eq_ignore_ascii_case("https");
        return Some(if to_https { doubtful(flaw, remedy) } else { wrong(flaw, remedy) });
    }
    let weighted: Vec<&str> = weighted(route).collect();
    let mirrors = mirrors(route, around);
    let given =
        |names: &[&'static str]| names.iter().copied().find(|name| !at(at(route, "route"), name).is_null());
    let cluster = text(route, "route/cluster");
    let flaw = if !weighted.is_empty() {
        format!("divides it among the clusters {} by weight: {LEAK}", weighted.join(", "))
    } else if let Some(choice) = given(&CHOICES) {
        format!("chooses its cluster by {choice}: {LEAK}")
    } else if cluster.is_empty() {
        "responds to it itself: the endpoint does not respond".to_owned()
    } else if others.services.contains(cluster) {
        format!("sends it to the cluster {cluster}: {LEAK}")
    } else if others.grpc.contains(cluster) {
        format!(
            "sends it to the cluster {cluster}, which is Latchkey's gRPC port: the endpoint does not respond"
        )
    } else if !mirrors.is_empty() {
        format!("copies it to the cluster {} (request_mirror_policies): {LEAK}", mirrors.join(", "))
    } else {
        let rewrite = given(&REWRITES)?;
        format!("changes its path by {rewrite}: the endpoint does not respond")
    };
    Some(wrong(what(flaw), remedy))
}
