//! Sources of a credential, its removal from the request, and the denial of malformed ones.

use latchkey_testing::{Echo, EnvoySetup, Request, both_ways};

use crate::{HOST, ProxyFixture, get};

both_ways!(
    the_credential_is_found_in_every_source_and_goes_no_further,
    the_rest_of_the_query_and_of_the_cookies_goes_on,
    a_credential_in_the_body_is_found,
    two_credentials_are_one_too_many,
    the_same_credential_twice_is_one,
    malformed_credentials_are_refused,
    without_profile_words_a_denial_is_problem_details,
);

async fn the_credential_is_found_in_every_source_and_goes_no_further(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    let ways = [
        get("/v1/items/1").header("X-API-KEY", &key),
        get("/v1/items/1").header("authorization", format!("Bearer {key}")),
        get(&format!("/v1/items/1?api_key={key}")),
        get(&format!("/v1/items/1?a=1&api_key={key}&b=2")),
        get("/v1/items/1").header("cookie", format!("api_key={key}")),
        get("/v1/items/1").header("cookie", format!("a=1; api_key={key}; b=2")),
    ];
    for way in ways {
        let echo = Echo::of(&fixture.send(&way));
        assert!(!echo.text().contains(&key), "the service sees the key: {}", echo.text());
        assert_eq!(echo.all("x-tenant-id"), ["acme"]);
    }
}

async fn the_rest_of_the_query_and_of_the_cookies_goes_on(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    let echo = Echo::of(&fixture.send(&get(&format!("/v1/items/1?a=1&api_key={key}&b=2%20x"))));
    assert_eq!(echo.path(), "/v1/items/1?a=1&b=2%20x");
    let cookie = format!("a=1; api_key={key}; b=2");
    let echo = Echo::of(&fixture.send(&get("/v1/items/1").header("cookie", cookie)));
    let rest = echo.all("cookie").join("; ");
    assert!(rest.contains("a=1") && rest.contains("b=2"), "{rest}");
    let echo = Echo::of(&fixture.send(&get("/v1/items/1?x=%2F..&y=/").header("x-api-key", key)));
    assert_eq!(echo.path(), "/v1/items/1?x=%2F..&y=/");
}

async fn a_credential_in_the_body_is_found(raw: bool) {
    let fixture =
        ProxyFixture::with(EnvoySetup { raw_headers: raw, body: Some(8192), ..EnvoySetup::default() }).await;
    let key = fixture.value().await;
    let body = format!(r#"{{"amount":7,"auth":{{"key":"{key}"}}}}"#);
    let request = |body: &str| Request::new("POST", HOST, "/v1/items/1").json(body);
    let _ = Echo::of(&fixture.send(&request(&body)));
    for wrong in ["{}", "[]", "null", r#"{"auth":{"key":7}}"#, r#"{"auth":"#, ""] {
        assert_eq!(fixture.send(&request(wrong)).status, 401, "{wrong}");
    }
}

async fn two_credentials_are_one_too_many(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let (one, two) = (fixture.value().await, fixture.value().await);
    let with =
        |first: &str, second: &str| get("/v1/items/1").header("x-api-key", first).header("x-api-key", second);
    let doubled = [
        with(&one, &two),
        with(&one, "nonsense"),
        with("nonsense", &one),
        with(&one, ""),
        get("/v1/items/1").header("x-api-key", format!("{one},{two}")),
        get("/v1/items/1").header("x-api-key", format!("{one}, nonsense")),
        get("/v1/items/1").header("x-api-key", format!("{one},")),
        get("/v1/items/1").header("authorization", format!("Bearer {one}, Bearer {two}")),
        get("/v1/items/1").header("x-api-key", &one).header("authorization", format!("Bearer {two}")),
        get("/v1/items/1").header("x-api-key", "nonsense").header("authorization", format!("Bearer {two}")),
        get(&format!("/v1/items/1?api_key={two}")).header("x-api-key", &one),
        get(&format!("/v1/items/1?api_key={one}&api_key={two}")),
        get("/v1/items/1").header("cookie", format!("api_key={one}; api_key={two}")),
    ];
    for (number, request) in doubled.iter().enumerate() {
        let answer = fixture.send(request);
        assert_eq!(answer.status, 401, "number {number}: {answer:?}");
    }
    assert_eq!(fixture.envoy.upstream().seen(), 0);
}

async fn the_same_credential_twice_is_one(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    let twice = get("/v1/items/1").header("x-api-key", &key).header("authorization", format!("Bearer {key}"));
    let headers = get("/v1/items/1").header("x-api-key", &key).header("X-API-KEY", &key);
    let joined = get("/v1/items/1").header("x-api-key", format!("{key}, {key}"));
    let bearers = get("/v1/items/1").header("authorization", format!("Bearer {key}, bearer {key}"));
    let query = get(&format!("/v1/items/1?api_key={key}&a=1&api_key={key}"));
    let cookies = get("/v1/items/1").header("cookie", format!("api_key={key}; api_key={key}"));
    for request in [twice, headers, joined, bearers, query, cookies] {
        let echo = Echo::of(&fixture.send(&request));
        assert!(!echo.text().contains(&key), "{}", echo.text());
    }
}

async fn malformed_credentials_are_refused(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    let long = format!("{key}{}", "0".repeat(20 * 1024));
    let malformed: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\xff\xfe\xfd".to_vec(),
        [key.as_bytes(), b"\xff"].concat(),
        [key.as_bytes(), b"\0"].concat(),
        [b"\0", key.as_bytes()].concat(),
        [key.as_bytes(), b" x"].concat(),
        [key.as_bytes(), b"\tx"].concat(),
        [&key.as_bytes()[..20], b"\0", &key.as_bytes()[20..]].concat(),
        format!("{key}\u{e9}").into_bytes(),
        format!("\"{key}\"").into_bytes(),
        format!("Bearer {key}").into_bytes(),
        long.into_bytes(),
    ];
    for value in &malformed {
        let answer = fixture.send(&get("/v1/items/1").header("x-api-key", value));
        assert!(
            matches!(answer.status, 0 | 400 | 401 | 431),
            "{:?}: {answer:?}",
            String::from_utf8_lossy(value)
        );
    }
    for scheme in ["", "Basic ", "BearerX ", "Bearer\t", "Bearer  Bearer "] {
        let answer = fixture.send(&get("/v1/items/1").header("authorization", format!("{scheme}{key}")));
        assert!(matches!(answer.status, 400 | 401), "{scheme:?}: {answer:?}");
    }
    assert_eq!(fixture.envoy.upstream().seen(), 0);
}

async fn without_profile_words_a_denial_is_problem_details(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let missing = fixture.send(&get("/v1/items/1"));
    assert_eq!(missing.status, 401);
    assert_eq!(missing.header("content-type"), Some("application/problem+json"));
    assert!(missing.header("www-authenticate").is_some(), "{missing:?}");
    assert_eq!(missing.json()["status"], 401);
    let forbidden = fixture.get("/v1/admin/x", &fixture.value().await);
    assert_eq!((forbidden.status, forbidden.header("www-authenticate")), (403, None));
    assert_eq!(forbidden.json()["status"], 403);
}
