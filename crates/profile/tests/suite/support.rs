//! Shared fixtures: requests, keys and contexts of decisions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::cache::Cached;
use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::limit::{BucketId, BucketOwner, ChargeCondition, Level, LimitOverrides, RuleId};
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::reason::Reason;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_profile::{Header, Profile, Request, TemplateContext};
use uuid::Uuid;

/// 2024-06-01T00:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_717_200_000_000);

/// Compiles a profile; panics if it has mistakes.
pub(crate) fn profile(document: &str) -> Profile {
    Profile::compile(document, 1).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Returns a request with these headers.
pub(crate) fn request<'a>(path: &'a str, headers: &[(&'a str, &'a str)]) -> Request<'a> {
    let header =
        |(name, value): &(&'a str, &'a str)| Header { name: name.as_bytes(), value: value.as_bytes() };
    Request {
        method: "GET",
        path,
        host: "api.example.dev".into(),
        headers: headers.iter().map(header).collect(),
        ..Request::default()
    }
}

/// Returns a key of a kind in an environment, with all scopes.
pub(crate) fn key(kind: &str, environment: &str) -> KeyRecord {
    KeyRecord {
        id: KeyId(Uuid::from_u128(7)),
        tenant: TenantId(Uuid::from_u128(9)),
        hash: KeyHash([0; 32]),
        name: "worker \"7\"".into(),
        kind: kind.into(),
        environment: environment.into(),
        prefix: "sk_".into(),
        hint: "abcd".into(),
        scopes: vec!["payments.create".into(), "payments.read".into()],
        bindings: BTreeMap::from([("merchant".into(), "m-1".into())]),
        networks: vec![],
        limits: LimitOverrides::default(),
        metadata: BTreeMap::from([("team".into(), "blue\r\nx-admin: 1".into())]),
        lifecycle: KeyLifecycle::Active,
        created: NOW,
        created_by: "key_0".into(),
        // 2025-01-01T00:00:00Z
        expires: Some(Timestamp(1_735_689_600_000)),
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 1,
    }
}

/// Returns a tenant on a plan.
pub(crate) fn tenant(plan: Option<&str>) -> TenantRecord {
    TenantRecord {
        id: TenantId(Uuid::from_u128(9)),
        slug: "acme".into(),
        display_name: "Acme".into(),
        profile: "paykore".into(),
        plan: plan.map(Into::into),
        suspended: false,
        created: NOW,
        limits: LimitOverrides::default(),
        revision: 1,
    }
}

/// Returns the context of a decision for a known key.
pub(crate) fn context(policy: &Arc<Policy>, key: KeyRecord) -> DecisionContext {
    let tenant = TenantRecord { profile: (*policy.name).into(), ..tenant(None) };
    let key = Cached::key(key, &tenant);
    let principal = Principal::from_key(Arc::new(tenant), key, Some(policy));
    DecisionContext { principal: Some(principal), policy: Some(policy.clone()), ..DecisionContext::default() }
}

/// Returns the level of a bucket of 300 with 247 remaining, full again in 59.001 seconds, with room in 11.2 seconds.
pub(crate) fn level() -> Level {
    let bucket = BucketId {
        per: BucketOwner::Key,
        when: ChargeCondition::Allowed,
        subject: 7,
        class_hash: 0,
        rule: RuleId::ADDED,
    };
    Level {
        bucket,
        limit: 300,
        period: Duration::from_mins(1),
        capacity: 300,
        remaining: 247,
        reset_after: Duration::from_millis(59_001),
        retry_after: Some(Duration::from_millis(11_200)),
    }
}

/// Returns status, headers and body that the client of a denied request gets.
pub(crate) fn denied(
    profile: &Profile,
    reason: Reason,
    context: &DecisionContext,
) -> (u16, Vec<(String, String)>, String) {
    let request = request("/v1/wallets", &[("x-request-id", "id-1")]);
    let parsed = profile.parse_request(&request);
    let template_context = TemplateContext::new(context, &request, &parsed, NOW);
    let response = profile.deny_response(&Denial::new(reason), &template_context);
    let headers = response.headers.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    (response.status, headers, response.body)
}

/// Returns the value of a header.
pub(crate) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}
