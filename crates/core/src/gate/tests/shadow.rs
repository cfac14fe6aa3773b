//! Tests of shadow mode: each rule by a call that passes in shadow, and by a call that differs in one thing
//! and is denied.

use smallvec::smallvec;

use super::fixture::{GateFixture, key, routes};
use super::{get_request, reason};
use crate::check_input::{CheckInput, Path, PresentedCredential, RateClassSelector, RequestedEnvironment};
use crate::decision::Verdict;
use crate::enforcement::Enforcement;
use crate::error::SystemError;
use crate::policy::Policy;
use crate::ports::usage::Hour;
use crate::reason::Reason;
use crate::record::KeyLifecycle;
use crate::record::fixture::VALUE as GOOD;
use crate::route::{PathError, Routes};
use crate::scope::ScopeRegistry;
use crate::time::Timestamp;

fn profile(policy: &mut Policy) {
    policy.enforce = Enforcement::Shadow;
}

/// Puts the route of this path in shadow.
fn route(path: &'static str) -> impl FnOnce(&mut Policy) {
    move |policy| {
        let mut all = routes(&policy.scopes);
        all.iter_mut().filter(|r| r.pattern.text() == path).for_each(|r| r.enforce = Enforcement::Shadow);
        policy.routes = Routes::new(all);
    }
}

/// Puts this scope in shadow.
fn scope(name: &'static str) -> impl FnOnce(&mut Policy) {
    move |policy| {
        let mut entries = policy.scopes.entries().to_vec();
        entries.iter_mut().filter(|s| *s.name == *name).for_each(|s| s.enforce = Enforcement::Shadow);
        policy.scopes = ScopeRegistry::new(entries).unwrap();
    }
}

fn class(policy: &mut Policy) {
    policy.classes = std::mem::take(&mut policy.classes).with_shadow("default");
}

async fn check(fixture: &GateFixture, input: &CheckInput<'_>) -> Verdict {
    fixture.gate.check(Some(&fixture.policy), input).await.unwrap()
}

/// Returns the reason of the denial, and the reason that was not enforced.
async fn reasons(fixture: &GateFixture, input: &CheckInput<'_>) -> (Option<Reason>, Option<Reason>) {
    let verdict = check(fixture, input).await;
    (reason(&verdict), verdict.context.shadow.map(|denial| denial.reason))
}

const fn passed(reason: Reason) -> (Option<Reason>, Option<Reason>) {
    (None, Some(reason))
}

const fn denied(reason: Reason) -> (Option<Reason>, Option<Reason>) {
    (Some(reason), None)
}

#[tokio::test]
async fn a_profile_in_shadow_denies_nothing_and_records_each_reason() {
    let fixture = GateFixture::with(profile, |_, _| {});
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/items")).await, (None, None));
    let (base, unknown) = (|| get_request(GOOD, "/v1/items"), key(2));
    for (input, expected) in [
        (get_request("", "/v1/items"), Reason::MissingCredential),
        (CheckInput { credential: PresentedCredential::Ambiguous, ..base() }, Reason::AmbiguousCredential),
        (get_request("nonsense", "/v1/items"), Reason::InvalidCredential),
        (get_request(&unknown, "/v1/items"), Reason::InvalidCredential),
        (CheckInput { tenant: Some("other"), ..base() }, Reason::TenantMismatch),
        (CheckInput { environment: RequestedEnvironment::UnknownHost, ..base() }, Reason::HostNotAllowed),
        (get_request(GOOD, "/v1/admin"), Reason::InsufficientScope),
        (get_request(GOOD, "/v1/nowhere"), Reason::RouteNotAllowed),
        (get_request(GOOD, "/v1/publishable"), Reason::RouteNotAllowed),
        (CheckInput { class: RateClassSelector::Fixed("nothing"), ..base() }, Reason::RouteNotAllowed),
        (CheckInput { path: Path::NonCanonical(PathError::Dots), ..base() }, Reason::RouteNotAllowed),
    ] {
        assert_eq!(reasons(&fixture, &input).await, passed(expected), "{input:?}");
    }
    let revoked = KeyLifecycle::Revoked { at: Timestamp(1), reason: String::new() };
    for (lifecycle, expected) in [(revoked, Reason::Revoked), (KeyLifecycle::Disabled, Reason::Disabled)] {
        let fixture = GateFixture::with(profile, |key, _| key.lifecycle = lifecycle);
        assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/items")).await, passed(expected));
    }
    let suspended = GateFixture::with(profile, |_, tenant| tenant.suspended = true);
    assert_eq!(reasons(&suspended, &get_request(GOOD, "/v1/items")).await, passed(Reason::TenantSuspended));
}

