//! Parsing of requests: sources of credentials, ambiguous credentials, and values from Envoy's route.

use latchkey_core::check_input::{Path, PresentedCredential, RateClassSelector, RequestedEnvironment};
use latchkey_profile::{Header, Profile, Request};

use crate::support::{profile, request};

pub(crate) fn reader(sources: &str, more: &str) -> Profile {
    profile(&format!("name = \"p\"\n[credential]\nsources = {sources}\n{more}"))
}

/// Returns the value of a request's credential, or the variant without a value.
pub(crate) fn credential(profile: &Profile, request: &Request<'_>) -> String {
    match profile.parse_request(request).access.credential {
        PresentedCredential::Value(value) => value.to_owned(),
        other => format!("{other:?}"),
    }
}

pub(crate) fn with_headers(sources: &str, headers: &[(&str, &str)]) -> String {
    credential(&reader(sources, ""), &request("/", headers))
}

#[test]
fn a_header_is_a_credential_as_a_whole() {
    let bare = r#"["header:Authorization"]"#;
    assert_eq!(with_headers(bare, &[("authorization", "k1")]), "k1");
    assert_eq!(with_headers(bare, &[("authorization", "Bearer k1")]), "Malformed");
    assert_eq!(with_headers(bare, &[("authorization", "")]), "Missing");
    assert_eq!(with_headers(bare, &[]), "Missing");
    assert_eq!(with_headers(bare, &[("authorization", "k1 ")]), "Malformed");
}

