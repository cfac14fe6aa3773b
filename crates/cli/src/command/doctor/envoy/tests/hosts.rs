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
