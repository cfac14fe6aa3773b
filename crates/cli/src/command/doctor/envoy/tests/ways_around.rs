//! Tests of ways around the filter: endpoints that are routed to the service, upgrades, other listeners, discovered
//! parts, and runtime values.

use std::collections::BTreeSet;

use latchkey_server::profile_test::EndpointPath;

use super::around::found_alone;
use super::*;

const HOST: &str = "/listener/route_config/virtual_hosts/0";

fn endpoint() -> EndpointPath {
    EndpointPath {
        pattern: "/v1/keys/{shop}".to_owned(),
        regex: "/v1/keys/[^/]+/?".to_owned(),
        sample: "/v1/keys/x".to_owned(),
        methods: BTreeSet::from(["GET".to_owned(), "HEAD".to_owned(), "POST".to_owned()]),
        shared: false,
    }
}

fn routed(routes: Value) -> Value {
    with(HOST, "routes", routes)
}

#[test]
fn an_endpoint_that_envoy_sends_to_the_service_is_found() {
    let own = vec![EnvoyRequirements { endpoints: vec![endpoint()], ..requirements().remove(0) }];
    let to = |rule: Value, cluster: &str| json!({ "match": rule, "route": { "cluster": cluster } });
    let rest = || to(json!({ "prefix": "/" }), "upstream");
    found_alone(&routed(json!([rest()])), &own, Severity::Error, "is an endpoint of the profile");
    for wrong in [
        json!({ "prefix": "/v1/other" }),
        json!({ "path": "/v1/keys/{shop}" }),
        json!({ "safe_regex": { "regex": "/v1/keys" } }),
        json!({ "prefix": "/v1/keys", "headers": [{ "name": ":method", "string_match": { "exact": "GET" } }] }),
        json!({ "prefix": "/v1/keys", "headers": [{ "name": "x-internal", "present_match": true }] }),
        json!({ "path": "/v1/keys/x" }),
        json!({ "path_match_policy": { "typed_config": { "path_template": "/v1/keys/{shop}" } } }),
        json!({ "prefix": "/v1/keys", "headers": [{ "name": ":method", "string_match": { "safe_regex": { "regex": "GET|POST" } } }] }),
        json!({ "prefix": "/v1/keys", "runtime_fraction": { "default_value": { "numerator": 1 } } }),
    ] {
        let routes = json!([to(wrong.clone(), "http"), rest()]);
        found_alone(&routed(routes), &own, Severity::Error, "is an endpoint of the profile");
    }
    for right in [
        json!({ "prefix": "/v1/keys" }),
        json!({ "pathSeparatedPrefix": "/v1/keys" }),
        json!({ "safe_regex": { "regex": "/v1/keys/[^/]+/?" } }),
        json!({ "prefix": "/V1/KEYS/", "case_sensitive": false }),
        json!({ "prefix": "/v1", "headers": [{ "name": ":method", "string_match": { "safe_regex": { "regex": "GET|HEAD|POST" } } }] }),
    ] {
        let found = output(&routed(json!([to(right.clone(), "http"), rest()])), &own);
        assert_eq!(found[0].0, Severity::Ok, "{right}: {found:?}");
    }
    let elsewhere = json!([to(json!({ "prefix": "/a" }), "upstream")]);
    found_alone(&routed(elsewhere), &own, Severity::Warning, "no route takes it");
}

/// Covers configurations without a route for every path, and with another service for all other paths.
#[test]
fn an_endpoint_that_goes_where_the_profiles_other_routes_go_is_found() {
    let upstream_requests = vec![("GET".to_owned(), "/v1/orders/x".to_owned())];
    let own = vec![EnvoyRequirements {
        endpoints: vec![endpoint()],
        upstream_requests,
        ..requirements().remove(0)
    }];
    let to = |prefix: &str, cluster: &str| json!({ "match": { "prefix": prefix }, "route": { "cluster": cluster } });
    for routes in [json!([to("/v1", "upstream")]), json!([to("/v1", "upstream"), to("/", "website")])] {
        found_alone(&routed(routes), &own, Severity::Error, "is an endpoint of the profile");
    }
    let right = json!([to("/v1/keys", "http"), to("/v1", "upstream")]);
    let found = output(&routed(right.clone()), &own);
    assert_eq!(found[0].0, Severity::Ok, "{right}: {found:?}");
}

