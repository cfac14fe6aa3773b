//! Tests of hosts for all names, and of the environment of each host.

use super::*;

#[test]
fn the_host_for_all_names_has_an_environment_where_the_profile_gives_it_one() {
    let listed = |hosts: &[(&str, &str)]| {
        let hosts = hosts.iter().map(|(name, of)| ((*name).to_owned(), Some((*of).to_owned()))).collect();
        vec![EnvoyRequirements { hosts, ..requirements().remove(0) }]
    };
    let named = |environment: &str| {
        json!({ "envoy.filters.http.ext_authz": {
            "check_settings": { "context_extensions": { "environment": environment } },
        } })
    };
    let hosts = "/listener/route_config/virtual_hosts";
    let mut configuration = with(&format!("{hosts}/0"), "domains", json!(["[::1]"]));
    configuration.pointer_mut(&format!("{hosts}/0")).unwrap()["typed_per_filter_config"] = named("test");
    let mut any = configuration.pointer(&format!("{hosts}/0")).unwrap().clone();
    any["domains"] = json!(["*"]);
    any["typed_per_filter_config"] = json!(null);
    configuration.pointer_mut(hosts).unwrap().as_array_mut().unwrap().push(any);
    let severities = |configuration: &Value, hosts: &[(&str, &str)]| {
        output(configuration, &listed(hosts)).into_iter().map(|(severity, _)| severity).collect::<Vec<_>>()
    };
    let both = [("[::1]", "test"), ("*", "live")];
    assert_eq!(severities(&configuration, &both), [Severity::Warning]);
    assert_eq!(
        severities(&configuration, &both[..1]),
        [Severity::Ok],
        "no other host belongs to the profile"
    );
    configuration.pointer_mut(&format!("{hosts}/1")).unwrap()["typed_per_filter_config"] = named("live");
    assert_eq!(severities(&configuration, &both), [Severity::Ok]);
}

#[test]
fn a_host_in_the_environment_of_another_is_found() {
    let hosts = [("api.a.dev", "live"), ("*.test.a.dev", "test"), ("*", "live")]
        .map(|(name, of)| (name.to_owned(), Some(of.to_owned())))
        .into();
    let environments = ["live", "test"].map(str::to_owned).into();
    let own = vec![EnvoyRequirements { hosts, environments, ..requirements().remove(0) }];
    let place = |name: &str, domains: Value, environment: &str| {
        let values = json!({ "check_settings": { "context_extensions": { "environment": environment } } });
        json!({ "name": name, "domains": domains, "routes": [{ "match": { "prefix": "/" } }],
            "typed_per_filter_config": { "envoy.filters.http.ext_authz": values } })
    };
    let hosts = |all: Value| output(&with("/listener/route_config", "virtual_hosts", all), &own);
    let rest = || place("rest", json!(["*"]), "live");
    let tests = || place("tests", json!(["*.test.a.dev"]), "test");
    for right in [
        json!([place("api", json!(["api.a.dev"]), "live"), tests(), rest()]),
        json!([
            place("others", json!(["*.a.dev"]), "test"),
            place("api", json!(["API.a.dev"]), "live"),
            rest()
        ]),
        json!([place("one", json!(["*"]), "test")]),
    ] {
        let found = hosts(right.clone());
        assert_eq!(found[0].0, Severity::Ok, "{right}: {found:?}");
    }
    for (wrong, host) in [
        (json!([place("api", json!(["api.a.dev"]), "test"), tests(), rest()]), "api.a.dev"),
        (json!([place("others", json!(["*.a.dev"]), "test"), rest()]), "api.a.dev"),
        (json!([place("tests", json!(["*.test.a.dev"]), "live"), rest()]), "*.test.a.dev"),
    ] {
        let found = hosts(wrong.clone());
        let words = format!("also counts for {host}");
        let alone = found.len() == 1 && found[0].0 == Severity::Error && found[0].1.contains(&words);
        assert!(alone, "{wrong}: {found:?}");
    }
    let mut by_route = place("api", json!(["api.a.dev"]), "live");
    let settings = tests()["typed_per_filter_config"].clone();
    by_route["routes"] = json!([{ "match": { "prefix": "/" }, "typed_per_filter_config": settings }]);
    assert_eq!(hosts(json!([by_route, rest()]))[0].0, Severity::Warning, "a route of it");
}
