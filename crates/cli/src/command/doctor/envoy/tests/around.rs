//! Tests of the parts around the filter: the order of filters, logs, the product's own paths and responses, replicas,
//! and the admin interface.

use std::collections::BTreeSet;

use super::*;

const LISTENER: &str = "/listener";

/// Returns the correct configuration with a filter at this place of its chain.
fn with_filter(place: usize, filter: Value) -> Value {
    let mut all = right();
    all.pointer_mut("/listener/http_filters").unwrap().as_array_mut().unwrap().insert(place, filter);
    all
}

fn filter(kind: &str) -> Value {
    json!({ "name": "x", "typed_config": { "@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}") } })
}

#[track_caller]
pub(super) fn found_alone(
    configuration: &Value,
    requirements: &[EnvoyRequirements],
    severity: Severity,
    words: &str,
) {
    let found = output(configuration, requirements);
    let alone = found.len() == 1 && found[0].0 == severity && found[0].1.contains(words);
    assert!(alone, "{words}: {found:?}");
}

#[test]
fn filters_that_answer_before_the_check_or_change_the_request_behind_it_are_found() {
    for kind in ["cache.v3.CacheConfig", "cache_v2.v3.CacheV2Config"] {
        found_alone(
            &with_filter(0, filter(kind)),
            &requirements(),
            Severity::Error,
            "a cache answers before",
        );
        found_alone(&with_filter(1, filter(kind)), &requirements(), Severity::Warning, "a cache behind");
    }
    let discovered = json!({ "name": "c", "config_discovery": {
        "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig"] } });
    found_alone(&with_filter(0, discovered), &requirements(), Severity::Error, "a cache answers before");
    let structured = json!({ "name": "c", "typedConfig": { "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
        "typeUrl": "type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig", "value": {} } });
    found_alone(&with_filter(0, structured), &requirements(), Severity::Error, "a cache answers before");
    found_alone(&with_filter(0, filter("router.v3.Router")), &requirements(), Severity::Error, "the router");
    for kind in ["lua.v3.Lua", "ext_proc.v3.ExternalProcessor"] {
        found_alone(
            &with_filter(1, filter(kind)),
            &requirements(),
            Severity::Warning,
            "can change a request",
        );
        assert_eq!(output(&with_filter(0, filter(kind)), &requirements())[0].0, Severity::Ok);
    }
    let mut mutation = filter("header_mutation.v3.HeaderMutation");
    mutation["typed_config"]["mutations"] = json!({ "response_mutations": [{ "remove": "x" }] });
    assert_eq!(output(&with_filter(1, mutation.clone()), &requirements())[0].0, Severity::Ok);
    mutation["typed_config"]["mutations"] = json!({ "request_mutations": [{ "remove": "x" }] });
    found_alone(&with_filter(1, mutation), &requirements(), Severity::Warning, "can change a request");
}

