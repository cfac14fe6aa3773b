//! Tests of the gate: for every reason, a call that is denied with it differs in one thing from a call that
//! passes.

pub(crate) mod fixture;
mod imported;
mod missing_route;
mod pipeline;
mod shadow;
mod usage;

use std::borrow::Cow;

use smallvec::smallvec;

use self::fixture::{GateFixture, key};
use crate::check_input::{CheckInput, Path, PresentedCredential, RequestedEnvironment};
use crate::decision::{Decision, Verdict};
use crate::reason::Reason;
use crate::record::KeyLifecycle;
use crate::record::fixture::VALUE as GOOD;
use crate::route::PathError;
use crate::time::Timestamp;

fn get_request<'a>(value: &'a str, path: &'a str) -> CheckInput<'a> {
    CheckInput {
        credential: PresentedCredential::of(value),
        method: "GET",
        path: Path::Canonical(Cow::Borrowed(path)),
        ..CheckInput::default()
    }
}

fn reason(verdict: &Verdict) -> Option<Reason> {
    verdict.denial().map(|d| d.reason)
}

async fn denial_reason(fixture: &GateFixture, input: &CheckInput<'_>) -> Option<Reason> {
    reason(&fixture.gate.check(Some(&fixture.policy), input).await.unwrap())
}

#[tokio::test]
async fn a_valid_key_passes_and_is_known() {
    let fixture = GateFixture::new(|_, _| {});
    let verdict = fixture.gate.check(Some(&fixture.policy), &get_request(GOOD, "/v1/items")).await.unwrap();
    assert!(matches!(verdict.decision, Decision::Allow(_)));
    assert_eq!(&*verdict.context.principal.unwrap().tenant.slug, "acme");
    assert_eq!(verdict.context.route, Some(0));
    assert_eq!(verdict.context.levels[0].remaining, 9);
}

#[tokio::test]
async fn each_fault_of_a_credential_has_its_reason() {
    let fixture = GateFixture::new(|_, _| {});
    let good = GOOD;
    for (credential, expected) in [
        (PresentedCredential::Missing, Reason::MissingCredential),
        (PresentedCredential::of(""), Reason::MissingCredential),
        (PresentedCredential::Ambiguous, Reason::AmbiguousCredential),
        (PresentedCredential::Malformed, Reason::InvalidCredential),
        (PresentedCredential::of(" padded"), Reason::InvalidCredential),
        (PresentedCredential::NotAKey, Reason::InvalidCredential),
        (PresentedCredential::NotAJwt, Reason::InvalidCredential),
        (PresentedCredential::Value(&good[1..]), Reason::InvalidCredential),
        (PresentedCredential::Value("lk_op_nothing"), Reason::InvalidCredential),
    ] {
        let input = CheckInput { credential, ..get_request("", "/v1/items") };
        assert_eq!(denial_reason(&fixture, &input).await, Some(expected), "{credential:?}");
    }
    assert_eq!(fixture.queries(), 0, "a value without the format of a key costs no query");
    assert_eq!(
        denial_reason(&fixture, &get_request(&key(2), "/v1/items")).await,
        Some(Reason::InvalidCredential)
    );
    assert_eq!(fixture.queries(), 1);
}

#[tokio::test]
async fn each_state_of_a_key_has_its_reason() {
    let revoked = KeyLifecycle::Revoked { at: Timestamp(1), reason: String::new() };
    for (lifecycle, expires, expected) in [
        (KeyLifecycle::Active, None, None),
        (KeyLifecycle::Active, Some(Timestamp(2_000_001)), None),
        (KeyLifecycle::Active, Some(Timestamp(2_000_000)), Some(Reason::Expired)),
        (KeyLifecycle::Disabled, None, Some(Reason::Disabled)),
        (KeyLifecycle::Disabled, Some(Timestamp(1)), Some(Reason::Expired)),
        (revoked.clone(), None, Some(Reason::Revoked)),
        (revoked, Some(Timestamp(1)), Some(Reason::Revoked)),
    ] {
        let fixture = GateFixture::new(|key, _| (key.lifecycle, key.expires) = (lifecycle.clone(), expires));
        assert_eq!(
            denial_reason(&fixture, &get_request(GOOD, "/v1/items")).await,
            expected,
            "{lifecycle:?} {expires:?}"
        );
    }
}

