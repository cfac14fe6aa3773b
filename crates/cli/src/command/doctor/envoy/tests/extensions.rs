//! Tests of context extensions of routes that deny every request, or have no effect on keys.

use super::around::found_alone;
use super::*;

const HOST: &str = "/listener/route_config/virtual_hosts/0";

#[test]
fn values_of_a_route_that_deny_every_request_are_found() {
    let own = EnvoyRequirements {
        scopes: vec!["orders.read".to_owned()],
        rate_classes: vec!["default".to_owned()],
        environments: vec!["live".to_owned()],
        ..requirements().remove(0)
    };
    let of = |values: Value| {
        let settings = json!({ "check_settings": { "context_extensions": values } });
        with(HOST, "typed_per_filter_config", json!({ "envoy.filters.http.ext_authz": settings }))
    };
    let right = json!({ "profile": "p", "scopes": "orders.read", "rate_class": "default", "environment": "live", "resource.shop": "-" });
    assert_eq!(output(&of(right), std::slice::from_ref(&own))[0].0, Severity::Ok);
    for (name, value, words) in [
        ("scope", "orders.read", "did you mean scopes?"),
        ("enviroment", "live", "did you mean environment?"),
        ("Profile", "p", "did you mean profile?"),
        ("resource", "s", "there is no such value"),
        ("resource.Shop", "s", "denies every request of its route"),
        ("scopes", "", "is empty"),
        ("scopes", "nope", "the scope"),
        ("rate_class", "nope", "the rate class"),
        ("environment", "Live", "did you mean live?"),
        ("profile", "shpo", "none of the given profiles (p)"),
    ] {
        found_alone(&of(json!({ name: value })), std::slice::from_ref(&own), Severity::Error, words);
    }
    found_alone(&of(json!({ "scope": "a" })), &[], Severity::Error, "did you mean scopes?");
    found_alone(&of(json!({ "team": "a" })), &[], Severity::Error, "there is no such value");
    let none = EnvoyRequirements { resources: [].into(), ..own };
    let free = output(&of(json!({ "resource.shop": "s" })), &[none]);
    assert_eq!(free[0].0, Severity::Ok, "a profile that names no resource takes any: {free:?}");
}

#[test]
fn settings_under_a_name_that_no_filter_has_are_found() {
    let settings = json!({ "@type": format!("x/{PER_ROUTE}"),
        "check_settings": { "context_extensions": { "profile": "p" } } });
    let named = |filter: &str, key: &str| {
        let mut all = with(HOST, "typed_per_filter_config", json!({ key: settings }));
        all["listener"]["http_filters"][0]["name"] = json!(filter);
        all
    };
    let words = "the settings of envoy.filters.http.ext_authz have no effect";
    found_alone(&named("gate", "envoy.filters.http.ext_authz"), &requirements(), Severity::Error, words);
    for name in ["gate", "envoy.filters.http.ext_authz"] {
        assert_eq!(output(&named(name, name), &requirements())[0].0, Severity::Ok, "{name}");
    }
}

#[test]
fn a_host_names_one_of_several_profiles() {
    let two =
        [requirements().remove(0), EnvoyRequirements { name: "q".to_owned(), ..requirements().remove(0) }];
    let mut all = with(HOST, "domains", json!(["*"]));
    let words = "host all: no context extension names the profile";
    found_alone(&all, &two, Severity::Warning, words);
    assert_eq!(output(&all, &requirements())[0].0, Severity::Ok, "there is one profile");
    let named = json!({ "envoy.filters.http.ext_authz": {
        "check_settings": { "context_extensions": { "profile": "q" } } } });
    let mut by_route = all.clone();
    by_route.pointer_mut(HOST).unwrap()["routes"][0]["typed_per_filter_config"] = named.clone();
    all.pointer_mut(HOST).unwrap()["typed_per_filter_config"] = named;
    for configuration in [all, by_route] {
        assert_eq!(output(&configuration, &two)[0].0, Severity::Ok, "{configuration}");
    }
}
