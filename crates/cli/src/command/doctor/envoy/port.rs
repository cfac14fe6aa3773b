//! Comparison of the cluster by which Envoy reaches Latchkey with Latchkey's own settings: TLS, and what a caller of Check
//! presents.

use latchkey_server::doctor::{CheckPort, Finding};
use serde_json::Value;

use super::cluster;
use super::walk::{find, list, text, typed};
use super::{doubtful, wrong};

const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
/// Name of the transport socket of TLS.
const TLS_NAME: &str = "envoy.transport_sockets.tls";
/// Members of a TLS context by which a client has a certificate.
const CERTIFICATES: [&str; 2] = ["tls_certificates", "tls_certificate_sds_secret_configs"];
/// Headers that Latchkey reads the key of a caller from.
const KEYS: [&str; 2] = ["authorization", "x-api-key"];

/// Returns the findings in a filter and its cluster, given what the gRPC port requires.
pub(super) fn examine(configuration: &Value, filter: &Value, port: CheckPort) -> Vec<Finding> {
    let name = text(filter, "grpc_service/envoy_grpc/cluster_name");
    let Some(cluster) = cluster::named(configuration, name).filter(|_| !name.is_empty()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    match (port.tls, speaks_tls(cluster)) {
        (true, false) => found.push(wrong(
            format!("cluster {name} speaks plain text, and Latchkey serves its gRPC port by TLS (tls_cert): no Check gets there"),
            "give the cluster a transport_socket: `latchkey envoy-config --latchkey-ca PATH` prints it",
        )),
        // A proxy beside Latchkey may end TLS.
        (false, true) => found.push(doubtful(
            format!(
                "cluster {name} speaks TLS, and Latchkey serves its gRPC port in plain text: no Check gets there, unless \
                 another proxy ends TLS"
            ),
            "set tls_cert and tls_key of Latchkey, or remove the transport_socket of the cluster",
        )),
        (true, true) if port.certificate && !has_certificate(cluster) => found.push(wrong(
            format!(
                "cluster {name} presents no certificate, and Latchkey requires one of tls_client_ca: no Check gets there"
            ),
            "set tls_certificates in its transport_socket: `latchkey envoy-config --client-cert PATH --client-key PATH` \
             prints it",
        )),
        (true, true) | (false, false) => {}
    }
    if port.key && !sends_key(filter) {
        found.push(wrong(
            "Envoy sends no key of its own, and check_auth is \"key\": every Check is refused",
            "set grpc_service.initial_metadata with authorization: `latchkey envoy-config --caller-key-variable NAME` \
             prints it",
        ));
    }
    found
}

fn speaks_tls(cluster: &Value) -> bool {
    let is_tls = |value: &Value| typed(value, TLS) || value["name"] == *TLS_NAME;
    !find(cluster, is_tls).is_empty()
}

fn has_certificate(cluster: &Value) -> bool {
    let has = |value: &Value| CERTIFICATES.iter().any(|member| !list(value, member).is_empty());
    !find(cluster, |value| value.is_object() && has(value)).is_empty()
}

fn sends_key(filter: &Value) -> bool {
    let metadata = list(filter, "grpc_service/initial_metadata");
    metadata.iter().any(|header| KEYS.iter().any(|key| text(header, "key").eq_ignore_ascii_case(key)))
}
