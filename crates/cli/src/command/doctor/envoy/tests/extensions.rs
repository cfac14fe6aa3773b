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