#[test]
fn equal_values_of_a_header_are_one_credential_and_different_ones_are_ambiguous() {
    let bare = r#"["header:x-api-key"]"#;
    let bearer = r#"["header:authorization Bearer"]"#;
    let both = r#"["header:x-api-key", "header:authorization Bearer"]"#;
    let key = |values: &[&'static str]| values.iter().map(|value| ("x-api-key", *value)).collect::<Vec<_>>();
    for same in [&["k1,k1"][..], &["k1", "k1"], &["k1, k1 ,\tk1"], &["k1,k1", "k1"]] {
        assert_eq!(with_headers(bare, &key(same)), "k1", "{same:?}");
    }
    assert_eq!(with_headers(bare, &[("x-api-key", "k1"), ("x_api_key", "k1")]), "k1");
    for other in [
        &["k1,k2"][..],
        &["k1", "k2"],
        &["k1", "K1"],
        &["k1,"],
        &[",k1"],
        &["k1", ""],
        &["", "k1"],
        &["k1,,k1"],
    ] {
        assert_eq!(with_headers(bare, &key(other)), "Ambiguous", "{other:?}");
    }
    assert_eq!(with_headers(bare, &[("x-api-key", "k1"), ("x_api_key", "k2")]), "Ambiguous");
    let sent = |values: &[&'static str]| {
        let values: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
        with_headers(bearer, &values)
    };
    for same in [&["Bearer k1", "bearer  k1"][..], &["Bearer k1, Bearer k1"], &["Bearer k1,BEARER k1"]] {
        assert_eq!(sent(same), "k1", "{same:?}");
    }
    for other in [
        &["Bearer k1", "Bearer k2"][..],
        &["Bearer k1, k1"],
        &["Bearer k1", "k1"],
        &["Bearer k1", "Basic azE6"],
        &["Basic azE6", "Bearer k1"],
        &["Bearer k1", "Bearer "],
        &["Bearer k1, Bearer"],
    ] {
        assert_eq!(sent(other), "Ambiguous", "{other:?}");
    }
    assert_eq!(with_headers(both, &[("x-api-key", "k1,k1"), ("authorization", "Bearer k1")]), "k1");
    assert_eq!(with_headers(both, &[("x-api-key", "k1,k1"), ("authorization", "Bearer k2")]), "Ambiguous");
    assert_eq!(with_headers(both, &[("x-api-key", "k1"), ("authorization", "Basic azE6")]), "k1");
}

#[test]
fn a_scheme_is_matched_whatever_its_case() {
    let bearer = r#"["header:authorization Bearer"]"#;
    for value in ["Bearer k1", "bearer k1", "BEARER   k1"] {
        assert_eq!(with_headers(bearer, &[("authorization", value)]), "k1", "{value}");
    }
    for value in ["Basic k1", "Bearer", "Bearer ", "Bearerk1", "k1", "Bearer\tk1"] {
        assert_eq!(with_headers(bearer, &[("authorization", value)]), "Missing", "{value}");
    }
    for value in ["Bearer k1, Bearer k2", "Basic x, Bearer k2", "Bearer k1,k2"] {
        assert_eq!(with_headers(bearer, &[("authorization", value)]), "Ambiguous", "{value}");
    }
    assert_eq!(with_headers(bearer, &[("authorization", "Bearer k1 k2")]), "Malformed");
}

#[test]
fn bytes_that_are_not_text_are_malformed() {
    let profile = reader(r#"["header:x-api-key"]"#, "");
    for value in [&b"\xff\xfe"[..], b"k\0", b"k\x7f", "kéy".as_bytes(), &vec![b'k'; 20_000]] {
        let header = Header { name: b"x-api-key", value };
        let request = Request { path: "/", headers: [header].into_iter().collect(), ..Request::default() };
        assert_eq!(credential(&profile, &request), "Malformed");
    }
}

#[test]
fn a_query_parameter_is_decoded_and_may_not_be_repeated_with_another_value() {
    let profile = reader(r#"["query:api_key"]"#, "");
    for (path, expected) in [
        ("/x?api_key=k1", "k1"),
        ("/x?a=b&API_KEY=k1&c", "k1"),
        ("/x?api%5Fkey=%6b1", "k1"),
        ("/x?api_key=k1#api_key=k2", "Ambiguous"),
        ("/x?a=1;api_key=k1", "Ambiguous"),
        ("/x?api_key=k1;a=1", "Ambiguous"),
        ("/x?api_key[]=k1", "Ambiguous"),
        ("/x?api_key%5B0%5D=k1", "Ambiguous"),
        ("/x?api_key=&api_key=k1", "Ambiguous"),
        ("/x?api.key=k1", "k1"),
        ("/x?api.key=k1&api_key=k2", "Ambiguous"),
        ("/x?+api_key=k1", "k1"),
        ("/x?api_key=k1&api_key=k1", "k1"),
        ("/x?api_key=k1&api%5fkey=%6b1&API.KEY=k1", "k1"),
        ("/x?api_key=k1&api_key[]=k1", "Ambiguous"),
        ("/x?api_key=k1&a;api_key=k1", "Ambiguous"),
        ("/x?api_key=k1&api%5fkey=k2", "Ambiguous"),
        ("/x?api_key=k1&api_key", "Ambiguous"),
        ("/x?api_key=k+1", "Malformed"),
        ("/x?api_key=k%00", "Malformed"),
        ("/x?api_key=%zz", "Malformed"),
        ("/x?api_key=", "Missing"),
        ("/x?api_keys=k1&xapi_key=k2", "Missing"),
        ("/x/api_key=k1", "Missing"),
    ] {
        assert_eq!(credential(&profile, &request(path, &[])), expected, "{path}");
    }
}

#[test]
fn a_cookie_may_not_be_repeated_with_another_value() {
    let cookie = r#"["cookie:Session"]"#;
    let one = |value| with_headers(cookie, &[("cookie", value)]);
    assert_eq!(one("a=b; session=k1; c=d"), "k1");
    assert_eq!(one("session=\"k1\""), "k1");
    assert_eq!(one("session=k=1"), "k=1");
    assert_eq!(one("session=k1; session=k2"), "Ambiguous");
    assert_eq!(one("xsession=k1; a=session=k2"), "Missing");
    assert_eq!(one("session="), "Missing");
    assert_eq!(one("session=; session=k1"), "Ambiguous");
    assert_eq!(one("session; session=k1"), "Ambiguous");
    assert_eq!(one("session[]=k1"), "Ambiguous");
    assert_eq!(one("a=b,session=k1"), "Ambiguous");
    // Some servers trim these.
    assert_eq!(one("session=k1; \u{a0}session=k2"), "Ambiguous");
    assert_eq!(one("session=k1; session\u{2003}=k2"), "Ambiguous");
    assert_eq!(one("session=k1; \u{b}session=k2"), "Ambiguous");
    assert_eq!(one("session=k1; name=Zo\u{eb}"), "k1");
    assert_eq!(with_headers(cookie, &[("cookie", "a=b"), ("cookie", "session=k1")]), "k1");
    assert_eq!(one("session=k1; Session=\"k1\""), "k1");
    assert_eq!(with_headers(cookie, &[("cookie", "session=k1"), ("cookie", "session=k1")]), "k1");
    assert_eq!(with_headers(cookie, &[("cookie", "session=k1"), ("cookie", "session=k2")]), "Ambiguous");
}

#[test]
fn a_pointer_selects_a_string_in_a_body() {
    let profile = reader(r#"["body:/auth/0/api~1key"]"#, "");
    for (body, expected) in [
        (r#"{"auth":[{"api/key":"k1"}]}"#, "k1"),
        (r#"{"auth":[{"api/key":"k\u0031"}]}"#, "k1"),
        (r#"{"auth":[{"api/key":"k1","api/key":"k2"}]}"#, "Ambiguous"),
        (r#"{"auth":[{"api/key":7}]}"#, "Missing"),
        (r#"{"auth":{"0":{"api/key":"k1"}}}"#, "k1"),
        (r#"{"auth":[]}"#, "Missing"),
        (r#"{"auth":[{"api/key":"k1"}]"#, "Missing"),
        ("", "Missing"),
    ] {
        let mut request = request("/", &[]);
        request.body = Some(body.as_bytes());
        assert_eq!(credential(&profile, &request), expected, "{body}");
        request.headers.push(Header { name: b"x-envoy-auth-partial-body", value: b"true" });
        assert_eq!(credential(&profile, &request), "Missing", "{body}");
    }
}

#[test]
fn two_sources_that_differ_are_ambiguous_unless_the_first_is_used() {
    let sources = r#"["header:x-api-key", "header:authorization Bearer", "body:/key"]"#;
    let strict = reader(sources, "");
    let first = reader(sources, "conflict = \"first\"");
    for (headers, body, of_strict, of_first) in [
        (&[("x-api-key", "k1"), ("authorization", "Bearer k1")][..], "", "k1", "k1"),
        (&[("x-api-key", "k1"), ("authorization", "Bearer k2")], "", "Ambiguous", "k1"),
        (&[("authorization", "Bearer k2")], "", "k2", "k2"),
        (&[("x-api-key", ""), ("authorization", "Bearer k2")], "", "k2", "k2"),
        (&[("x-api-key", "k1"), ("authorization", "Basic k2")], "", "k1", "k1"),
        (&[("x-api-key", "k1")], r#"{"key":"k2"}"#, "Ambiguous", "k1"),
        (&[], r#"{"key":"k2"}"#, "k2", "k2"),
        (&[("x-api-key", "k 1"), ("authorization", "Bearer k2")], "", "Ambiguous", "Malformed"),
        (&[("x-api-key", "k1,k2"), ("authorization", "Bearer k2")], "", "Ambiguous", "Ambiguous"),
        (&[("x-api-key", "k1"), ("authorization", "Bearer a,b")], "", "Ambiguous", "k1"),
    ] {
        let mut request = request("/", headers);
        request.body = Some(body.as_bytes());
        assert_eq!(credential(&strict, &request), of_strict, "{headers:?} {body}");
        assert_eq!(credential(&first, &request), of_first, "{headers:?} {body}");
    }
}

#[test]
fn paths_are_canonical_or_rejected() {
    let profile = reader(r#"["header:x-api-key"]"#, "");
    for (path, expected) in [
        ("/v1/payments?x=/../y", "/v1/payments"),
        ("/v1//payments/", "/v1/payments"),
        ("/v1/%70ayments", "/v1/payments"),
        ("/a/../v1/payments", "/v1/payments"),
    ] {
        let request = request(path, &[]);
        assert_eq!(profile.parse_request(&request).access.path.canonical(), Some(expected), "{path}");
    }
    for path in
        ["", "*", "//v1/payments", "/v1%2f../payments", "/v1/%252e", "/v1/..;/x", "/%zz", "http://x/y"]
    {
        let request = request(path, &[]);
        let parsed = profile.parse_request(&request).access.path;
        assert!(matches!(parsed, Path::NonCanonical(_)), "{path}: {parsed:?}");
    }
}

#[test]
fn the_first_host_that_matches_decides_the_environment() {
    let hosts = r#"
        [[hosts]]
        host = "*.example.dev"
        environment = "test"
        [[hosts]]
        host = "api.example.dev"
        environment = "live"
        [[hosts]]
        host = "free.dev"
    "#;
    let profile = reader(r#"["header:x-api-key"]"#, hosts);
    for (host, target) in [
        ("api.example.dev", RequestedEnvironment::Named("test")),
        ("A.B.Example.Dev:8443", RequestedEnvironment::Named("test")),
        ("free.dev", RequestedEnvironment::Any),
        ("example.dev", RequestedEnvironment::UnknownHost),
        ("", RequestedEnvironment::UnknownHost),
        ("api.example.dev:80@free.dev", RequestedEnvironment::InvalidHost),
    ] {
        let mut request = request("/", &[]);
        request.host = host.into();
        assert_eq!(profile.parse_request(&request).access.environment, target, "{host}");
    }
}

#[test]
fn values_from_envoys_route_take_precedence() {
    let more = "[resource]\nmerchant = \"header:x-merchant-id\"\nshop = \"query:shop\"\n[[hosts]]\nhost = \"*\"\nenvironment = \"live\"";
    let profile = reader(r#"["header:x-api-key"]"#, more);
    let mut request = request("/x?shop=s%31", &[("x-merchant-id", "m1")]);
    let access = profile.parse_request(&request).access;
    assert_eq!(access.resource.as_slice(), [("merchant", "m1"), ("shop", "s1")]);
    assert_eq!(
        (access.environment, access.class),
        (RequestedEnvironment::Named("live"), RateClassSelector::Route)
    );
    assert!(access.route_scopes.is_none());
    drop(access);
    request.context.extend([
        ("scopes", "a.read, b.write,"),
        ("rate_class", "slow"),
        ("environment", "test"),
        ("resource.merchant", "m2"),
    ]);
    let access = profile.parse_request(&request).access;
    assert_eq!(access.route_scopes.as_deref(), Some(&["a.read", "b.write"][..]));
    assert_eq!(
        (access.environment, access.class),
        (RequestedEnvironment::Named("test"), RateClassSelector::Fixed("slow"))
    );
    assert_eq!(access.resource.as_slice(), [("merchant", "m1"), ("shop", "s1")]);
    assert_eq!(access.route_resource.as_slice(), [("merchant", "m2")], "the gate uses this one instead");
}

#[test]
fn a_tenant_that_is_named_twice_matches_no_tenant() {
    let profile =
        reader(r#"["header:x-api-key"]"#, "[tenant]\nsource = \"header:X-Tenant-ID\"\nrequired = true");
    assert!(profile.policy.tenant_required);
    let tenant = |headers: &[(&str, &str)]| {
        let request = request("/", headers);
        profile.parse_request(&request).access.tenant.map(ToOwned::to_owned)
    };
    assert_eq!(tenant(&[("x-tenant-id", "acme")]).as_deref(), Some("acme"));
    assert_eq!(tenant(&[("x-tenant-id", "")]), None);
    assert_eq!(tenant(&[]), None);
    for twice in [&[("x-tenant-id", "acme,acme")][..], &[("x-tenant-id", "acme"), ("x-tenant-id", "b")]] {
        assert_eq!(tenant(twice).as_deref(), Some(","));
    }
}
