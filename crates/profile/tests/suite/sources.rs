//! Resources and credentials that are spelled in several ways, or that cannot be read, and sources beyond plain headers.

use latchkey_profile::{Profile, Request};

use crate::requests::{reader, with_headers};
use crate::support::request;

pub(crate) fn bound(more: &str, request: &Request<'_>) -> Option<String> {
    let profile = reader(r#"["header:x-api-key"]"#, more);
    let access = profile.parse_request(request).access;
    access.resource.first().map(|(_, value)| (*value).to_owned())
}

#[test]
fn a_body_that_is_not_whole_plain_json_names_no_resource_that_exists() {
    let source = "[resource]\nmerchant = \"body:/merchant\"";
    let spaces = format!("{}{{\"merchant\":\"m_2\"}}", " ".repeat(9_000));
    let of = |body: &[u8], headers: &[(&str, &str)]| {
        let mut request = request("/", headers);
        request.body = Some(body);
        bound(source, &request)
    };
    for (body, expected) in [
        (&b""[..], None),
        (b"{}", None),
        (br#"{"merchant":"m_1"}"#, Some("m_1")),
        (br#"{"Merchant":"m_2"}"#, Some("m_2")),
        (br#"{"m\u0065rchant":"m_2"}"#, Some("m_2")),
        (br#"{"merchant\u0000x":"m_2"}"#, Some("m_2")),
        (spaces.as_bytes(), Some("m_2")),
        (br#"{"merchant":"m_1","Merchant":"m_2"}"#, Some(",")),
        (br#"{"merchant":"m_1","merchant":"m_1"}"#, Some(",")),
        (br#"{"merchant":""}"#, Some(",")),
        (br#"{"merchant":2}"#, Some(",")),
        (br#"{"merchant":null}"#, Some(",")),
        (br#"{"merchant":["m_2"]}"#, Some(",")),
        (br#"{"merchant":{"id":"m_2"}}"#, Some(",")),
        (br#"[{"merchant":"m_2"}]"#, Some(",")),
        (br#""m_2""#, Some(",")),
        (b"\xef\xbb\xbf{\"merchant\":\"m_2\"}", Some(",")),
        (br#"{"merchant":"m_2","x":"\ud800"}"#, Some(",")),
        (br#"{"merchant":"m_2"}{}"#, Some(",")),
        (br#"{"merchant":"m_2""#, Some(",")),
        (b"{'merchant':'m_2'}", Some(",")),
        (b"merchant=m_2", Some(",")),
        (b"\xff\xfe{\0}\0", Some(",")),
        (b"\x1f\x8b\x08", Some(",")),
    ] {
        assert_eq!(of(body, &[]).as_deref(), expected, "{}", String::from_utf8_lossy(body));
    }
    let plain = br#"{"merchant":"m_1"}"#;
    for (name, value, expected) in [
        ("content-type", "application/json; charset=utf-8", "m_1"),
        ("content-type", "application/x-www-form-urlencoded", ","),
        ("content-type", "application/json; charset=utf-16", ","),
        ("content-encoding", "identity", "m_1"),
        ("content-encoding", "gzip", ","),
        ("x-envoy-auth-partial-body", "false", "m_1"),
        ("x-envoy-auth-partial-body", "true", ","),
    ] {
        assert_eq!(of(plain, &[(name, value)]).as_deref(), Some(expected), "{name}: {value}");
    }
    assert_eq!(of(b"", &[("content-length", "9")]).as_deref(), Some(","), "a body that Envoy does not send");
    assert_eq!(of(b"", &[("content-length", "0")]), None);
}

/// Returns the tenant that a request with this body names.
fn tenant_in_body(request: &Request<'_>) -> Option<String> {
    let source = "[tenant]\nsource = \"body:/context/tenant\"\nrequired = true";
    let profile = reader(r#"["header:x-api-key"]"#, source);
    profile.parse_request(request).access.tenant.map(ToOwned::to_owned)
}

#[test]
fn a_body_that_does_not_name_one_tenant_for_every_reader_names_a_tenant_that_does_not_exist() {
    for (body, expected) in [
        // Absent: the call names no tenant, and is denied because one is required.
        (&b""[..], None),
        (b"{}", None),
        (br#"{"tenant":"acme"}"#, None),
        (br#"{"context":{}}"#, None),
        (br#"{"context":{"tenants":"acme"}}"#, None),
        (br#"{"context":{"tenant":""}}"#, None),
        (br#"{"context":{"tenant":"acme"}}"#, Some("acme")),
        (br#"  {"context" : {"x":[1,{"tenant":"b"}], "tenant" : "acme"}}  "#, Some("acme")),
        // Spellings that servers take for the same name and text.
        (br#"{"c\u006fntext":{"tenant":"\u0061cme"}}"#, Some("acme")),
        (br#"{"Context":{"TENANT":"acme"}}"#, Some("acme")),
        (br#"{"context":{"tenant\u0000x":"acme"}}"#, Some("acme")),
        (br#"{"context":{"ten_ant":"acme"}}"#, Some(",")),
        // Duplicates, also equal ones, in the object and around it.
        (br#"{"context":{"tenant":"acme","tenant":"acme"}}"#, Some(",")),
        (br#"{"context":{"tenant":"acme","Tenant":"b"}}"#, Some(",")),
        (br#"{"context":{"tenant":"acme"},"context":{}}"#, Some(",")),
        (br#"{"context":{},"Context":{"tenant":"b"}}"#, Some(",")),
        // Another type.
        (br#"{"context":{"tenant":null}}"#, Some(",")),
        (br#"{"context":{"tenant":1}}"#, Some(",")),
        (br#"{"context":{"tenant":true}}"#, Some(",")),
        (br#"{"context":{"tenant":["acme"]}}"#, Some(",")),
        (br#"{"context":{"tenant":{"id":"acme"}}}"#, Some(",")),
        (br#"{"context":[{"tenant":"acme"}]}"#, Some(",")),
        (br#"{"context":"acme"}"#, Some(",")),
        (br#"{"context":null}"#, Some(",")),
        (br#"[{"context":{"tenant":"acme"}}]"#, Some(",")),
        (br#"{"context":{"tenant":"ac\nme"}}"#, Some(",")),
        // Not whole plain JSON.
        (br#"{"context":{"tenant":"acme"}"#, Some(",")),
        (br#"{"context":{"tenant":"acme"}}{}"#, Some(",")),
        (br#"{"context":{"tenant":"acme"},"x":"\ud800"}"#, Some(",")),
        (b"{\"context\":{\"tenant\":\"ac\xffme\"}}", Some(",")),
        (b"\xef\xbb\xbf{\"context\":{\"tenant\":\"acme\"}}", Some(",")),
        (b"\xff\xfe{\0}\0", Some(",")),
        (b"\x1f\x8b\x08", Some(",")),
        (b"context.tenant=acme", Some(",")),
    ] {
        let found = tenant_in_body(&Request { body: Some(body), ..request("/", &[]) });
        assert_eq!(found.as_deref(), expected, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_body_that_is_declared_to_be_something_else_names_a_tenant_that_does_not_exist() {
    let of = |body: &[u8], headers: &[(&str, &str)]| {
        tenant_in_body(&Request { body: Some(body), ..request("/", headers) })
    };
    let plain = br#"{"context":{"tenant":"acme"}}"#;
    for (name, value, expected) in [
        ("content-type", "application/json; charset=utf-8", "acme"),
        ("content-type", "application/x-www-form-urlencoded", ","),
        ("content-type", "application/json; charset=utf-16", ","),
        ("content-encoding", "identity", "acme"),
        ("content-encoding", "gzip", ","),
        ("x-envoy-auth-partial-body", "true", ","),
    ] {
        assert_eq!(of(plain, &[(name, value)]).as_deref(), Some(expected), "{name}: {value}");
    }
    // Bodies that Envoy does not send, or sends twice.
    assert_eq!(of(b"", &[("content-length", "9")]).as_deref(), Some(","));
    assert_eq!(of(b"", &[("transfer-encoding", "chunked")]).as_deref(), Some(","));
    let twice = Request { body: Some(plain), has_two_bodies: true, ..request("/", &[]) };
    assert_eq!(tenant_in_body(&twice).as_deref(), Some(","));
}

#[test]
fn every_spelling_of_a_resources_name_counts() {
    let header = "[resource]\nmerchant = \"header:x-merchant-id\"";
    let of = |headers: &[(&str, &str)]| bound(header, &request("/", headers));
    assert_eq!(of(&[("x_merchant_id", "m_2")]).as_deref(), Some("m_2"));
    assert_eq!(of(&[("x-merchant-id", "m_1"), ("x_merchant-id", "m_2")]).as_deref(), Some(","));
    assert_eq!(of(&[("x-merchant-id", "")]).as_deref(), Some(","));
    let query = "[resource]\nmerchant = \"query:till\"";
    for (path, expected) in [
        ("/x?till=m_1", Some("m_1")),
        ("/x?till[]=m_2", Some(",")),
        ("/x?till=m_1&till=m_2", Some(",")),
        ("/x?till=m_1&TILL=m_2", Some(",")),
        ("/x?till=m_1;till=m_2", Some(",")),
        ("/x?tills=m_2", None),
        ("/x?%u0074ill=m_2", Some(",")),
        ("/x?%till=m_2&100%", None),
        ("/x%3Ftill=m_2", Some(",")),
        ("/x%3fa=1%26till=m_2?till=m_1", Some(",")),
        ("/x%3Fa=1", None),
    ] {
        assert_eq!(bound(query, &request(path, &[])).as_deref(), expected, "{path}");
    }
    let nested = "[resource]\nmerchant = \"query:filter[till]\"";
    for (path, expected) in [
        ("/x?filter[till]=m_1", Some("m_1")),
        ("/x?filter%5BTill%5D=m_1", Some("m_1")),
        ("/x?filter[till]x=m_2", Some(",")),
        ("/x?filter.till=m_2", Some(",")),
        ("/x?filter%5B%27till%27%5D=m_2", Some(",")),
        ("/x?filter[tills]=m_2&filter[x]=1&filter=1", None),
    ] {
        assert_eq!(bound(nested, &request(path, &[])).as_deref(), expected, "{path}");
    }
    let cookie = "[resource]\nmerchant = \"cookie:till\"";
    for (value, expected) in [
        ("a=1; till=m_1", Some("m_1")),
        ("a=1 till=m_2", Some(",")),
        ("a=1\ttill =m_2", Some(",")),
        ("a=1, till=m_2; till=m_1", Some(",")),
        ("a=1 tills=m_2", None),
        ("a=till", None),
    ] {
        assert_eq!(bound(cookie, &request("/", &[("cookie", value)])).as_deref(), expected, "{value}");
    }
}

#[test]
fn another_white_space_than_a_space_after_a_scheme_makes_no_resource_absent() {
    let source = "[resource]\nmerchant = \"header:x-account Account\"";
    for (value, expected) in [
        ("Account m_1", Some("m_1")),
        ("account  m_1", Some("m_1")),
        ("Account\tm_2", Some(",")),
        ("Account \tm_2", Some(",")),
        ("Other x,\tAccount\tm_2", Some(",")),
        ("Account", Some(",")),
        ("Other m_2", None),
        ("Accounts m_2", None),
    ] {
        assert_eq!(bound(source, &request("/", &[("x-account", value)])).as_deref(), expected, "{value:?}");
    }
}

#[test]
fn a_part_of_basic_credentials_and_a_subprotocol_are_sources() {
    let username = r#"["basic:username"]"#;
    let of = |sources: &str, value: &str| with_headers(sources, &[("authorization", value)]);
    assert_eq!(of(username, "Basic azE6"), "k1", "k1:");
    assert_eq!(of(username, "basic azE6cGFzcw=="), "k1", "k1:pass");
    assert_eq!(of(r#"["basic:password"]"#, "Basic dXNlcjprMTp4"), "k1:x", "user:k1:x");
    assert_eq!(of(username, "Basic OmsxCg=="), "Missing", "no user name");
    for value in ["Bearer azE6", "Basic", ""] {
        assert_eq!(of(username, value), "Missing", "{value}");
    }
    for value in ["Basic azE", "Basic !!", "Basic a 6", "Basic /w=="] {
        assert_eq!(of(username, value), "Malformed", "{value}");
    }
    let twice = [("authorization", "Basic azE6"), ("authorization", "Basic azE6")];
    assert_eq!(with_headers(username, &twice), "k1");
    let differ = [("authorization", "Basic azE6"), ("authorization", "Basic azI6")];
    assert_eq!(with_headers(username, &differ), "Ambiguous");
    let socket = r#"["websocket:bearer", "header:authorization Bearer"]"#;
    assert_eq!(with_headers(socket, &[("sec-websocket-protocol", "chat, bearer, k1")]), "k1");
    assert_eq!(with_headers(socket, &[("sec-websocket-protocol", "chat")]), "Missing");
    let both = [("sec-websocket-protocol", "bearer, k1"), ("authorization", "Bearer k2")];
    assert_eq!(with_headers(socket, &both), "Ambiguous");
}

#[test]
fn an_empty_value_of_envoys_route_is_a_mistake() {
    let profile = reader(r#"["header:x-api-key"]"#, "");
    for (name, value) in [("scopes", ""), ("scopes", " , "), ("environment", ""), ("resource.shop", "")] {
        let mut request = request("/x", &[]);
        request.context.push((name, value));
        let mistake = profile.parse_request(&request).access.route_mistake.unwrap_or_default();
        let expected = format!("The proxy's route has an empty context extension \"{name}\".");
        assert_eq!(mistake, expected, "{name} {value:?}");
    }
}

#[test]
fn a_name_of_envoys_route_without_a_meaning_is_a_mistake() {
    let more = "[resource]\nmerchant = \"header:x-merchant\"\n[[kinds]]\nname = \"till\"\nprefix = \"t_\"\n\
                bindings = [\"till\"]\n[[routes]]\npath = \"/v1/{shop}\"\nresource = { shop = \"{shop}\" }";
    let declared = reader(r#"["header:x-api-key"]"#, more);
    let mistake = |profile: &Profile, name: &'static str| {
        let mut request = request("/x", &[]);
        request.context.push((name, "x"));
        profile.parse_request(&request).access.route_mistake
    };
    for name in [
        "profile",
        "scopes",
        "rate_class",
        "environment",
        "resource.merchant",
        "resource.till",
        "resource.shop",
    ] {
        assert_eq!(mistake(&declared, name), None, "{name}");
    }
    for (name, meant) in [
        ("scope", "scopes"),
        ("Scopes", "scopes"),
        ("rate-class", "rate_class"),
        ("enviroment", "environment"),
        ("Profile", "profile"),
        ("resource.Shop", "resource.shop"),
        ("resource.shopp", "resource.shop"),
    ] {
        let found = mistake(&declared, name).unwrap_or_default();
        assert!(found.contains(&format!("{name:?} is not one of")), "{name}: {found}");
        assert!(found.ends_with(&format!("did you mean {meant}?.")), "{name}: {found}");
    }
    for name in ["resource.", "resource", "note", ""] {
        assert!(mistake(&declared, name).is_some(), "{name}");
    }
    let undeclared = reader(r#"["header:x-api-key"]"#, "");
    assert_eq!(mistake(&undeclared, "resource.shop"), None, "a profile that names no resource");
    for name in ["resource.", "resource.a b", "Resource.shop", "scope"] {
        assert!(mistake(&undeclared, name).is_some(), "{name}");
    }
}