#[test]
fn the_filter_is_found_as_a_typed_struct_in_a_matcher_and_by_discovery() {
    let mut structured = right();
    let given = structured.pointer(FILTERS).unwrap().clone();
    let mut value = given.clone();
    value["failure_mode_allow"] = json!("yes");
    let type_url = value.as_object_mut().unwrap().remove("@type");
    *structured.pointer_mut(FILTERS).unwrap() = json!({ "@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": type_url, "value": value });
    found_alone(&structured, &requirements(), Severity::Error, "failure_mode_allow");
    let matched = json!({ "@type": "x/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        "extension_config": { "name": "a", "typed_config": given } });
    let matched = with("/listener/http_filters/0", "typed_config", matched);
    found_alone(&matched, &requirements(), Severity::Warning, "a matcher selects");
    let mut discovered = right();
    discovered["listener"]["http_filters"][0] =
        json!({ "name": "a", "config_discovery": { "type_urls": [format!("x/{FILTER}")] } });
    found_alone(&discovered, &requirements(), Severity::Warning, "discovered (ECDS)");
}

#[test]
fn a_route_that_switches_the_filter_off_by_its_own_name_is_found() {
    let mut all = with("/listener/http_filters/0", "name", json!("our-gate"));
    let off = json!({ "our-gate": { "@type": "x/envoy.config.route.v3.FilterConfig", "disabled": true } });
    all.pointer_mut("/listener/route_config/virtual_hosts/0").unwrap()["typed_per_filter_config"] = off;
    found_alone(&all, &requirements(), Severity::Warning, "Latchkey is not asked here");
}

#[test]
fn credentials_in_logs_and_traces_are_found_in_any_form() {
    let mut own = requirements();
    own[0].credential_headers = BTreeSet::from(["x-shop-key".to_owned()]);
    let file = |more: Value| {
        let mut log = json!({ "@type": "x/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "/dev/null" });
        log.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([{ "name": "log", "typed_config": log }])
    };
    for (member, value) in [
        (
            "access_log",
            file(
                json!({ "log_format": { "text_format_source": { "inline_string": "%REQUEST_HEADER(X-SHOP-KEY)%" } } }),
            ),
        ),
        ("accessLog", file(json!({ "logFormat": { "jsonFormat": { "a": "%req(x-a?x-Shop-Key):9%" } } }))),
        ("access_log", json!([{ "typed_config": { "additional_request_headers_to_log": ["X-Shop-Key"] } }])),
        (
            "access_log",
            file(json!({ "log_format": { "json_format": { "a": { "b": ["%COOKIE(session)%"] } } } })),
        ),
        ("tracing", json!({ "custom_tags": [{ "tag": "k", "request_header": { "name": "X-SHOP-KEY" } }] })),
    ] {
        found_alone(&with(LISTENER, member, value), &own, Severity::Error, "writes credentials down");
    }
    let harmless =
        file(json!({ "log_format": { "json_format": { "a": "%REQ(X-REQUEST-ID)% x-shop-key" } } }));
    assert_eq!(output(&with(LISTENER, "access_log", harmless), &own)[0].0, Severity::Ok);
    own[0].credential_parameters = BTreeSet::from(["api_key".to_owned()]);
    for format in [
        "%REQ(:PATH)%",
        "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "%PATH(WQ)%",
        "%PATH%",
        "%PATH(:ORIG)%",
        "%QUERY_PARAMS(ORIG)%",
        "%QUERY_PARAM(api_key)%",
    ] {
        let log = file(json!({ "log_format": { "json_format": { "path": format } } }));
        found_alone(&with(LISTENER, "access_log", log), &own, Severity::Error, "writes the query down");
    }
    found_alone(
        &with(LISTENER, "access_log", file(json!({}))),
        &own,
        Severity::Error,
        "writes the query down",
    );
    let without = file(json!({ "log_format": { "json_format": { "path": "%PATH(NQ)%" } } }));
    assert_eq!(output(&with(LISTENER, "access_log", without), &own)[0].0, Severity::Ok);
}

#[test]
fn an_outage_without_the_products_words_is_found() {
    let own = vec![EnvoyRequirements { replies_to_outages: true, ..requirements().remove(0) }];
    found_alone(&right(), &own, Severity::Warning, "not in the product's format");
    let mapper = |op: &str, status: u16| {
        let comparison = json!({ "op": op, "value": { "default_value": status } });
        let mapper = json!({ "filter": { "status_code_filter": { "comparison": comparison } } });
        output(&with(LISTENER, "local_reply_config", json!({ "mappers": [mapper] })), &own)[0].0
    };
    assert_eq!(
        (mapper("EQ", 503), mapper("GE", 500), mapper("EQ", 413)),
        (Severity::Ok, Severity::Ok, Severity::Warning)
    );
    let format = json!({ "body_format": { "json_format": { "error": "%LOCAL_REPLY_BODY%" } } });
    assert_eq!(output(&with(LISTENER, "local_reply_config", format), &own)[0].0, Severity::Ok);
}

#[test]
fn several_replicas_and_the_admin_interface_are_checked() {
    let mut several = right();
    let one = json!({ "endpoint": { "address": { "pipe": { "path": "/run/a" } } } });
    several["clusters"][0]["load_assignment"] = json!({ "endpoints": [{ "lb_endpoints": [one, one] }] });
    found_alone(&several, &requirements(), Severity::Warning, "outlier_detection");
    several["clusters"][0]["outlier_detection"] = json!({});
    assert_eq!(output(&several, &requirements())[0].0, Severity::Ok);
    let admin = |address: Value| {
        let mut all = right();
        all["admin"] = json!({ "address": address });
        output(&all, &requirements())[0].0
    };
    let socket = |host: &str| json!({ "socket_address": { "address": host, "port_value": 9901 } });
    assert_eq!((admin(socket("0.0.0.0")), admin(socket("127.0.0.1"))), (Severity::Warning, Severity::Ok));
    assert_eq!(admin(json!({ "pipe": { "path": "/run/admin" } })), Severity::Ok);
}

#[test]
fn a_body_that_is_cut_off_is_found_without_a_profile_too() {
    let body = json!({ "max_request_bytes": 8192, "allowPartialMessage": true, "pack_as_bytes": true });
    found_alone(&with(FILTERS, "with_request_body", body), &[], Severity::Warning, "allow_partial_message");
}

#[test]
fn trusted_proxies_are_counted_in_both_of_envoys_forms() {
    let own = vec![EnvoyRequirements { trusted_hops: 2, ..requirements().remove(0) }];
    let by_extension = |hops: u64| {
        let xff = json!({ "@type": "x/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
            "xffNumTrustedHops": hops, "skipXffAppend": false });
        with(LISTENER, "originalIpDetectionExtensions", json!([{ "name": "xff", "typedConfig": xff }]))
    };
    assert_eq!(output(&by_extension(1), &own)[0].0, Severity::Ok);
    found_alone(&by_extension(2), &own, Severity::Error, "trusts 3 proxies");
    let mut itself = with(LISTENER, "xff_num_trusted_hops", json!(2));
    found_alone(&itself, &own, Severity::Warning, "does not append its peer");
    itself["listener"]["use_remote_address"] = json!(true);
    assert_eq!(output(&itself, &own)[0].0, Severity::Ok);
}

#[test]
fn a_filter_that_routes_enable_one_by_one_is_compared_with_them() {
    let mut all = with("/listener/http_filters/0", "disabled", json!(true));
    found_alone(&all, &requirements(), Severity::Error, "the filter is disabled");
    let enables = json!({ "envoy.filters.http.ext_authz": { "@type": "x/envoy.config.route.v3.FilterConfig", "config": {} } });
    let routes = "/listener/route_config/virtual_hosts/0/routes";
    all.pointer_mut(routes).unwrap()[0]["typed_per_filter_config"] = enables;
    assert_eq!(output(&all, &requirements())[0].0, Severity::Ok);
    let mut add = |route: Value| all.pointer_mut(routes).unwrap().as_array_mut().unwrap().push(route);
    add(json!({ "match": { "prefix": "/old" }, "redirect": { "path_redirect": "/" } }));
    add(json!({ "match": { "prefix": "/open" }, "route": { "cluster": "things" } }));
    found_alone(&all, &requirements(), Severity::Warning, "nothing enables it for route prefix /open");
}

#[test]
fn a_listener_that_does_not_ask_has_one_finding_and_one_that_redirects_has_none() {
    let mut all = right();
    let mut other = all["listener"].clone();
    let _ = other["http_filters"].as_array_mut().unwrap().remove(0);
    other["merge_slashes"] = json!(false);
    all["other"] = other;
    found_alone(&all, &requirements(), Severity::Warning, "serves without asking Latchkey");
    all["other"]["route_config"]["virtual_hosts"][0]["routes"] =
        json!([{ "match": { "prefix": "/" }, "redirect": { "https_redirect": true } }]);
    assert_eq!(output(&all, &requirements())[0].0, Severity::Ok);
}

#[test]
fn a_certificate_is_verified_by_any_context_that_envoy_has() {
    for context in [
        json!({ "validation_context": { "trusted_ca": { "filename": "ca.pem" } } }),
        json!({ "validation_context": { "system_root_certs": {} } }),
        json!({ "validation_context": { "custom_validator_config": { "name": "envoy.tls.cert_validator.spiffe" } } }),
        json!({ "combinedValidationContext": { "validationContextSdsSecretConfig": { "name": "ROOTCA" } } }),
    ] {
        let socket = json!({ "name": "tls", "typed_config": { "common_tls_context": context } });
        let found = output(&with("/clusters/0", "transport_socket", socket), &requirements());
        assert_eq!(found[0].0, Severity::Ok, "{found:?}");
    }
    let open = json!({ "name": "tls", "typedConfig": { "commonTlsContext": {} } });
    let open = with("/clusters/0", "transportSocket", open);
    found_alone(&open, &requirements(), Severity::Error, "accepts any certificate");
}
