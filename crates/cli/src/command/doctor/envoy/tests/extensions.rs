//! Values of routes that have no effect, or deny every request.

use super::around::found_alone;
use super::*;

const HOST: &str = "/listener/route_config/virtual_hosts/0";

#[test]
fn values_of_a_route_that_have_no_effect_or_deny_every_request_are_found() {
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
        ("resource", "s", "reads no such value"),
        ("resource.Shop", "s", "confines no key"),
        ("scopes", "", "is empty"),
        ("scopes", "nope", "the scope"),
        ("rate_class", "nope", "the rate class"),
        ("environment", "Live", "did you mean live?"),
        ("profile", "shpo", "none of the given profiles (p)"),
    ] {
        found_alone(&of(json!({ name: value })), std::slice::from_ref(&own), Severity::Error, words);
    }
    found_alone(&of(json!({ "scope": "a" })), &[], Severity::Error, "did you mean scopes?");
    found_alone(&of(json!({ "team": "a" })), &[], Severity::Warning, "reads no such value");
}
