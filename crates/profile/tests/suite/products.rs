//! Four more products with different rules, described by documents alone.

use latchkey_core::check_input::{PresentedCredential, RequestedEnvironment};
use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::limit::BucketOwner;
use latchkey_core::reason::Reason;
use latchkey_core::token::SigningAlgorithm;
use latchkey_profile::TemplateContext;

use crate::support::{NOW, denied, level, profile, request};

#[test]
fn luxcore_takes_the_environment_from_the_key_and_knows_aliases() {
    let profile = profile(include_str!("../../../../profiles/luxcore.toml"));
    let policy = &profile.policy;
    assert_eq!(
        profile.parse_request(&request("/v1/payments", &[])).access.environment,
        RequestedEnvironment::Any
    );
    assert_eq!(policy.environments, [Box::from("production"), Box::from("test")]);
    assert_eq!(policy.scopes.find("payments.view"), policy.scopes.find("payments.read"));
    let class = |method, path| policy.routes.find(method, path).found().and_then(|(_, route)| route.class);
    let limit = |class| policy.classes.rules(class)[0].limit;
    let creation = limit(class("POST", "/v1/payments").unwrap());
    assert_eq!((creation.tokens, creation.burst), (5000, Some(500)));
    assert_eq!(class("GET", "/v1/payments/1"), None);
    assert_eq!(limit(policy.classes.fallback().unwrap()).burst, None);
}

#[test]
fn lumen_shows_publishable_keys_again_and_secret_ones_never() {
    let policy = profile(include_str!("../../../../profiles/lumen.toml")).policy;
    let secret = policy.default_kind().unwrap();
    let publishable = policy.kind("publishable").unwrap();
    assert!(publishable.retrievable && !secret.retrievable);
    assert_eq!(policy.scopes.names(&publishable.max_scopes).collect::<Vec<_>>(), ["pricing.read"]);
    assert_eq!(secret.prefixes.of("test"), Some("lum_sk_test_"));
}

#[test]
fn auxvault_requires_a_tenant_and_finds_keys_in_bodies() {
    let profile = profile(include_str!("../../../../profiles/auxvault.toml"));
    let mut request = request("/api/v1/public/transaction", &[("x-merchant-id", "m-1")]);
    request.body = Some(br#"{"Amount":125.00,"apiKey":"lv_erp_x"}"#);
    let access = profile.parse_request(&request).access;
    assert!(access.credential == PresentedCredential::Value("lv_erp_x") && access.tenant.is_none());
    assert_eq!(access.resource.as_slice(), [("merchant", "m-1")]);
    assert!(profile.policy.tenant_required);
    assert_eq!(
        profile.policy.kind("processing").unwrap().bindings,
        [Box::from("merchant"), Box::from("gateway")]
    );
    assert_eq!(profile.tokens().unwrap().algorithm, SigningAlgorithm::Hs256);
}

#[test]
fn auxvault_has_two_shapes_of_error() {
    let profile = profile(include_str!("../../../../profiles/auxvault.toml"));
    for (reason, body) in [
        (
            Reason::MissingCredential,
            r#"{"success":false,"error":"API key required","message":"Please provide a valid API key in the x-api-key header or request body"}"#,
        ),
        (
            Reason::TenantRequired,
            r#"{"success":false,"error":{"code":"TENANT_REQUIRED","message":"X-Tenant-ID header is required"}}"#,
        ),
        (
            Reason::Revoked,
            r#"{"success":false,"error":"Invalid API key","message":"The provided API key is invalid or has been deactivated"}"#,
        ),
    ] {
        let (status, _, found) = denied(&profile, reason, &DecisionContext::default());
        assert_eq!((status, found.as_str()), (401, body));
    }
}

#[test]
fn auxvault_has_another_format_for_a_bad_token() {
    let profile = profile(include_str!("../../../../profiles/auxvault.toml"));
    let token = "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln";
    let cases = [
        ("authorization", token, r#""code":"UNAUTHORIZED","message":"Invalid or expired token""#),
        ("x-api-key", "lv_erp_x", r#""error":"Invalid API key""#),
    ];
    for (header, value, words) in cases {
        let request = request("/api/v1/merchants/m-1", &[(header, value)]);
        let parsed = profile.parse_request(&request);
        let context = DecisionContext::default();
        let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
        let response = profile.deny_response(&Denial::new(Reason::InvalidCredential), &template_context);
        assert_eq!(response.status, 401);
        assert!(response.body.contains(words), "{}", response.body);
    }
}

#[test]
fn luxor_takes_the_bare_key_and_counts_in_two_buckets() {
    let profile = profile(include_str!("../../../../profiles/luxor.toml"));
    let bare = request("/api/v1/workspace", &[("authorization", "lxk_abc")]);
    assert!(profile.parse_request(&bare).access.credential == PresentedCredential::Value("lxk_abc"));
    let schemed = request("/api/v1/workspace", &[("authorization", "Bearer lxk_abc")]);
    assert!(profile.parse_request(&schemed).access.credential == PresentedCredential::Malformed);
    let rules = profile.policy.classes.rules(profile.policy.classes.fallback().unwrap());
    assert_eq!(rules.iter().map(|r| r.per).collect::<Vec<_>>(), [BucketOwner::Tenant, BucketOwner::Key]);
}

#[test]
fn luxor_has_its_own_shape_of_error() {
    let profile = profile(include_str!("../../../../profiles/luxor.toml"));
    let mut limited = DecisionContext::default();
    limited.levels.push(level());
    let (status, _, body) = denied(&profile, Reason::RateLimited, &limited);
    let expected = r#"{"error":{"code":"rate_limit_exceeded","message":"Rate limit exceeded"}}"#;
    assert_eq!((status, body.as_str()), (429, expected));
}
