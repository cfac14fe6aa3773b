//! Tests of a correct configuration, and of each error that it can have, one at a time.

use serde_json::{Value, json};

mod around;
mod behind;
mod extensions;
mod hosts;
mod port;
mod spellings;
mod timeout;
mod ways_around;

use super::*;
use crate::command::envoy_config::{CALL_HEADERS, HOST_HEADERS};

/// Returns the headers that `latchkey envoy-config` lets Envoy remove.
fn removed_headers() -> Vec<&'static str> {
    CALL_HEADERS.into_iter().chain(HOST_HEADERS).collect()
}

fn right() -> Value {
    let filter = json!({
        "@type": format!("type.googleapis.com/{FILTER}"),
        "failure_mode_allow": false, "status_on_error": { "code": "ServiceUnavailable" }, "encode_raw_headers": true,
        "allowed_headers": { "patterns": [{ "exact": "X-Api-Key" }, { "prefix": "x-request" }, { "exact": "traceparent" }] },
        "grpc_service": { "envoy_grpc": { "cluster_name": "latchkey" }, "timeout": "0.2s" },
    });
    let router = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" });
    json!({
        "listener": {
            "@type": format!("type.googleapis.com/{MANAGER}"), "stat_prefix": "front", "normalize_path": true, "merge_slashes": true,
            "path_with_escaped_slashes_action": "REJECT_REQUEST",
            "strip_any_host_port": true, "strip_trailing_host_dot": true,
            "common_http_protocol_options": { "headers_with_underscores_action": "REJECT_REQUEST" },
            "early_header_mutation_extensions": [{ "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                "mutations": [{ "remove_on_match": { "key_matcher": { "safe_regex": { "regex": ".*[^a-z0-9:_-].*" } } } }],
            } }],
            "http_filters": [
                { "name": "envoy.filters.http.ext_authz", "typed_config": filter },
                { "name": "envoy.filters.http.router", "typed_config": router },
            ],
            "route_config": {
                "request_headers_to_remove": removed_headers(),
                "virtual_hosts": [{ "name": "all", "routes": [{ "match": { "prefix": "/" } }] }],
            },
        },
        "clusters": [{
            "name": "latchkey", "type": "STATIC", "health_checks": [{ "grpc_health_check": {} }],
            "typed_extension_protocol_options": { "x": { "explicit_http_config": { "http2_protocol_options": {} } } },
            "load_assignment": { "endpoints": [{ "address": { "socket_address": { "address": "127.0.0.1" } } }] },
        }],
    })
}

fn requirements() -> Vec<EnvoyRequirements> {
    let headers = ["x-api-key", "x-request-id", "traceparent"].map(str::to_owned).into();
    let resources = ["shop".to_owned()].into();
    vec![EnvoyRequirements { name: "p".to_owned(), headers, resources, ..EnvoyRequirements::default() }]
}

const FILTERS: &str = "/listener/http_filters/0/typed_config";

/// Returns the correct configuration with one member of one object changed; null removes it.
fn with(place: &str, member: &str, value: Value) -> Value {
    let mut all = right();
    all.pointer_mut(place).unwrap_or_else(|| panic!("{place}"))[member] = value;
    all
}

