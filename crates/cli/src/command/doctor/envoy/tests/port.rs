//! Comparison of Envoy's cluster with the settings of the gRPC port.

use super::*;

const PLAIN: CheckPort = CheckPort { tls: false, certificate: false, key: false };

fn found(configuration: &Value, port: CheckPort) -> Vec<(Severity, String)> {
    let found = examine(configuration, &requirements(), Duration::from_millis(150), Some(port));
    found.into_iter().map(|finding| (finding.severity, finding.message)).collect()
}

/// Returns the correct configuration with TLS to Latchkey, with these certificates of Envoy's own.
fn by_tls(certificates: &Value) -> Value {
    let context = json!({ "validation_context": { "trusted_ca": { "filename": "/ca.pem" } }, "tls_certificates": certificates });
    let socket = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": context,
        },
    });
    with("/clusters/0", "transport_socket", socket)
}

#[test]
fn tls_is_on_both_sides_or_on_none() {
    let (by_tls, tls) = (by_tls(&json!([])), CheckPort { tls: true, ..PLAIN });
    for (configuration, port) in [(&right(), PLAIN), (&by_tls, tls)] {
        assert_eq!(found(configuration, port)[0].0, Severity::Ok);
    }
    for (configuration, port, severity, words) in [
        (&right(), tls, Severity::Error, "speaks plain text"),
        (&by_tls, PLAIN, Severity::Warning, "speaks TLS"),
    ] {
        let found = found(configuration, port);
        assert!(found.len() == 1 && found[0].0 == severity && found[0].1.contains(words), "{found:?}");
    }
}

#[test]
fn envoy_presents_the_certificate_or_the_key_that_latchkey_requires() {
    let mutual = CheckPort { tls: true, certificate: true, key: false };
    let missing = found(&by_tls(&json!([])), mutual);
    assert!(missing.len() == 1 && missing[0].1.contains("presents no certificate"), "{missing:?}");
    let pair = json!([{ "certificate_chain": { "filename": "/cert.pem" }, "private_key": { "filename": "/key.pem" } }]);
    assert_eq!(found(&by_tls(&pair), mutual)[0].0, Severity::Ok);
    let with_key = CheckPort { key: true, ..PLAIN };
    let missing = found(&right(), with_key);
    assert!(missing.len() == 1 && missing[0].1.contains("check_auth is \"key\""), "{missing:?}");
    let service = format!("{FILTERS}/grpc_service");
    let metadata = json!([{ "key": "Authorization", "value": "Bearer %ENVIRONMENT(KEY)%" }]);
    assert_eq!(found(&with(&service, "initial_metadata", metadata), with_key)[0].0, Severity::Ok);
}
