//! Sources of credentials, tenants and resources, and their treatment on the way upstream.

use latchkey_testing::{Echo, EnvoySetup, Request, key};

use crate::Product;

fn document(credential: &str) -> String {
    format!(
        r#"
name = "kiosk"
unmatched_routes = "authenticate"
[credential]
{credential}
[[kinds]]
name = "secret"
prefix = "ko_"
[upstream_headers]
x-kiosk-tenant = "{{{{ tenant.slug }}}}"
"#
    )
}

const EVERY: &str = r#"sources = ["header:x-key", "header:authorization Token", "query:api_key", "cookie:session", "body:/auth/key"]"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_in_each_source_and_taken_out_of_the_request() {
    let setup = EnvoySetup { body: Some(4_096), ..EnvoySetup::default() };
    let kiosk = Product::asked(&document(EVERY), &setup).await;
    let (_, value) = kiosk.operator.plain_key("acme", "").await;
    let token = format!("tOkEn {value}");
    for (call, headers, gone) in [
        ("GET /a".to_owned(), vec![("X-Key", value.clone())], "x-key"),
        ("GET /a".to_owned(), vec![("authorization", token)], "authorization"),
        (format!("GET /a?b=1&API_KEY={value}&c=2"), vec![], ""),
        ("GET /a".to_owned(), vec![("cookie", format!("a=1; session={value}; b=2"))], ""),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let echo = Echo::of(&kiosk.send(&call, &headers));
        assert_eq!(echo.all("x-kiosk-tenant"), ["acme"]);
        assert!(echo.all(gone).is_empty() && !echo.text().contains(&value), "{}", echo.text());
        assert!(!call.contains("b=1") || echo.path() == "/a?b=1&c=2", "{}", echo.path());
        assert!(!headers.iter().any(|(name, _)| *name == "cookie") || echo.all("cookie") == ["a=1; b=2"]);
    }
    let post = Request::new("POST", "h", "/a").json(&format!(r#"{{"auth":{{"key":"{value}"}}}}"#));
    let _ = Echo::of(&kiosk.envoy.send(&post));
    for call in ["GET /a?api_key=ko_wrong", "GET /a", "GET /a?api_key="] {
        assert_eq!(kiosk.send(call, &[]).status, 401, "{call}");
    }
    let twice = Echo::of(&kiosk.send(&format!("GET /a?api_key={value}&b=1&api_key={value}"), &[]));
    assert_eq!(twice.path(), "/a?b=1", "equal values are one credential");
    assert_eq!(kiosk.send(&format!("GET /a?api_key={value}&api_key=ko_wrong"), &[]).status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_denied_unless_the_first_is_asked_for() {
    let sources = r#"sources = ["header:x-key", "header:authorization Bearer"]"#;
    for (conflict, statuses) in
        [("", [401, 401]), ("conflict = \"deny\"", [401, 401]), ("conflict = \"first\"", [200, 401])]
    {
        let kiosk = Product::of(&document(&format!("{sources}\n{conflict}"))).await;
        let (_, one) = kiosk.operator.plain_key("acme", "").await;
        let other = format!("Bearer ko_{}", "a".repeat(43));
        let good_first = kiosk.send("GET /a", &[("x-key", &one), ("authorization", &other)]).status;
        let bad_first =
            kiosk.send("GET /a", &[("x-key", "ko_bad"), ("authorization", &format!("Bearer {one}"))]);
        assert_eq!([good_first, bad_first.status], statuses, "{conflict}");
        let same = kiosk.send("GET /a", &[("x-key", &one), ("authorization", &format!("Bearer {one}"))]);
        assert_eq!(same.status, 200, "the same value twice is no conflict");
        let basic = kiosk.send("GET /a", &[("x-key", &one), ("authorization", "Basic dTpw")]);
        assert_eq!(basic.status, 200, "another scheme is no credential of this product");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_credential_reaches_the_upstream() {
    let kiosk = Product::of(&document("sources = [\"header:x-key\", \"query:k\"]\nforward = true")).await;
    let (_, value) = kiosk.operator.plain_key("acme", "").await;
    assert_eq!(Echo::of(&kiosk.send("GET /a", &[("x-key", &value)])).all("x-key"), [value.as_str()]);
    let path = format!("/a?k={value}");
    assert_eq!(Echo::of(&kiosk.send(&format!("GET {path}"), &[])).path(), path);
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_and_resources_come_from_any_source() {
    let document = r#"
name = "kiosk"
unmatched_routes = "authenticate"
[credential]
sources = ["header:x-key"]
[tenant]
source = "query:org"
required = true
[resource]
shop = "cookie:shop"
till = "query:till"
[[kinds]]
name = "secret"
default = true
prefix = "ko_"
[[kinds]]
name = "till"
prefix = "kt_"
bindings = ["shop", "till"]
[[routes]]
path = "/v1/shops/{shop}/tills/{till}"
resource = { shop = "{shop}", till = "{till}" }
"#;
    let kiosk = Product::of(document).await;
    let mut ask = key("acme", "");
    ask.kind = "till".to_owned();
    ask.bindings = [("shop", "s1"), ("till", "t1")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    let (_, value) = kiosk.operator.key(ask).await;
    for (call, cookie, status) in [
        ("GET /a?org=acme", "shop=s1", 200),
        ("GET /a?org=acme", "", 200),
        ("GET /a", "shop=s1", 401),
        ("GET /a?org=other", "shop=s1", 403),
        ("GET /a?org=acme", "shop=s2", 403),
        ("GET /a?org=acme&till=t2", "", 403),
        ("GET /v1/shops/s1/tills/t1?org=acme", "", 200),
        ("GET /v1/shops/s1/tills/t2?org=acme", "", 403),
        ("GET /v1/shops/s1/tills/t1?org=acme", "shop=s2", 403),
        ("GET /v1/shops/s%31/tills/t1?org=acme", "", 200),
    ] {
        let answer = kiosk.send(call, &[("x-key", &value), ("cookie", cookie)]);
        assert_eq!(answer.status, status, "{call} {cookie} {answer:?}");
    }
}