fn output(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<(Severity, String)> {
    examine(configuration, requirements, Duration::from_millis(150), None)
        .into_iter()
        .map(|finding| (finding.severity, finding.message))
        .collect()
}

#[test]
fn a_correct_configuration_has_one_finding_that_says_so() {
    let found = output(&right(), &requirements());
    assert!(found.len() == 1 && found[0].0 == Severity::Ok, "{found:?}");
}

/// Path, member, replaced value and expected finding.
type Case = (&'static str, &'static str, Value, Severity, &'static str);

fn filter_cases() -> Vec<Case> {
    vec![
        (FILTERS, "failure_mode_allow", json!(true), Severity::Error, "failure_mode_allow"),
        (
            FILTERS,
            "filter_enabled",
            json!({ "default_value": { "numerator": 50 } }),
            Severity::Error,
            "filter_enabled",
        ),
        (
            FILTERS,
            "filter_enabled_metadata",
            json!({ "filter": "x" }),
            Severity::Warning,
            "filter_enabled_metadata",
        ),
        (FILTERS, "grpc_service", Value::Null, Severity::Error, "over HTTP"),
        (FILTERS, "encode_raw_headers", json!(false), Severity::Warning, "encode_raw_headers"),
        (FILTERS, "allowed_headers", Value::Null, Severity::Warning, "allowed_headers"),
        (
            FILTERS,
            "allowed_headers",
            json!({ "patterns": [{ "prefix": "x-" }] }),
            Severity::Error,
            "traceparent",
        ),
        (
            FILTERS,
            "disallowed_headers",
            json!({ "patterns": [{ "exact": "x-api-key" }] }),
            Severity::Error,
            "x-api-key",
        ),
        (
            FILTERS,
            "with_request_body",
            json!({ "max_request_bytes": 1 }),
            Severity::Warning,
            "with_request_body",
        ),
        (
            FILTERS,
            "decoder_header_mutation_rules",
            json!({ "disallow_all": true }),
            Severity::Error,
            "removing the credential",
        ),
        (FILTERS, "clear_route_cache", json!(true), Severity::Warning, "clear_route_cache"),
        (FILTERS, "status_on_error", Value::Null, Severity::Warning, "status_on_error"),
        (FILTERS, "status_on_error", json!({ "code": "OK" }), Severity::Error, "status_on_error"),
        (FILTERS, "status_on_error", json!({ "code": 399 }), Severity::Error, "status_on_error"),
    ]
}

fn surrounding_cases() -> Vec<Case> {
    let listener = "/listener";
    vec![
        ("/listener/http_filters/0", "disabled", json!(true), Severity::Error, "disabled"),
        (listener, "normalize_path", json!(false), Severity::Warning, "dot segments"),
        (listener, "merge_slashes", Value::Null, Severity::Warning, "double slashes"),
        (
            listener,
            "path_with_escaped_slashes_action",
            json!("UNESCAPE_AND_FORWARD"),
            Severity::Warning,
            "encoded slashes",
        ),
        (listener, "strip_any_host_port", Value::Null, Severity::Warning, "a host with a port"),
        (listener, "strip_trailing_host_dot", json!(false), Severity::Warning, "a dot at its end"),
        (listener, "common_http_protocol_options", json!({}), Severity::Warning, "x_key passes beside x-key"),
        (listener, "xff_num_trusted_hops", json!(1), Severity::Error, "trusts 1 proxies"),
        (
            listener,
            "access_log",
            json!([{ "format": "%REQ(Authorization:8)%" }]),
            Severity::Error,
            "writes credentials",
        ),
        (
            listener,
            "access_log",
            json!([{ "json_format": { "key": "%REQ(x-other?X-API-KEY):9%" } }]),
            Severity::Error,
            "writes credentials",
        ),
        ("/clusters/0", "typed_extension_protocol_options", Value::Null, Severity::Error, "HTTP/1.1"),
        ("/clusters/0", "health_checks", Value::Null, Severity::Warning, "health check"),
        ("/clusters/0", "name", json!("other"), Severity::Warning, "not in this configuration"),
        (
            "/clusters/0",
            "transport_socket",
            json!({ "name": "tls" }),
            Severity::Error,
            "accepts any certificate",
        ),
        (
            "/clusters/0/load_assignment/endpoints/0/address/socket_address",
            "address",
            json!("10.0.0.1"),
            Severity::Warning,
            "plain text",
        ),
    ]
}

#[test]
fn each_mistake_is_found_alone() {
    for (place, member, value, severity, words) in filter_cases().into_iter().chain(surrounding_cases()) {
        let found = output(&with(place, member, value.clone()), &requirements());
        assert!(
            found.len() == 1 && found[0].0 == severity && found[0].1.contains(words),
            "{place} {member} {value}: {found:?}"
        );
    }
}

#[test]
fn hosts_that_decide_the_environment_are_distinguished_by_envoy_too() {
    let hosts = vec![("a.dev".to_owned(), Some("live".to_owned()))];
    let requirements = vec![EnvoyRequirements { hosts, ..requirements().remove(0) }];
    let host = "/listener/route_config/virtual_hosts/0";
    let severities = |configuration: &Value| {
        let found = output(configuration, &requirements);
        found.into_iter().map(|(severity, _)| severity).collect::<Vec<_>>()
    };
    let unnamed = with(host, "domains", json!(["a.dev"]));
    assert_eq!(severities(&unnamed), [Severity::Warning], "no environment");
    let mut named = unnamed;
    let settings = json!({ "check_settings": { "context_extensions": { "environment": "live" } } });
    named.pointer_mut(host).unwrap()["typed_per_filter_config"] =
        json!({ "envoy.filters.http.ext_authz": settings });
    assert_eq!(severities(&named), [Severity::Ok]);
    named["listener"]["strip_any_host_port"] = json!(false);
    assert_eq!(severities(&named), [Severity::Error]);
}

#[test]
fn a_route_without_bodies_names_the_resources_that_they_would_name() {
    let body_resources = vec!["shop".to_owned()];
    let requirements = vec![EnvoyRequirements { body: true, body_resources, ..requirements().remove(0) }];
    let severities = |settings: Value| {
        let body = json!({ "max_request_bytes": 65_536, "pack_as_bytes": true });
        let mut configuration = with(FILTERS, "with_request_body", body);
        configuration.pointer_mut("/listener/route_config/virtual_hosts/0").unwrap()["typed_per_filter_config"] =
            json!({ "envoy.filters.http.ext_authz": { "check_settings": settings } });
        let found = output(&configuration, &requirements);
        found.into_iter().map(|(severity, _)| severity).collect::<Vec<_>>()
    };
    assert_eq!(severities(json!({ "disable_request_body_buffering": true })), [Severity::Error]);
    let named =
        json!({ "disable_request_body_buffering": true, "context_extensions": { "resource.shop": "-" } });
    assert_eq!(severities(named), [Severity::Ok]);
    assert_eq!(severities(json!({ "context_extensions": { "profile": "p" } })), [Severity::Ok]);
}

#[test]
fn a_body_is_sent_whole_and_unchanged() {
    let requirements = vec![EnvoyRequirements { body: true, ..requirements().remove(0) }];
    let severities = |body: Value| {
        let found = output(&with(FILTERS, "with_request_body", body), &requirements);
        found.into_iter().map(|(severity, _)| severity).collect::<Vec<_>>()
    };
    let right = json!({ "max_request_bytes": 65_536, "pack_as_bytes": true });
    assert_eq!(severities(right), [Severity::Ok]);
    let partial = json!({ "max_request_bytes": 8192, "pack_as_bytes": true, "allow_partial_message": true });
    assert_eq!(severities(partial), [Severity::Warning]);
    assert_eq!(severities(json!({ "max_request_bytes": 8192 })), [Severity::Warning]);
    assert_eq!(
        severities(json!({ "max_request_bytes": 1_000_000, "pack_as_bytes": true })),
        [Severity::Error]
    );
}

#[test]
fn a_route_that_is_not_asked_about_is_named() {
    let per_route =
        json!({ "envoy.filters.http.ext_authz": { "@type": format!("x/{PER_ROUTE}"), "disabled": true } });
    let found = output(
        &with(
            "/listener/route_config/virtual_hosts/0/routes/0",
            "typed_per_filter_config",
            per_route.clone(),
        ),
        &[],
    );
    assert!(found[0].1.starts_with("route prefix /:"), "{found:?}");
    let mut both =
        with("/listener/route_config/virtual_hosts/0", "typed_per_filter_config", json!({ "other": {} }));
    both.pointer_mut("/listener/route_config/virtual_hosts/0/routes/0").unwrap()["typed_per_filter_config"] =
        per_route;
    assert!(
        output(&both, &[])[0].1.starts_with("route prefix /:"),
        "inside a host that has settings of its own"
    );
}

#[test]
fn a_body_that_the_profile_reads_must_be_sent() {
    let requirements = [EnvoyRequirements { body: true, ..EnvoyRequirements::default() }];
    assert!(
        output(&right(), &requirements)
            .iter()
            .any(|(severity, what)| *severity == Severity::Error && what.contains("bodies"))
    );
}

#[test]
fn a_configuration_without_the_filter_has_one_error() {
    let found = output(&json!({ "listener": {} }), &[]);
    assert!(found.len() == 1 && found[0].1.contains("every request passes"), "{found:?}");
}
