//! Responses: headers that are set, headers that are removed in every spelling, and denials.

use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::reason::Reason;
use latchkey_profile::{Profile, RenderedHeaders, Request, TemplateContext, default_denial};

use crate::support::{NOW, context, denied, header, key, level, profile, request};

const DOCUMENT: &str = r#"
    name = "p"
    [credential]
    sources = ["header:X-API-Key", "header:authorization Bearer", "query:api_key", "cookie:session"]
    [[scopes]]
    name = "payments.create"
    [[scopes]]
    name = "payments.read"
    [upstream_headers]
    X-Tenant-ID = "{{ tenant.slug }}"
    x-scopes = "{{ scopes }}"
    x-merchant = "{{ bindings.merchant }}"
    x-gateway = "{{ bindings.gateway }}"
    x-team = "{{ metadata.team }}"
    [response_headers]
    X-Request-ID = "{{ request_id }}"
    X-Team = "{{ metadata.team }}"
"#;

/// Headers that are set, headers that are removed, the path without its credential, and response headers.
struct Outcome {
    set: Vec<(String, String)>,
    remove: Vec<String>,
    path: Option<String>,
    response: Vec<(String, String)>,
}

fn allow(profile: &Profile, request: &Request<'_>, context: &DecisionContext) -> Outcome {
    let parsed = profile.parse_request(request);
    let allow = profile.allow_response(&TemplateContext::new(context, request, &parsed, NOW));
    let owned =
        |pairs: &RenderedHeaders<'_>| pairs.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let names = |names: Vec<&str>| names.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>();
    let outcome = Outcome {
        set: owned(&allow.set),
        remove: names(allow.remove.names().collect()),
        path: allow.path,
        response: owned(&allow.response),
    };
    assert!(!outcome.set.iter().any(|(name, _)| outcome.remove.contains(name)));
    outcome
}

#[test]
fn identity_headers_are_set_and_every_other_spelling_is_removed() {
    let profile = profile(DOCUMENT);
    let outcome = allow(&profile, &request("/", &[]), &context(&profile.policy, key("secret", "live")));
    assert_eq!(header(&outcome.set, "x-tenant-id"), Some("acme"));
    assert_eq!(header(&outcome.set, "x-scopes"), Some("payments.create payments.read"));
    assert_eq!(header(&outcome.set, "x-merchant"), Some("m-1"));
    for name in ["x_tenant_id", "x-tenant_id", "x_tenant-id", "x_scopes", "x_gateway"] {
        assert!(outcome.remove.iter().any(|n| n == name), "{name}");
    }
}

#[test]
fn a_header_without_a_value_or_with_a_line_break_is_removed() {
    let profile = profile(DOCUMENT);
    let outcome = allow(&profile, &request("/", &[]), &context(&profile.policy, key("secret", "live")));
    for name in ["x-gateway", "x-team"] {
        assert_eq!(header(&outcome.set, name), None);
        assert!(outcome.remove.iter().any(|n| n == name), "{name}");
    }
    assert_eq!(header(&outcome.response, "x-team"), None);
}

#[test]
fn a_public_route_gets_no_identity_headers_from_the_client() {
    let profile = profile(DOCUMENT);
    let outcome = allow(&profile, &request("/", &[("x-tenant-id", "victim")]), &DecisionContext::default());
    assert!(outcome.set.is_empty());
    for name in
        ["x-tenant-id", "x_tenant_id", "x-scopes", "x-merchant", "x-team", "x-api-key", "authorization"]
    {
        assert!(outcome.remove.iter().any(|n| n == name), "{name}");
    }
}

#[test]
fn the_credential_is_removed_from_every_source() {
    let profile = profile(DOCUMENT);
    let path = "/x?a=1&api_key=k&API%5FKEY=k&api_keys=2";
    let request = request(path, &[("cookie", "a=1; session=k; b=2"), ("cookie", "Session=k")]);
    let outcome = allow(&profile, &request, &DecisionContext::default());
    assert_eq!(outcome.path.as_deref(), Some("/x?a=1&api_keys=2"));
    assert_eq!(header(&outcome.set, "cookie"), Some("a=1; b=2"));
    assert!(["x-api-key", "authorization"].iter().all(|name| outcome.remove.iter().any(|n| n == name)));
}