#[tokio::test]
async fn a_key_of_another_profile_or_of_an_undeclared_kind_is_not_valid() {
    let other = GateFixture::new(|_, tenant| tenant.profile = "other".into());
    assert_eq!(denial_reason(&other, &get_request(GOOD, "/v1/items")).await, Some(Reason::InvalidCredential));
    let undeclared = GateFixture::new(|key, _| key.kind = "gone".into());
    assert_eq!(
        denial_reason(&undeclared, &get_request(GOOD, "/v1/items")).await,
        Some(Reason::InvalidCredential)
    );
}

#[tokio::test]
async fn a_key_is_no_credential_of_a_profile_that_accepts_none_also_if_the_call_names_no_profile() {
    for (accepted, expected) in [(true, None), (false, Some(Reason::InvalidCredential))] {
        let fixture = GateFixture::with(|policy| policy.accepts.key = accepted, |_, _| {});
        let unnamed = fixture.gate.check(None, &get_request(GOOD, "/v1/items")).await.unwrap();
        assert_eq!(reason(&unnamed), expected);
        assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/items")).await, expected);
    }
}

#[tokio::test]
async fn a_named_tenant_must_own_the_key() {
    let fixture = GateFixture::new(|_, _| {});
    let id = fixture.store.tenant_id().to_string();
    for (named, expected) in [
        (None, None),
        (Some("acme"), None),
        (Some(id.as_str()), None),
        (Some("Acme"), Some(Reason::TenantMismatch)),
        (Some("acme "), Some(Reason::TenantMismatch)),
        (Some("other"), Some(Reason::TenantMismatch)),
    ] {
        let input = CheckInput { tenant: named, ..get_request(GOOD, "/v1/items") };
        assert_eq!(denial_reason(&fixture, &input).await, expected, "{named:?}");
    }
    let strict = GateFixture::with(|policy| policy.tenant_required = true, |_, _| {});
    assert_eq!(denial_reason(&strict, &get_request(GOOD, "/v1/items")).await, Some(Reason::TenantRequired));
    let suspended = GateFixture::new(|_, tenant| tenant.suspended = true);
    assert_eq!(
        denial_reason(&suspended, &get_request(GOOD, "/v1/items")).await,
        Some(Reason::TenantSuspended)
    );
}

#[tokio::test]
async fn a_key_works_in_its_own_environment() {
    let fixture = GateFixture::new(|_, _| {});
    for (environment, expected) in [
        (RequestedEnvironment::Any, None),
        (RequestedEnvironment::Named("live"), None),
        (RequestedEnvironment::Named("test"), Some(Reason::EnvironmentMismatch)),
        (RequestedEnvironment::UnknownHost, Some(Reason::HostNotAllowed)),
        (RequestedEnvironment::InvalidHost, Some(Reason::HostNotAllowed)),
    ] {
        let input = CheckInput { environment, ..get_request(GOOD, "/v1/items") };
        assert_eq!(denial_reason(&fixture, &input).await, expected, "{environment:?}");
    }
}

#[tokio::test]
async fn routes_decide_by_scope_kind_and_path() {
    let fixture = GateFixture::new(|_, _| {});
    for (path, expected) in [
        ("/v1/items", None),
        ("/v1/admin", Some(Reason::InsufficientScope)),
        ("/v1/either", None),
        ("/v1/neither", Some(Reason::InsufficientScope)),
        ("/v1/publishable", Some(Reason::RouteNotAllowed)),
        ("/v1/nowhere", Some(Reason::RouteNotAllowed)),
        ("/open", None),
    ] {
        assert_eq!(denial_reason(&fixture, &get_request(GOOD, path)).await, expected, "{path}");
    }
    assert_eq!(
        denial_reason(&fixture, &get_request("", "/open")).await,
        None,
        "a public route needs no credential"
    );
    let non_canonical = CheckInput { path: Path::NonCanonical(PathError::Dots), ..get_request(GOOD, "") };
    assert_eq!(denial_reason(&fixture, &non_canonical).await, Some(Reason::RouteNotAllowed));
    let without_credential = CheckInput { path: Path::NonCanonical(PathError::Dots), ..get_request("", "") };
    assert_eq!(denial_reason(&fixture, &without_credential).await, Some(Reason::RouteNotAllowed));
}