#[tokio::test]
async fn an_invalid_credential_has_no_verified_principal_in_shadow() {
    let disabled = GateFixture::with(profile, |key, _| key.lifecycle = KeyLifecycle::Disabled);
    let context = check(&disabled, &get_request(GOOD, "/v1/items")).await.context;
    assert!(
        context.principal.is_some() && context.verified_principal().is_none(),
        "the principal is reported, but not as verified"
    );
    let fixture = GateFixture::with(profile, |_, _| {});
    let context = check(&fixture, &get_request(GOOD, "/v1/admin")).await.context;
    assert!(context.verified_principal().is_some(), "a valid key that lacks a scope is verified");
    let non_canonical = CheckInput { path: Path::NonCanonical(PathError::Dots), ..get_request(GOOD, "") };
    assert!(check(&fixture, &non_canonical).await.context.verified_principal().is_some());
    assert!(check(&disabled, &non_canonical).await.context.verified_principal().is_none());
    assert!(check(&fixture, &get_request("", "/v1/items")).await.context.principal.is_none());
}

#[tokio::test]
async fn an_outage_stays_an_outage() {
    let fixture = GateFixture::with(profile, |_, _| {});
    fixture.store.set_unavailable(true);
    let error = fixture.gate.check(Some(&fixture.policy), &get_request(GOOD, "/v1/items")).await.unwrap_err();
    assert!(matches!(error, SystemError::Unavailable { .. }));
}

#[tokio::test]
async fn quota_is_charged_as_if_it_were_enforced() {
    let fixture = GateFixture::with(profile, |_, _| {});
    for _ in 0..20 {
        assert_eq!(
            reasons(&fixture, &get_request(GOOD, "/v1/admin")).await,
            passed(Reason::InsufficientScope)
        );
    }
    for _ in 0..10 {
        assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/items")).await, (None, None));
    }
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/items")).await, passed(Reason::RateLimited));
    let from =
        || CheckInput { address: Some("192.0.2.7".parse().unwrap()), ..get_request("nonsense", "/v1/items") };
    for _ in 0..3 {
        assert_eq!(reasons(&fixture, &from()).await, passed(Reason::InvalidCredential));
    }
    assert_eq!(reasons(&fixture, &from()).await, passed(Reason::RateLimited));
}

#[tokio::test]
async fn a_route_in_shadow_allows_its_own_calls_alone() {
    let fixture = GateFixture::with(route("/v1/admin"), |_, _| {});
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/admin")).await, passed(Reason::InsufficientScope));
    assert_eq!(reasons(&fixture, &get_request("", "/v1/admin")).await, passed(Reason::MissingCredential));
    assert_eq!(reasons(&fixture, &get_request("", "/v1/items")).await, denied(Reason::MissingCredential));
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/neither")).await, denied(Reason::InsufficientScope));
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/admin/x")).await, denied(Reason::RouteNotAllowed));
    let non_canonical = CheckInput { path: Path::NonCanonical(PathError::Dots), ..get_request(GOOD, "") };
    assert_eq!(reasons(&fixture, &non_canonical).await, denied(Reason::RouteNotAllowed), "no route");
    let disabled = GateFixture::with(route("/v1/admin"), |key, _| key.lifecycle = KeyLifecycle::Disabled);
    let verdict = disabled.gate.check(None, &get_request(GOOD, "/v1/admin")).await.unwrap();
    assert_eq!(reason(&verdict), None, "the profile was found with the key");
    let verdict = disabled.gate.check(None, &get_request("", "/v1/admin")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::MissingCredential), "no profile is known");
}

