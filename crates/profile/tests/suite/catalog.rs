//! Choice of a profile among several.

use std::sync::Arc;

use latchkey_core::ports::Policies;
use latchkey_core::reason::Reason;
use latchkey_profile::{Catalog, Profile, Request};

use crate::support::{profile, request};

fn product(name: &str, hosts: &[&str]) -> Profile {
    let hosts: Vec<String> = hosts.iter().map(|host| format!("[[hosts]]\nhost = \"{host}\"\n")).collect();
    let hosts = hosts.concat();
    profile(&format!(
        "name = \"{name}\"\n{hosts}[credential]\nsources = [\"header:x-api-key\"]\n\
         [[kinds]]\nname = \"secret\"\nprefix = \"{name}_\"\nsecret = \"hex:16\""
    ))
}

fn chosen(catalog: &Catalog, request: &Request<'_>) -> Option<String> {
    catalog.choose(request).map(|p: Arc<Profile>| p.name().to_owned())
}

fn key(name: &str) -> String {
    format!("{name}_{}", "a1".repeat(16))
}

#[test]
fn the_only_profile_applies_to_every_request() {
    let catalog = Catalog::new();
    assert_eq!(chosen(&catalog, &request("/", &[])), None);
    catalog.replace_all(vec![product("a", &["a.dev"])]);
    assert_eq!(chosen(&catalog, &request("/", &[])).as_deref(), Some("a"));
}

#[test]
fn an_exact_host_is_preferred_to_a_subdomain_pattern_and_that_to_any() {
    let catalog = Catalog::new();
    let names = ["a", "b", "c"];
    catalog.replace_all(vec![
        product("a", &["*"]),
        product("b", &["*.x.dev"]),
        product("c", &["api.x.dev", "*.deep.x.dev"]),
        product("d", &[]),
    ]);
    for (host, index) in [("API.x.dev:80", 2), ("www.x.dev", 1), ("q.deep.x.dev", 2), ("x.dev", 0), ("", 0)] {
        let mut request = request("/", &[]);
        request.host = host.into();
        assert_eq!(chosen(&catalog, &request).as_deref(), Some(names[index]), "{host}");
    }
}

#[test]
fn keys_distinguish_products_that_share_a_host() {
    let catalog = Catalog::new();
    catalog.replace_all(vec![product("b", &["x.dev"]), product("a", &["x.dev"])]);
    for (value, expected) in [(key("a"), "a"), (key("b"), "b"), (key("c"), "a"), (String::new(), "a")] {
        let headers = [("x-api-key", value.as_str())];
        let mut request = request("/", &headers);
        request.host = "x.dev".into();
        assert_eq!(chosen(&catalog, &request).as_deref(), Some(expected), "{value}");
    }
}

#[test]
fn a_profile_that_envoys_route_names_must_exist() {
    let catalog = Catalog::new();
    catalog.replace_all(vec![product("a", &["*"]), product("b", &[])]);
    for (name, expected) in [("b", Some("b")), ("z", None), ("", None)] {
        let mut request = request("/", &[]);
        request.context.push(("profile", name));
        assert_eq!(chosen(&catalog, &request).as_deref(), expected, "{name}");
    }
}

#[test]
fn among_profiles_without_hosts_the_format_of_the_key_decides() {
    let catalog = Catalog::new();
    catalog.replace_all(vec![product("a", &[]), product("b", &[]), product("c", &["c.dev"])]);
    let with = |key: &str| chosen(&catalog, &request("/", &[("x-api-key", key)]));
    assert_eq!(with(&key("b")).as_deref(), Some("b"));
    // A profile with hosts does not apply to requests for other hosts.
    assert_eq!(with(&key("c")), None);
    assert_eq!(with("b_short"), None);
    assert_eq!(chosen(&catalog, &request("/", &[])), None);
}

#[test]
fn the_first_profile_by_name_applies_if_none_has_hosts() {
    let product_with_source = |name: &str, header: &str| {
        profile(&format!(
            "name = \"{name}\"\n[credential]\nsources = [\"header:{header}\"]\n\
             [[kinds]]\nname = \"secret\"\nprefix = \"sk_\"\nsecret = \"hex:16\""
        ))
    };
    let catalog = Catalog::new();
    catalog.replace_all(vec![
        product_with_source("d", "x-api-key"),
        product_with_source("b", "x-other-key"),
        product_with_source("c", "x-api-key"),
        product_with_source("e", "x-last-key"),
    ]);
    let with = |headers: &[(&str, &str)]| chosen(&catalog, &request("/", headers));
    let value = key("sk");
    assert_eq!(with(&[("x-api-key", &value)]).as_deref(), Some("c"));
    assert_eq!(with(&[("x-api-key", &value), ("x-other-key", &value)]).as_deref(), Some("b"));
    assert_eq!(with(&[("x-last-key", &value), ("x-other-key", "sk_")]).as_deref(), Some("e"));
    assert_eq!(with(&[("x-api-key", "sk_")]), None);
}

#[test]
fn new_profiles_replace_the_old_ones() {
    let catalog = Catalog::new();
    catalog.replace_all(vec![product("a", &[])]);
    assert!(catalog.matches_key_format(&key("a")) && Policies::named(&catalog, "a").is_some());
    catalog.replace_all(vec![product("b", &[])]);
    assert!(
        !catalog.matches_key_format(&key("a"))
            && catalog.named("a").is_none()
            && catalog.named("b").is_some()
    );
}

#[test]
fn a_request_without_a_profile_has_an_identifier_too() {
    let catalog = Catalog::new();
    assert_eq!(catalog.request_id(&request("/", &[("x-request-id", "id-1")])), "id-1");
    assert_eq!(catalog.request_id(&request("/", &[])).len(), 10);
}

#[test]
fn a_request_without_a_profile_is_denied_for_its_host_or_for_a_mistake_of_envoys_route() {
    let catalog = Catalog::new();
    catalog.replace_all(vec![product("a", &["a.dev"]), product("b", &["b.dev"])]);
    let denial = |extension: Option<(&'static str, &'static str)>| {
        let mut request = request("/", &[]);
        request.host = "c.dev".into();
        request.context.extend(extension);
        assert_eq!(chosen(&catalog, &request), None);
        let denial = catalog.denial_without_profile(&request);
        (denial.reason, denial.message.into_owned())
    };
    let (reason, message) = denial(None);
    assert_eq!(reason, Reason::HostNotAllowed);
    assert!(message.starts_with("No profile serves this host"), "{message}");
    for (extension, words) in [
        (("profile", "c"), "names the profile \"c\", and there is none"),
        (("Profile", "a"), "\"Profile\" is not one of profile, scopes"),
    ] {
        let (reason, message) = denial(Some(extension));
        assert_eq!(reason, Reason::RouteNotAllowed);
        assert!(message.contains(words), "{message}");
    }
}