#[tokio::test]
async fn scopes_of_the_request_are_added_or_replace_those_of_the_route() {
    let fixture = GateFixture::new(|_, _| {});
    let more = CheckInput { scopes: smallvec!["admin"], ..get_request(GOOD, "/v1/items") };
    assert_eq!(denial_reason(&fixture, &more).await, Some(Reason::InsufficientScope));
    let alias = CheckInput { scopes: smallvec!["items.view"], ..get_request(GOOD, "/v1/items") };
    assert_eq!(denial_reason(&fixture, &alias).await, None);
    let unknown = CheckInput { scopes: smallvec!["items"], ..get_request(GOOD, "/v1/items") };
    assert_eq!(denial_reason(&fixture, &unknown).await, Some(Reason::InsufficientScope));
    let replaced =
        CheckInput { route_scopes: Some(smallvec!["items.read"]), ..get_request(GOOD, "/v1/admin") };
    assert_eq!(denial_reason(&fixture, &replaced).await, None);
    let closed = CheckInput { route_scopes: Some(smallvec!["admin"]), ..get_request("", "/open") };
    assert_eq!(denial_reason(&fixture, &closed).await, Some(Reason::MissingCredential));
}

#[tokio::test]
async fn a_bound_key_may_use_its_own_resource_alone() {
    let fixture = GateFixture::new(|key, _| drop(key.bindings.insert("merchant".into(), "m_1".into())));
    for (path, merchant, expected) in [
        ("/v1/items", None, None),
        ("/v1/items", Some("m_1"), None),
        ("/v1/items", Some("m_2"), Some(Reason::ResourceMismatch)),
        ("/v1/items", Some("M_1"), Some(Reason::ResourceMismatch)),
        ("/v1/merchants/m_1", None, None),
        ("/v1/merchants/m_2", None, Some(Reason::ResourceMismatch)),
        ("/v1/merchants/m_2", Some("m_1"), Some(Reason::ResourceMismatch)),
    ] {
        let mut input = get_request(GOOD, path);
        input.resource.extend(merchant.map(|m| ("merchant", m)));
        assert_eq!(denial_reason(&fixture, &input).await, expected, "{path} {merchant:?}");
    }
}

#[tokio::test]
async fn fixed_resources_replace_those_of_path_and_request() {
    let fixture = GateFixture::new(|key, _| drop(key.bindings.insert("merchant".into(), "m_1".into())));
    for (fixed, expected) in [("m_1", None), ("m_2", Some(Reason::ResourceMismatch))] {
        let mut input = get_request(GOOD, "/v1/merchants/m_2");
        input.resource.push(("merchant", "m_3"));
        input.route_resource.push(("merchant", fixed));
        assert_eq!(denial_reason(&fixture, &input).await, expected, "{fixed}");
    }
}

#[tokio::test]
async fn a_key_with_networks_works_from_them_alone() {
    let fixture = GateFixture::new(|key, _| key.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    for (address, expected) in [
        (Some("192.0.2.7"), None),
        (Some("::ffff:192.0.2.7"), None),
        (Some("192.0.3.7"), Some(Reason::NetworkNotAllowed)),
        (None, Some(Reason::NetworkNotAllowed)),
    ] {
        let address = address.map(|a| a.parse().unwrap());
        let input = CheckInput { address, ..get_request(GOOD, "/v1/items") };
        assert_eq!(denial_reason(&fixture, &input).await, expected, "{address:?}");
    }
}

#[tokio::test]
async fn scopes_of_envoys_route_let_a_bound_key_use_no_other_resource() {
    let only_get = |policy: &mut crate::policy::Policy| {
        let mut routes = fixture::routes(&policy.scopes);
        for route in &mut routes {
            route.methods = vec!["GET".into()];
        }
        policy.routes = crate::route::Routes::new(routes);
    };
    let bound = |bindings: &[(&str, &str)]| {
        let bindings = bindings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        GateFixture::with(only_get, |key, _| key.bindings = bindings)
    };
    let post = CheckInput {
        method: "POST",
        route_scopes: Some(smallvec!["items.read"]),
        ..get_request(GOOD, "/v1/merchants/m_2")
    };
    assert_eq!(denial_reason(&bound(&[]), &post).await, None, "the key is not bound");
    let key = bound(&[("merchant", "m_1")]);
    assert_eq!(denial_reason(&key, &post).await, Some(Reason::RouteNotAllowed));
    for (named, expected) in [("m_1", None), ("m_2", Some(Reason::ResourceMismatch))] {
        let route_resource = [("merchant", named)].into_iter().collect();
        let named = CheckInput { route_resource, ..post.clone() };
        assert_eq!(denial_reason(&key, &named).await, expected);
    }
    let gateway = bound(&[("gateway", "g_1")]);
    for (sent, expected) in [("g_1", None), ("g_2", Some(Reason::ResourceMismatch))] {
        let sent = CheckInput { resource: [("gateway", sent)].into_iter().collect(), ..post.clone() };
        assert_eq!(denial_reason(&gateway, &sent).await, expected, "no route reads it from a path");
    }
}
