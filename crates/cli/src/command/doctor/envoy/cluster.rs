//! Checks of the cluster by which Envoy reaches Latchkey.

use latchkey_server::doctor::Finding;
use serde_json::Value;

use super::walk::{at, find, list, text};
use super::{doubtful, wrong};

pub(super) fn examine(configuration: &Value, filter: &Value) -> Vec<Finding> {
    let name = text(filter, "grpc_service/envoy_grpc/cluster_name");
    if name.is_empty() {
        return Vec::new();
    }
    let Some(cluster) = named(configuration, name) else {
        // The admin address shows a discovered cluster; the file does not.
        return vec![doubtful(
            format!("the cluster {name} is not in this configuration"),
            "give Envoy's admin address, which knows discovered clusters too",
        )];
    };
    let mut found = Vec::new();
    if find(cluster, |value| !at(value, "http2_protocol_options").is_null()).is_empty() {
        found.push(wrong(
            format!("cluster {name} speaks HTTP/1.1, and gRPC needs HTTP/2"),
            "set explicit_http_config: { http2_protocol_options: {} } in its HttpProtocolOptions",
        ));
    }
    if at(cluster, "transport_socket").is_null() && elsewhere(cluster) {
        found.push(doubtful(
            format!("cluster {name} sends credentials in plain text to another machine"),
            "serve Latchkey with tls_cert and tls_key, and give the cluster a transport_socket",
        ));
    }
    if !at(cluster, "transport_socket").is_null() && find(cluster, verifies).is_empty() {
        found.push(wrong(
            format!("cluster {name} accepts any certificate as Latchkey's"),
            "set validation_context: { trusted_ca: … } and match_typed_subject_alt_names",
        ));
    }
    if list_is_empty(cluster, "health_checks") {
        found.push(doubtful(
            format!("cluster {name} has no health check: a replica that ends still gets requests"),
            "set health_checks with grpc_health_check: {}",
        ));
    }
    let replicas = find(cluster, |value| value.is_object() && !at(value, "lb_endpoints").is_null());
    let replicas: usize = replicas.into_iter().map(|one| list(one, "lb_endpoints").len()).sum();
    if replicas > 1 && at(cluster, "outlier_detection").is_null() {
        found.push(doubtful(
            format!("cluster {name} has several replicas and no outlier_detection: one that fails still gets requests"),
            "set outlier_detection: `latchkey envoy-config` with --latchkey for each replica prints it",
        ));
    }
    found
}

/// Members of a TLS context that say which certificates are accepted. What is discovered (SDS) is not in the configuration.
const VERIFIERS: [&str; 4] =
    ["trusted_ca", "system_root_certs", "validation_context_sds_secret_config", "custom_validator_config"];

fn verifies(value: &Value) -> bool {
    value.is_object() && VERIFIERS.iter().any(|member| !at(value, member).is_null())
}

/// Returns the cluster with this name.
pub(super) fn named<'a>(configuration: &'a Value, name: &str) -> Option<&'a Value> {
    let is_it = |value: &Value| {
        value["name"] == *name
            && ["type", "load_assignment", "cluster_type"].iter().any(|key| !at(value, key).is_null())
    };
    find(configuration, is_it).into_iter().next()
}

fn list_is_empty(value: &Value, path: &str) -> bool {
    at(value, path).as_array().is_none_or(Vec::is_empty)
}

/// Returns true if one of its addresses is not on this machine.
fn elsewhere(cluster: &Value) -> bool {
    let addresses = find(cluster, |value| value.is_object() && !at(value, "socket_address").is_null());
    let own =
        |host: &str| host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    addresses.iter().any(|address| !own(text(address, "socket_address/address")))
}