#[test]
fn a_header_with_many_hyphens_is_removed_in_the_spellings_that_a_request_has() {
    let profile = profile(
        "name = \"p\"\n[credential]\nsources = [\"header:x-acme-shop-api-access-key-v2\"]\n\
         [tenant]\nsource = \"header:x-acme-shop-api-tenant-slug-v2\"\n\
         [resource]\nshop = \"header:x-acme-shop-api-access-shop-v2\"",
    );
    let sent = [
        ("x_acme_shop_api_access_key_v2", "k"),
        ("x-acme-shop-api-access-key_v2", "k"),
        ("x_acme-shop-api-tenant-slug-v2", "acme"),
        ("x-acme-shop-api-tenant-slug-v2", "acme"),
        ("x-acme-shop_api-access-shop-v2", "s_1"),
        ("x-acme-shop-api-access-shop-v3", "s_1"),
    ];
    let mut removed = allow(&profile, &request("/", &sent), &DecisionContext::default()).remove;
    removed.sort_unstable();
    let expected = [
        "x-acme-shop-api-access-key-v2",
        "x-acme-shop-api-access-key_v2",
        "x-acme-shop_api-access-shop-v2",
        "x_acme-shop-api-tenant-slug-v2",
        "x_acme_shop_api_access_key_v2",
    ];
    assert_eq!(removed, expected);
}

#[test]
fn a_cookie_header_with_nothing_left_is_removed() {
    let profile = profile(DOCUMENT);
    let only = allow(&profile, &request("/", &[("cookie", "session=k")]), &DecisionContext::default());
    assert!(only.remove.iter().any(|n| n == "cookie") && only.set.is_empty());
    let other = allow(&profile, &request("/", &[("cookie", "xsession=k")]), &DecisionContext::default());
    assert!(!other.remove.iter().any(|n| n == "cookie") && other.set.is_empty());
}

#[test]
fn a_subprotocol_with_a_key_is_removed_in_every_spelling() {
    let profile = profile("name = \"p\"\n[credential]\nsources = [\"websocket:bearer\"]");
    let spelled = [("sec_websocket-protocol", "bearer, k"), ("sec-websocket-protocol", "chat")];
    let outcome = allow(&profile, &request("/", &spelled), &DecisionContext::default());
    assert_eq!(header(&outcome.set, "sec-websocket-protocol"), Some("bearer, chat"));
    assert!(outcome.remove.iter().any(|name| name == "sec_websocket-protocol"));
    assert!(!outcome.remove.iter().any(|name| name == "sec-websocket-protocol"));
}

#[test]
fn a_hidden_cookie_with_the_credential_is_removed() {
    let profile = profile(DOCUMENT);
    for hidden in ["a=1 session=k; b=2", "session a=1; b=2", "b=2; session a=1", "b=2;session,a=1"] {
        let request = request("/", &[("cookie", hidden), ("x-api-key", "k")]);
        let outcome = allow(&profile, &request, &DecisionContext::default());
        assert_eq!(header(&outcome.set, "cookie"), Some("b=2"), "{hidden}");
    }
}

#[test]
fn a_cookie_that_some_servers_trim_to_the_name_of_the_credential_is_removed() {
    let profile = profile(DOCUMENT);
    for other in ["\u{a0}session=admin", "\u{2003}session=admin", "\u{b}session=admin", "session\u{a0}=admin"]
    {
        let cookies = format!("a=1; {other}");
        let request = request("/", &[("cookie", &cookies), ("x-api-key", "k")]);
        let outcome = allow(&profile, &request, &DecisionContext::default());
        assert_eq!(header(&outcome.set, "cookie"), Some("a=1"), "{other:?}");
    }
}

#[test]
fn a_forwarded_credential_stays() {
    let profile = profile(
        "name = \"p\"\n[credential]\nforward = true\n\
         sources = [\"header:X-API-Key\", \"header:authorization Bearer\", \"query:api_key\", \"cookie:session\"]",
    );
    let request = request("/x?api_key=k", &[("cookie", "session=k"), ("x-api-key", "k")]);
    let outcome = allow(&profile, &request, &DecisionContext::default());
    assert!(outcome.path.is_none() && outcome.set.is_empty());
    assert!(!["x-api-key", "authorization", "cookie"].iter().any(|n| outcome.remove.iter().any(|r| r == n)));
}

#[test]
fn a_header_that_is_set_is_never_removed_as_a_credential() {
    let profile = profile(
        "name = \"p\"\n[credential]\nsources = [\"header:authorization Bearer\"]\n\
         [upstream_headers]\nauthorization = \"Tenant {{ tenant.slug }}\"",
    );
    let known = context(&profile.policy, key("secret", "live"));
    let outcome = allow(&profile, &request("/", &[]), &known);
    assert_eq!(header(&outcome.set, "authorization"), Some("Tenant acme"));
    assert!(outcome.remove.is_empty());
}

