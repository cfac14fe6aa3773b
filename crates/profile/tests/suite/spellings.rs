//! Spellings of cookies, parameters, members and hosts that only a part of the servers reads as the name of a source.

use latchkey_core::check_input::RequestedEnvironment;

use crate::requests::{credential, reader};
use crate::sources::bound;
use crate::support::request;

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
