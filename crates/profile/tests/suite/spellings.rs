//! Spellings of cookies, parameters, members and hosts that only a part of the servers reads as the name of a source.

use latchkey_core::check_input::RequestedEnvironment;
use latchkey_core::decision::DecisionContext;
use latchkey_profile::{Profile, Request, TemplateContext};

use crate::requests::{credential, reader};
use crate::sources::bound;
use crate::support::{NOW, profile, request};

/// Returns the headers that are removed from an allowed request.
fn removed(profile: &Profile, request: &Request<'_>) -> Vec<String> {
    let (context, parsed) = (DecisionContext::default(), profile.parse_request(request));
    let allow = profile.allow_response(&TemplateContext::new(&context, request, &parsed, NOW));
    allow.remove.names().map(str::to_owned).collect()
}

#[test]
fn a_dot_in_the_name_of_a_header_is_a_hyphen_to_some_servers() {
    let source = "[resource]\nmerchant = \"header:x-merchant-id\"";
    for (headers, expected) in [
        (&[("x.merchant.id", "m_2")][..], Some("m_2")),
        (&[("x-merchant-id", "m_1"), ("x.merchant.id", "m_2")], Some(",")),
        (&[("x-merchant.id", "m_2"), ("x-merchant-id", "m_1")], Some(",")),
        (&[("x.merchant_id", "m_2"), ("x.merchant.id", "m_1")], Some(",")),
        (&[("x-merchant-id", "m_1"), ("x.merchants.id", "m_2")], Some("m_1")),
    ] {
        assert_eq!(bound(source, &request("/", headers)).as_deref(), expected, "{headers:?}");
    }
    let keys = reader(r#"["header:x-api-key"]"#, "");
    assert_eq!(credential(&keys, &request("/", &[("x-api-key", "k1"), ("x.api.key", "k2")])), "Ambiguous");
}

#[test]
fn a_header_with_a_dot_in_its_name_is_removed_as_a_spelling() {
    let profile = profile(
        "name = \"p\"\n[credential]\nsources = [\"header:x-api-key\"]\n[tenant]\nsource = \"header:x-tenant-id\"\n\
         [upstream_headers]\nx-acme-user = \"{{ subject.name }}\"",
    );
    let sent =
        ["x.acme.user", "x-acme.user", "x.api.key", "x-tenant.id", "x-tenant-id", "x.other", "x-acme.users"];
    let headers = sent.map(|name| (name, "evil"));
    let removed = removed(&profile, &request("/", &headers));
    for name in &sent[..4] {
        assert!(removed.iter().any(|one| one == name), "{name}: {removed:?}");
    }
    for name in &sent[4..] {
        assert!(!removed.iter().any(|one| one == name), "{name}: {removed:?}");
    }
    let dotted = reader(r#"["header:x.key"]"#, "");
    let removed = self::removed(&dotted, &request("/", &[("x.key", "k"), ("x-key", "k")]));
    assert_eq!(removed, ["x-key", "x.key", "x_key"]);
}

#[test]
fn brackets_around_the_name_of_a_parameter_are_no_part_of_it_to_some_servers() {
    let source = "[resource]\nshop = \"query:shop\"";
    for (path, expected) in [
        ("/x?shop=s_1", Some("s_1")),
        ("/x?[shop]=s_2", Some(",")),
        ("/x?%5Bshop%5D=s_2", Some(",")),
        ("/x?%5bSHOP]=s_2", Some(",")),
        ("/x?]shop=s_2", Some(",")),
        ("/x?shop]=s_2", Some(",")),
        ("/x?[[shop]]=s_2", Some(",")),
        ("/x?[shop=s_2", Some(",")),
        ("/x?[shop][id]=s_2", Some(",")),
        ("/x?shop=s_1&[shop]=s_2", Some(",")),
        ("/x?[shops]=s_2&[]=s_2&a[shop]=s_2", None),
    ] {
        assert_eq!(bound(source, &request(path, &[])).as_deref(), expected, "{path}");
    }
}

#[test]
fn a_cookie_counts_where_servers_decode_its_name_or_drop_an_equals_sign_before_it() {
    let source = "[resource]\nmerchant = \"cookie:till\"";
    for (value, expected) in [
        ("till=m_1", Some("m_1")),
        ("t%69ll=m_2", Some(",")),
        ("%74%69%6c%6c=m_2", Some(",")),
        ("till=m_1; t%69ll=m_2", Some(",")),
        ("t%69ll=m_2; till=m_1", Some(",")),
        ("%u0074ill=m_2", Some(",")),
        ("TILL%20=m_2", Some(",")),
        ("+till=m_2", Some(",")),
        ("till%5B%5D=m_2", Some(",")),
        ("=till=m_2", Some(",")),
        ("==till=m_2", Some(",")),
        ("a=1, t%69ll=m_2", Some(",")),
        ("till=%6d_1", Some("%6d_1")),
        ("a=t%69ll=m_2", None),
        ("t%69lls=m_2", None),
        ("100%=1; a+b=2; =x", None),
    ] {
        assert_eq!(bound(source, &request("/", &[("cookie", value)])).as_deref(), expected, "{value}");
    }
    let session = reader(r#"["cookie:session"]"#, "");
    let of = |value: &str| credential(&session, &request("/", &[("cookie", value)]));
    assert_eq!(of("session=k1"), "k1");
    assert_eq!(of("session=k1; s%65ssion=k1"), "Ambiguous");
}

#[test]
fn a_bracket_that_is_not_closed_is_an_underscore_to_some_servers() {
    let query = "[resource]\nmerchant = \"query:p_merchant\"";
    for (path, expected) in [
        ("/x?p_merchant=m_1", Some("m_1")),
        ("/x?p[merchant=m_2", Some(",")),
        ("/x?p%5Bmerchant=m_2", Some(",")),
        ("/x?p_merchant=m_1&P[merchant=m_2", Some(",")),
        ("/x?p[merchant]=m_2", None),
        ("/x?p[merchants=m_2", None),
    ] {
        assert_eq!(bound(query, &request(path, &[])).as_deref(), expected, "{path}");
    }
    let cookie = "[resource]\nmerchant = \"cookie:p_merchant\"";
    for value in ["p[merchant=m_2", "p%5Bmerchant=m_2"] {
        assert_eq!(bound(cookie, &request("/", &[("cookie", value)])).as_deref(), Some(","), "{value}");
    }
}

#[test]
fn a_member_in_another_spelling_of_its_name_is_not_absent() {
    for (pointer, body, expected) in [
        ("/merchant_id", r#"{"merchant_id":"m_1"}"#, Some("m_1")),
        ("/merchant_id", r#"{"Merchant_ID":"m_1"}"#, Some("m_1")),
        ("/merchant_id", r#"{"merchantId":"m_2"}"#, Some(",")),
        ("/id", r#"{"_id":"64f0","id":"m_1"}"#, Some("m_1")),
        ("/merchant_id", r#"{"merchant-id":"m_2"}"#, Some(",")),
        ("/merchant_id", r#"{"merchant_id":"m_1","merchantId":"m_2"}"#, Some(",")),
        ("/merchant_id", r#"{"merchantId":"m_2","merchant-id":"m_2"}"#, Some(",")),
        ("/merchant_id", r#"{"merchant":"m_2","id":"m_2"}"#, None),
        ("/shopId", r#"{"shopId":"m_1"}"#, Some("m_1")),
        ("/shopId", r#"{"shop_id":"m_2"}"#, Some(",")),
        ("/shop_data/id", r#"{"shop_data":{"id":"m_1"}}"#, Some("m_1")),
        ("/shop_data/id", r#"{"shopData":{"id":"m_2"}}"#, Some(",")),
        ("/merchant", r#"{"__proto__":{"merchant":"m_2"}}"#, Some(",")),
        ("/merchant", r#"{"merchant":"m_1","__proto__":{"merchant":"m_2"}}"#, Some("m_1")),
        ("/shop/id", r#"{"shop":{"__proto__":{"id":"m_2"}}}"#, Some(",")),
        ("/shop/id", r#"{"shop":{"proto":{"id":"m_2"}}}"#, None),
        ("/café_id", r#"{"CAFÉ_ID":"m_1"}"#, Some("m_1")),
        ("/café_id", r#"{"caféId":"m_2"}"#, Some(",")),
    ] {
        let source = format!("[resource]\nmerchant = \"body:{pointer}\"");
        let mut request = request("/", &[]);
        request.body = Some(body.as_bytes());
        assert_eq!(bound(&source, &request).as_deref(), expected, "{pointer} {body}");
    }
}

#[test]
fn another_spelling_of_an_address_is_no_way_to_another_environment() {
    let hosts = "[[hosts]]\nhost = \"[0:0::1]\"\nenvironment = \"test\"\n\
                 [[hosts]]\nhost = \"*\"\nenvironment = \"live\"";
    let profile = reader(r#"["header:x-api-key"]"#, hosts);
    let environment = |host: &'static str| {
        let mut request = request("/", &[]);
        request.host = host.into();
        match profile.parse_request(&request).access.environment {
            RequestedEnvironment::Named(name) => name.to_owned(),
            other => format!("{other:?}"),
        }
    };
    for host in ["[::1]", "[::1]:8443", "[::1]:00443"] {
        assert_eq!(environment(host), "test", "{host}");
    }
    assert_eq!(environment("[2001:DB8::1]"), "live");
    for host in ["[0:0:0:0:0:0:0:1]", "[::0001]", "[0::1]:443", "[2001:0db8::1]", "[::0.0.0.1]"] {
        assert_eq!(environment(host), "InvalidHost", "{host}");
    }
}