#[test]
fn without_denials_the_answer_is_problem_details() {
    let profile = profile("name = \"p\"");
    let (status, headers, body) = denied(&profile, Reason::MissingCredential, &DecisionContext::default());
    assert_eq!(status, 401);
    assert_eq!(
        body,
        r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"No credential was sent.","reason":"MISSING_CREDENTIAL","request_id":"id-1"}"#
    );
    assert_eq!(header(&headers, "content-type"), Some("application/problem+json"));
    assert_eq!(header(&headers, "www-authenticate"), Some("Bearer realm=\"p\""));
    assert_eq!(header(&headers, "retry-after"), None);
}

#[test]
fn the_usual_statuses_have_their_headers() {
    let profile = profile("name = \"p\"");
    let mut limited = DecisionContext::default();
    limited.levels.push(level());
    for (reason, expected, challenge, retry) in [
        (Reason::Expired, 401, Some("Bearer realm=\"p\", error=\"invalid_token\""), None),
        (Reason::AmbiguousCredential, 401, Some("Bearer realm=\"p\", error=\"invalid_request\""), None),
        (Reason::InsufficientScope, 403, None, None),
        (Reason::TenantSuspended, 403, None, None),
        (Reason::RateLimited, 429, None, Some("12")),
    ] {
        let (status, headers, body) = denied(&profile, reason, &limited);
        assert_eq!(status, expected, "{reason}");
        assert_eq!(header(&headers, "www-authenticate"), challenge, "{reason}");
        assert_eq!(header(&headers, "retry-after"), retry, "{reason}");
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
    }
}

#[test]
fn a_revoked_key_looks_like_an_unknown_one_unless_the_product_says_otherwise() {
    let plain = profile("name = \"p\"");
    let of = |reason| denied(&plain, reason, &DecisionContext::default());
    assert_eq!(of(Reason::Revoked), of(Reason::InvalidCredential));
    assert_ne!(of(Reason::Expired), of(Reason::InvalidCredential));
    let own = profile("name = \"p\"\n[[denials]]\nbody = \"{{ reason }}\"");
    assert_eq!(denied(&own, Reason::Revoked, &DecisionContext::default()).2, "REVOKED");
}

#[test]
fn the_first_denial_that_matches_is_used() {
    let profile = profile(
        r#"
        name = "p"
        [[denials]]
        reasons = ["EXPIRED"]
        status = 410
        "#,
    );
    let (status, headers, body) = denied(&profile, Reason::Expired, &DecisionContext::default());
    assert_eq!((status, body.as_str()), (410, ""));
    assert_eq!(header(&headers, "content-type"), Some("text/plain"));
    assert_eq!(denied(&profile, Reason::Revoked, &DecisionContext::default()).0, 401);
}

#[test]
fn a_denial_can_be_for_keys_of_a_kind() {
    let profile = profile(
        "name = \"p\"\n[[kinds]]\nname = \"secret\"\ndefault = true\nprefix = \"sk_\"\n[[kinds]]\nname = \"publishable\"\n\
         prefix = \"pk_\"\n[[denials]]\nreasons = [\"ROUTE_NOT_ALLOWED\"]\nkinds = [\"publishable\"]\n\
         body = \"use a secret key\"\n[[denials]]\nstatus = 404\nbody = \"no such URL\"",
    );
    let of = |context: &DecisionContext| {
        let (status, _, body) = denied(&profile, Reason::RouteNotAllowed, context);
        (status, body)
    };
    let known = |kind: &str| of(&context(&profile.policy, key(kind, "live")));
    assert_eq!(known("publishable"), (403, "use a secret key".to_owned()));
    assert_eq!(known("secret"), (404, "no such URL".to_owned()));
    assert_eq!(of(&DecisionContext::default()).0, 404, "no key is known");
    let unknown = "name = \"p\"\n[[denials]]\nkinds = [\"public\"]";
    let error = Profile::compile(unknown, 1).unwrap_err().to_string();
    assert!(error.contains("denials[0].kinds[0]") && error.contains("no kind \"public\""), "{error}");
}

#[test]
fn a_denials_own_header_replaces_the_response_header() {
    let profile = profile(
        "name = \"p\"\n[response_headers]\nX-A = \"all\"\nX-B = \"all\"\n[[denials]]\nheaders = { x-a = \"own\" }",
    );
    let (status, headers, _) = denied(&profile, Reason::RouteNotAllowed, &DecisionContext::default());
    assert_eq!(status, 403);
    assert_eq!((header(&headers, "x-a"), header(&headers, "x-b")), (Some("own"), Some("all")));
    assert_eq!(headers.iter().filter(|(name, _)| name == "x-a").count(), 1);
}

#[test]
fn a_request_without_a_profile_gets_the_default_denial() {
    let response = default_denial(&Denial::new(Reason::InvalidCredential), "a\"b");
    assert_eq!(response.status, 401);
    assert!(response.body.ends_with(r#""request_id":"a\"b"}"#), "{}", response.body);
}