#[tokio::test]
async fn a_scope_in_shadow_allows_calls_that_lack_it_and_nothing_else() {
    let fixture = GateFixture::with(scope("admin"), |_, _| {});
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/admin")).await, passed(Reason::InsufficientScope));
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/neither")).await, passed(Reason::InsufficientScope));
    let unknown = CheckInput { scopes: smallvec!["nothing"], ..get_request(GOOD, "/v1/admin") };
    assert_eq!(reasons(&fixture, &unknown).await, denied(Reason::InsufficientScope), "not declared");
    assert_eq!(reasons(&fixture, &get_request("", "/v1/admin")).await, denied(Reason::MissingCredential));
    let other = GateFixture::with(scope("items.read"), |_, _| {});
    assert_eq!(reasons(&other, &get_request(GOOD, "/v1/admin")).await, denied(Reason::InsufficientScope));
    let both = GateFixture::with(scope("admin"), |key, _| key.scopes = Vec::new());
    assert_eq!(reasons(&both, &get_request(GOOD, "/v1/admin")).await, denied(Reason::InsufficientScope));
    assert_eq!(reasons(&both, &get_request(GOOD, "/v1/neither")).await, passed(Reason::InsufficientScope));
}

#[tokio::test]
async fn enforced_rules_still_deny_after_a_scope_in_shadow() {
    let network =
        GateFixture::with(scope("admin"), |key, _| key.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    let both = (Some(Reason::NetworkNotAllowed), Some(Reason::InsufficientScope));
    assert_eq!(reasons(&network, &get_request(GOOD, "/v1/admin")).await, both, "the first one is kept");
    let fixture = GateFixture::with(scope("admin"), |_, _| {});
    for _ in 0..10 {
        assert_eq!(
            reasons(&fixture, &get_request(GOOD, "/v1/admin")).await,
            passed(Reason::InsufficientScope)
        );
    }
    let both = (Some(Reason::RateLimited), Some(Reason::InsufficientScope));
    assert_eq!(
        reasons(&fixture, &get_request(GOOD, "/v1/admin")).await,
        both,
        "enforced buckets are charged"
    );
}

#[tokio::test]
async fn a_class_in_shadow_limits_no_call_and_other_rules_hold() {
    let fixture = GateFixture::with(class, |_, _| {});
    for _ in 0..10 {
        assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/items")).await, (None, None));
    }
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/items")).await, passed(Reason::RateLimited));
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/admin")).await, denied(Reason::InsufficientScope));
    let from =
        || CheckInput { address: Some("192.0.2.7".parse().unwrap()), ..get_request("nonsense", "/v1/items") };
    for _ in 0..3 {
        assert_eq!(reasons(&fixture, &from()).await, denied(Reason::InvalidCredential));
    }
    let both = (Some(Reason::InvalidCredential), Some(Reason::RateLimited));
    assert_eq!(reasons(&fixture, &from()).await, both, "the attempt keeps its own reason");
}

#[tokio::test]
async fn a_strict_call_is_denied_in_spite_of_shadow() {
    let all_in_shadow = |policy: &mut Policy| {
        scope("admin")(policy);
        route("/v1/items")(policy);
        class(policy);
        profile(policy);
    };
    let fixture = GateFixture::with(all_in_shadow, |_, _| {});
    let strictly = |input: CheckInput<'static>| CheckInput { strict: true, ..input };
    for (input, expected) in [
        (get_request("", "/v1/items"), Reason::MissingCredential),
        (get_request(GOOD, "/v1/admin"), Reason::InsufficientScope),
        (
            CheckInput { path: Path::NonCanonical(PathError::Dots), ..get_request(GOOD, "") },
            Reason::RouteNotAllowed,
        ),
        (CheckInput { cost: 11, ..get_request(GOOD, "/v1/items") }, Reason::RateLimited),
    ] {
        assert_eq!(reasons(&fixture, &strictly(input)).await, denied(expected));
    }
}

#[tokio::test]
async fn a_management_call_is_never_in_shadow() {
    let fixture = GateFixture::with(profile, |key, _| key.lifecycle = KeyLifecycle::Disabled);
    assert!(fixture.gate.caller(PresentedCredential::of(GOOD), None).await.is_err());
    assert!(fixture.gate.caller(PresentedCredential::Missing, None).await.is_err());
    let fixture = GateFixture::with(profile, |_, _| {});
    assert!(fixture.gate.caller(PresentedCredential::of(GOOD), None).await.is_ok());
}

#[tokio::test]
async fn explain_says_that_a_denial_was_not_enforced() {
    let fixture = GateFixture::with(scope("admin"), |_, _| {});
    let input = CheckInput { explain: true, ..get_request(GOOD, "/v1/admin") };
    let steps = check(&fixture, &input).await.context.steps;
    let end: Vec<_> = steps.iter().map(|s| (s.name, s.passed)).skip_while(|s| s.0 != "scope").collect();
    let expected =
        [("scope", false), ("shadow", true), ("resource", true), ("network", true), ("rate_limit", true)];
    assert_eq!(end, expected);
    let fixture = GateFixture::with(profile, |_, _| {});
    let steps =
        check(&fixture, &CheckInput { explain: true, ..get_request("", "/v1/items") }).await.context.steps;
    assert_eq!(steps.last().map(|s| s.detail.as_str()), Some("not enforced: the profile p is in shadow"));
}

#[tokio::test]
async fn denials_in_shadow_are_counted_by_principal_and_reason() {
    let fixture = GateFixture::with(profile, |_, _| {});
    for _ in 0..2 {
        reasons(&fixture, &get_request(GOOD, "/v1/admin")).await;
    }
    reasons(&fixture, &get_request("", "/v1/items")).await;
    reasons(&fixture, &CheckInput { dry_run: true, ..get_request("", "/v1/items") }).await;
    reasons(&fixture, &get_request(GOOD, "/v1/items")).await;
    fixture.usage.collect(Timestamp(0));
    let batch = fixture.usage.next_batch().unwrap();
    let entries: Vec<_> = batch
        .shadows
        .iter()
        .map(|((entry, hour), count)| {
            assert_eq!((*hour, count.last), (Hour(0), Timestamp(2_000_000)));
            (&*entry.subject_type, &*entry.route, entry.reason, &*entry.detail, count.calls)
        })
        .collect();
    let expected = [
        ("", "/v1/items", Reason::MissingCredential, "", 1),
        ("key", "/v1/admin", Reason::InsufficientScope, "admin", 2),
    ];
    assert_eq!(entries, expected);
    let key = batch.uses.values().next().unwrap();
    assert_eq!(key.hours[&Hour(0)].allowed, 3, "a call that passed is a use");
    assert_eq!(key.scopes.iter().map(|s| &**s).collect::<Vec<_>>(), ["items.read"], "granted scopes alone");
}

#[tokio::test]
async fn a_call_that_was_denied_all_the_same_is_not_counted_as_allowed_in_shadow() {
    let fixture =
        GateFixture::with(scope("admin"), |key, _| key.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    reasons(&fixture, &get_request(GOOD, "/v1/admin")).await;
    fixture.usage.collect(Timestamp(0));
    assert!(fixture.usage.next_batch().unwrap().shadows.is_empty());
}