#[test]
fn an_endpoint_has_one_cluster_that_gets_the_whole_request_unchanged() {
    // Latchkey sets the header, so that it is none by which clients choose a service.
    let identity_headers = ["x-cluster".to_owned()].into();
    let own =
        vec![EnvoyRequirements { endpoints: vec![endpoint()], identity_headers, ..requirements().remove(0) }];
    let rest = json!({ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } });
    let of = |destination: Value| {
        let mut route = json!({ "match": { "prefix": "/v1/keys" } });
        route.as_object_mut().unwrap().extend(destination.as_object().unwrap().clone());
        routed(json!([route, rest]))
    };
    for (destination, words) in [
        (
            json!({ "route": { "weighted_clusters": { "clusters": [
            { "name": "http", "weight": 1 }, { "name": "upstream", "weight": 99 }] } } }),
            "the clusters http, upstream by weight",
        ),
        (
            json!({ "route": { "cluster": "http", "requestMirrorPolicies": [{ "cluster": "upstream" }] } }),
            "copies it",
        ),
        (json!({ "route": { "cluster": "latchkey" } }), "Latchkey's gRPC port"),
        (
            json!({ "route": { "cluster": "http", "prefix_rewrite": "/v2" } }),
            "changes its path by prefix_rewrite",
        ),
        (json!({ "route": { "cluster": "http", "regexRewrite": {} } }), "changes its path by regex_rewrite"),
        (json!({ "route": { "cluster_header": "x-cluster" } }), "chooses its cluster by cluster_header"),
        (json!({ "direct_response": { "status": 200 } }), "responds to it itself"),
        (json!({ "redirect": { "host_redirect": "other.dev" } }), "redirects it"),
    ] {
        found_alone(&of(destination), &own, Severity::Error, words);
    }
    found_alone(
        &of(json!({ "redirect": { "https_redirect": true } })),
        &own,
        Severity::Warning,
        "redirects it",
    );
    let served = of(json!({ "route": { "cluster": "http" } }));
    assert_eq!(output(&served, &own)[0].0, Severity::Ok);
    let mut mirrored = served.clone();
    mirrored.pointer_mut(HOST).unwrap()["request_mirror_policies"] = json!([{ "cluster": "upstream" }]);
    found_alone(&mirrored, &own, Severity::Error, "copies it");
    let debug = json!({ "match": { "prefix": "/", "headers": [{ "name": "x-debug", "present_match": true }] },
        "route": { "cluster": "debug" } });
    let mut before = served;
    before.pointer_mut(HOST).unwrap()["routes"].as_array_mut().unwrap().insert(0, debug);
    found_alone(&before, &own, Severity::Error, "for some requests");
}

#[test]
fn an_upgrade_with_filters_of_its_own_that_do_not_ask_is_found() {
    let chain = right()["listener"]["http_filters"].clone();
    let upgrade = |filters: Value| {
        let upgrades = json!([{ "upgrade_type": "websocket", "filters": filters }]);
        with("/listener", "upgrade_configs", upgrades)
    };
    found_alone(&upgrade(json!([chain[1]])), &requirements(), Severity::Error, "upgrade to websocket");
    found_alone(
        &upgrade(json!([chain[1], chain[0]])),
        &requirements(),
        Severity::Error,
        "the router sends requests on",
    );
    for right in [json!([]), chain] {
        assert_eq!(output(&upgrade(right), &requirements())[0].0, Severity::Ok);
    }
}

#[test]
fn a_listener_of_connections_that_are_no_http_is_found() {
    let mut all = right();
    let manager = all["listener"].clone();
    let tcp = json!({ "name": "tcp", "typed_config": {
        "@type": "x/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": "upstream" } });
    let http = json!({ "name": "http", "typed_config": manager });
    all["listener"] = json!({ "name": "front", "filter_chains": [{ "filters": [http] }] });
    assert_eq!(output(&all, &requirements())[0].0, Severity::Ok);
    all["listener"]["default_filter_chain"] = json!({ "filters": [tcp] });
    found_alone(&all, &requirements(), Severity::Warning, "listener front: tcp passes connections on");
}

#[test]
fn listeners_and_routes_that_a_file_does_not_have_are_reported() {
    let mut listeners = right();
    listeners["dynamic_resources"] = json!({ "lds_config": { "ads": {} } });
    found_alone(&listeners, &requirements(), Severity::Warning, "discovered (LDS)");
    listeners["configs"] = json!([{ "@type": "x/envoy.admin.v3.ListenersConfigDump" }]);
    assert_eq!(output(&listeners, &requirements())[0].0, Severity::Ok, "a dump has them");
    let own = vec![EnvoyRequirements { endpoints: vec![endpoint()], ..requirements().remove(0) }];
    let mut routes = with("/listener", "route_config", Value::Null);
    routes["listener"]["rds"] = json!({ "route_config_name": "all" });
    found_alone(&routes, &own, Severity::Warning, "discovered (RDS)");
    let mut scoped = routes.clone();
    scoped["listener"]["rds"] = Value::Null;
    scoped["listener"]["scoped_routes"] = json!({ "name": "by_host" });
    found_alone(&scoped, &own, Severity::Warning, "its routes are chosen by scopes (SRDS)");
    let upstream = json!({ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } });
    routes["configs"] = json!([{ "route_config": { "@type": "x/envoy.config.route.v3.RouteConfiguration", "name": "all",
        "request_headers_to_remove": removed_headers(), "virtual_hosts": [{ "name": "all", "routes": [upstream] }] } }]);
    found_alone(&routes, &own, Severity::Error, "is an endpoint of the profile");
}

#[test]
fn a_runtime_value_that_switches_the_filter_off_is_found() {
    let enabled = json!({ "default_value": { "numerator": 100 }, "runtime_key": "gate.on" });
    let mut all = with(FILTERS, "filter_enabled", enabled);
    found_alone(&all, &requirements(), Severity::Warning, "the runtime value gate.on decides");
    for layer in
        [json!({ "gate.on": 0 }), json!({ "gate": { "on": { "numerator": 100, "denominator": "MILLION" } } })]
    {
        all["layered_runtime"] = json!({ "layers": [{ "name": "l", "static_layer": layer }] });
        found_alone(&all, &requirements(), Severity::Error, "the runtime value gate.on is");
    }
}
