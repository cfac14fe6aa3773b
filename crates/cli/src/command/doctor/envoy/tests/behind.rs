//! Tests of what Envoy does apart from the decision: headers set after it, tunnels, other services that decide, and targets
//! that clients choose.

use super::around::found_alone;
use super::*;

const CONFIG: &str = "/listener/route_config";
const HOST: &str = "/listener/route_config/virtual_hosts/0";

fn own() -> Vec<EnvoyRequirements> {
    let identity = ["x-acme-user".to_owned()].into();
    vec![EnvoyRequirements { identity_headers: identity, ..requirements().remove(0) }]
}

fn adding(place: &str, header: &str, value: &str) -> Value {
    with(place, "request_headers_to_add", json!([{ "header": { "key": header, "value": value } }]))
}

#[test]
fn a_route_that_sets_an_identity_after_the_decision_is_found() {
    let what = "after Latchkey has decided";
    for place in [CONFIG, HOST, "/listener/route_config/virtual_hosts/0/routes/0"] {
        for header in ["x-acme-user", "X-Acme-User", "x_acme_user", "x.acme.user"] {
            found_alone(&adding(place, header, "%REQ(x-user)%"), &own(), Severity::Error, what);
            found_alone(&adding(place, header, "fixed"), &own(), Severity::Warning, what);
        }
    }
    let decision = "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:user)%";
    for (header, value) in [("x-acme-user", decision), ("x-region", "%REQ(x-user)%"), ("x-api-key", "static")]
    {
        assert_eq!(output(&adding(HOST, header, value), &own())[0].0, Severity::Ok, "{header}: {value}");
    }
    let judged = "after Latchkey has judged it";
    found_alone(&adding(HOST, "x-api-key", "%REQ(x-key)%"), &own(), Severity::Warning, judged);
}

#[test]
fn a_connection_that_carries_further_requests_is_found() {
    for (kind, severity) in
        [("h2c", Severity::Error), ("CONNECT", Severity::Warning), ("connect-udp", Severity::Warning)]
    {
        let upgrades = json!([{ "upgrade_type": "websocket" }, { "upgradeType": kind }]);
        let what = format!("upgrade to {}", kind.to_ascii_lowercase());
        found_alone(&with("/listener", "upgrade_configs", upgrades.clone()), &own(), severity, &what);
        let of_route = with("/listener/route_config/virtual_hosts/0/routes/0", "upgrade_configs", upgrades);
        found_alone(&of_route, &own(), severity, &what);
        let off = json!([{ "upgrade_type": kind, "enabled": false }]);
        assert_eq!(output(&with("/listener", "upgrade_configs", off), &own())[0].0, Severity::Ok, "{kind}");
    }
}

#[test]
fn another_service_that_decides_is_found() {
    let settings = |settings: Value| {
        let own = json!({ "envoy.filters.http.ext_authz": { "check_settings": settings } });
        with(HOST, "typed_per_filter_config", own)
    };
    let cluster = |name: &str| json!({ "grpc_service": { "envoy_grpc": { "cluster_name": name } } });
    for other in [cluster("upstream"), json!({ "http_service": { "server_uri": { "cluster": "latchkey" } } })]
    {
        found_alone(&settings(other), &own(), Severity::Error, "host all: another service");
    }
    assert_eq!(output(&settings(cluster("latchkey")), &own())[0].0, Severity::Ok);
    let part = json!({ "with_request_body": { "allow_partial_message": true, "pack_as_bytes": true } });
    found_alone(&settings(part), &own(), Severity::Warning, "host all: allow_partial_message");
}

#[test]
fn a_target_that_a_client_chooses_is_found() {
    let chosen = with(CONFIG, "vhost_header", json!("x-vhost"));
    found_alone(&chosen, &own(), Severity::Warning, "by the header x-vhost");
    let hosts = vec![("*".to_owned(), None)];
    let by_host = vec![EnvoyRequirements { hosts, ..own().remove(0) }];
    let found = output(&chosen, &by_host);
    assert!(found.iter().any(|(severity, _)| *severity == Severity::Error), "{found:?}");
    let action = "/listener/route_config/virtual_hosts/0/routes/0";
    for member in ["cluster_header", "hostRewriteHeader"] {
        let routed = |header: &str| with(action, "route", json!({ member: header }));
        found_alone(&routed("x-target"), &own(), Severity::Warning, "by the header x-target");
        assert_eq!(output(&routed("X-Acme-User"), &own())[0].0, Severity::Ok, "Latchkey sets it");
    }
}

#[test]
fn a_cluster_that_takes_its_address_from_a_header_is_found() {
    let mut all = right();
    let settings = json!({ "use_http_header": true });
    let cluster = json!({ "name": "o", "type": "ORIGINAL_DST", "original_dst_lb_config": settings });
    all["clusters"].as_array_mut().unwrap().push(cluster);
    found_alone(&all, &own(), Severity::Warning, "clients choose the service");
}

#[test]
fn a_field_in_both_spellings_is_found_since_envoy_takes_the_last() {
    let found = output(&with(FILTERS, "failureModeAllow", json!(true)), &own());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == Severity::Error && found[0].1.contains("failure_mode_allow and failureModeAllow"));
}

#[test]
fn a_tap_filter_is_found() {
    let kind = "type.googleapis.com/envoy.extensions.filters.http.tap.v3.Tap";
    let mut all = right();
    let filters = all.pointer_mut("/listener/http_filters").unwrap().as_array_mut().unwrap();
    filters.insert(0, json!({ "name": "tap", "typed_config": { "@type": kind } }));
    found_alone(&all, &own(), Severity::Warning, "a tap writes requests");
}
