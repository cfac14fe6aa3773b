//! Tests of headers that a service reads in the place of those that Latchkey judges.

use super::around::found_alone;
use super::*;

const EARLY: &str = "early_header_mutation_extensions";

#[test]
fn names_with_dots_are_dropped_or_judged() {
    let passes = "x.api.key passes beside x-api-key";
    found_alone(&with("/listener", EARLY, Value::Null), &requirements(), Severity::Warning, passes);
    let early = |change: Value| {
        let kind = "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";
        with("/listener", EARLY, json!([{ "typed_config": { "@type": kind, "mutations": [change] } }]))
    };
    for wrong in [
        json!({ "remove": "x.api-key" }),
        json!({ "remove_on_match": { "key_matcher": { "prefix": "y" } } }),
        json!({ "remove_on_match": { "key_matcher": { "safe_regex": { "regex": "x-.*" } } } }),
    ] {
        found_alone(&early(wrong), &requirements(), Severity::Warning, passes);
    }
    let dropped = early(json!({ "removeOnMatch": { "keyMatcher": { "contains": "." } } }));
    assert_eq!(output(&dropped, &requirements())[0].0, Severity::Ok);
    let mut judged = with("/listener", EARLY, Value::Null);
    let every = json!({ "patterns": [{ "safeRegex": { "regex": "traceparent|x[-_.](api[-_.]key|request[-_.]id)" } }] });
    judged.pointer_mut(FILTERS).unwrap()["allowed_headers"] = every;
    assert_eq!(output(&judged, &requirements())[0].0, Severity::Ok);
    let identity = ["x-acme-user".to_owned()].into();
    let own = vec![EnvoyRequirements { identity_headers: identity, ..requirements().remove(0) }];
    found_alone(&judged, &own, Severity::Warning, "x.acme.user passes beside x-acme-user");
}

#[test]
fn a_client_names_no_other_host_where_hosts_decide_the_environment() {
    let hosts = vec![("*".to_owned(), Some("live".to_owned()))];
    let own = vec![EnvoyRequirements { hosts, ..requirements().remove(0) }];
    let named = json!({ "envoy.filters.http.ext_authz": {
        "check_settings": { "context_extensions": { "environment": "live" } },
    } });
    let host = "/listener/route_config/virtual_hosts/0";
    let mut configuration = with(host, "typed_per_filter_config", named);
    configuration.pointer_mut(host).unwrap()["domains"] = json!(["*"]);
    assert_eq!(output(&configuration, &own)[0].0, Severity::Ok);
    let config = "/listener/route_config";
    let mut some = CALL_HEADERS.to_vec();
    some.extend(["Forwarded", "x-host"]);
    configuration.pointer_mut(config).unwrap()["request_headers_to_remove"] = json!(some);
    found_alone(&configuration, &own, Severity::Warning, "by x-forwarded-host, x-forwarded-prefix");
    assert_eq!(output(&configuration, &requirements())[0].0, Severity::Ok, "hosts decide nothing");
    let all = json!(HOST_HEADERS);
    configuration.pointer_mut(host).unwrap()["request_headers_to_remove"] = all;
    assert_eq!(output(&configuration, &own)[0].0, Severity::Ok);
}

#[test]
fn a_client_names_no_other_method_or_path() {
    let config = "/listener/route_config";
    let hosts = json!(HOST_HEADERS);
    let passing = with(config, "request_headers_to_remove", hosts);
    let what = "from x-http-method, x-http-method-override";
    found_alone(&passing, &requirements(), Severity::Warning, what);
    let reads = CALL_HEADERS.map(str::to_owned);
    let mut own = requirements();
    own[0].headers.extend(reads);
    let mut sent = passing;
    sent.pointer_mut(FILTERS).unwrap()["allowed_headers"] = json!({ "patterns": [{ "prefix": "" }] });
    assert_eq!(output(&sent, &own)[0].0, Severity::Ok, "the profile reads them");
}
