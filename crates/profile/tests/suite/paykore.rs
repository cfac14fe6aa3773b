//! Comparison of PayKore's shipped document with PayKore's documentation, byte by byte.

use latchkey_core::check_input::{PresentedCredential, RequestedEnvironment};
use latchkey_core::decision::DecisionContext;
use latchkey_core::reason::Reason;
use latchkey_core::time::Timestamp;
use latchkey_profile::{Profile, TemplateContext};

use crate::support::{NOW, context, denied, header, key, level, profile, request};

fn paykore() -> Profile {
    profile(include_str!("../../../../profiles/paykore.toml"))
}

/// Returns the request identifier in a body, and the body with PayKore's example in its place.
fn with_example_id(body: &str, example: &str) -> (String, String) {
    let at = body.find("req_").unwrap();
    let id = body[at..at + 14].to_owned();
    let rest = &body[at + 14..];
    assert!(id[4..].bytes().all(|b| b.is_ascii_alphanumeric()) && rest.starts_with('"'), "{body}");
    (id.clone(), body.replace(&id, example))
}

fn invalid() -> &'static str {
    r#"{"error":{"code":"INVALID_API_KEY","message":"The API key provided is invalid or has been revoked.","http_status":401},"meta":{"request_id":"req_7hJkL9mNpQ"}}"#
}

#[test]
fn a_missing_key_is_answered_to_the_byte() {
    let (status, headers, body) = denied(&paykore(), Reason::MissingCredential, &DecisionContext::default());
    let expected = r#"{"error":{"code":"MISSING_API_KEY","message":"No API key was provided. Add an X-API-Key header.","http_status":401},"meta":{"request_id":"req_4kMnO5pQrS"}}"#;
    assert_eq!((status, with_example_id(&body, "req_4kMnO5pQrS").1.as_str()), (401, expected));
    assert_eq!(header(&headers, "content-type"), Some("application/json"));
}

#[test]
fn the_denial_of_an_expired_key_has_its_date() {
    let profile = paykore();
    let (status, _, body) =
        denied(&profile, Reason::Expired, &context(&profile.policy, key("secret", "live")));
    let expected = r#"{"error":{"code":"EXPIRED_API_KEY","message":"This API key expired on 2025-01-01. Create a new key in the dashboard.","http_status":401},"meta":{"request_id":"req_2bCdE3fGhI"}}"#;
    assert_eq!((status, with_example_id(&body, "req_2bCdE3fGhI").1.as_str()), (401, expected));
}

#[test]
fn the_denial_of_a_limited_key_has_the_time_to_wait() {
    let profile = paykore();
    let mut context = context(&profile.policy, key("secret", "live"));
    context.levels.push(level());
    let (status, headers, body) = denied(&profile, Reason::RateLimited, &context);
    let expected = r#"{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"Too many requests. Slow down and retry after the indicated time.","http_status":429},"meta":{"request_id":"req_9kLmN2oPqR","retry_after":12}}"#;
    assert_eq!((status, with_example_id(&body, "req_9kLmN2oPqR").1.as_str()), (429, expected));
    assert_eq!(header(&headers, "retry-after"), Some("12"));
    assert_eq!(header(&headers, "x-ratelimit-limit"), Some("300"));
    assert_eq!(header(&headers, "x-ratelimit-remaining"), Some("247"));
    assert_eq!(header(&headers, "x-ratelimit-reset"), Some("1717200060"));
}

#[test]
fn every_bad_key_looks_like_an_unknown_one() {
    use Reason::{
        AmbiguousCredential, Disabled, EnvironmentMismatch, HostNotAllowed, InsufficientScope,
        InvalidCredential, NetworkNotAllowed, Revoked, RouteNotAllowed, TenantMismatch, TenantRequired,
        TenantSuspended,
    };
    let profile = paykore();
    for reason in [
        AmbiguousCredential,
        Disabled,
        EnvironmentMismatch,
        HostNotAllowed,
        InsufficientScope,
        InvalidCredential,
        NetworkNotAllowed,
        Revoked,
        RouteNotAllowed,
        TenantMismatch,
        TenantRequired,
        TenantSuspended,
    ] {
        let context = context(&profile.policy, key("secret", "live"));
        let (status, _, body) = denied(&profile, reason, &context);
        assert_eq!(
            (status, with_example_id(&body, "req_7hJkL9mNpQ").1.as_str()),
            (401, invalid()),
            "{reason}"
        );
    }
}

#[test]
fn every_response_has_the_three_rate_headers() {
    let profile = paykore();
    let reset = (NOW.0 / 1000).to_string();
    for reason in Reason::ALL {
        let (_, headers, _) = denied(&profile, *reason, &DecisionContext::default());
        assert_eq!(header(&headers, "x-ratelimit-limit"), Some("300"), "{reason}");
        assert_eq!(header(&headers, "x-ratelimit-remaining"), Some("300"), "{reason}");
        assert_eq!(header(&headers, "x-ratelimit-reset"), Some(&*reset), "{reason}");
    }
    let request = request("/v1/wallets", &[]);
    let parsed = profile.parse_request(&request);
    let mut context = context(&profile.policy, key("secret", "live"));
    context.levels.push(level());
    let allow = profile.allow_response(&TemplateContext::new(&context, &request, &parsed, Timestamp(NOW.0)));
    let names: Vec<&str> = allow.response.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]);
}

#[test]
fn the_key_may_be_in_either_header_and_the_host_decides_the_environment() {
    let profile = paykore();
    let key = format!("sk_live_{}", "a1b2".repeat(16));
    let bearer = format!("bearer  {key}");
    for (name, value) in [("x-api-key", &key), ("authorization", &bearer)] {
        let mut request = request("/v1/wallets", &[(name, value)]);
        for (host, target) in [
            ("api.paykore.dev", RequestedEnvironment::Named("live")),
            ("SANDBOX.paykore.dev:443", RequestedEnvironment::Named("test")),
            ("paykore.dev", RequestedEnvironment::UnknownHost),
        ] {
            request.host = host.into();
            let access = profile.parse_request(&request).access;
            assert!(
                access.credential == PresentedCredential::Value(&key) && access.environment == target,
                "{host}"
            );
        }
    }
    assert!(
        profile.policy.matches_key_format(&key) && !profile.policy.matches_key_format(&key.to_uppercase())
    );
}

#[test]
fn only_secret_keys_call_and_plans_set_the_limit() {
    let policy = paykore().policy;
    let (_, route) = policy.routes.find("GET", "/v1/wallets").found().unwrap();
    assert_eq!(route.kinds, [Box::from("secret")]);
    assert!(policy.kind("publishable").unwrap().retrievable && !policy.kind("secret").unwrap().retrievable);
    let of = |plan: &str| policy.plans[plan].0.get("default").map(|rules| rules[0].limit.tokens);
    assert_eq!((of("starter"), of("growth"), of("scale")), (Some(300), Some(1000), None));
    assert_eq!(policy.environments, [Box::from("live"), Box::from("test")]);
}
