//! What is tried before it is enforced: each rule by a call that passes in shadow, beside one that differs in one
//! thing and is denied.

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
use crate::route::Routes;
use crate::scope::ScopeRegistry;
use crate::time::Timestamp;

fn profile(policy: &mut Policy) {
    policy.enforce = Enforcement::Shadow;
}

/// The route of this path in shadow.
fn route(path: &'static str) -> impl FnOnce(&mut Policy) {
    move |policy| {
        let mut all = routes(&policy.scopes);
        all.iter_mut().filter(|r| r.pattern.text() == path).for_each(|r| r.enforce = Enforcement::Shadow);
        policy.routes = Routes::new(all);
    }
}

/// This scope in shadow.
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

/// What a call was denied for, and what it would have been denied for.
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
async fn a_profile_in_shadow_denies_nothing_and_tells_each_reason() {
    let fixture = GateFixture::with(profile, |_, _| {});
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/items")).await, (None, None));
    let (base, unknown) = (|| get_request(GOOD, "/v1/items"), key(2));
    for (input, expected) in [
        (get_request("", "/v1/items"), Reason::MissingCredential),
        (CheckInput { credential: PresentedCredential::Ambiguous, ..base() }, Reason::AmbiguousCredential),
        (get_request("nonsense", "/v1/items"), Reason::InvalidCredential),
        (get_request(&unknown, "/v1/items"), Reason::InvalidCredential),
        (CheckInput { tenant: Some("other"), ..base() }, Reason::TenantMismatch),
        (CheckInput { environment: RequestedEnvironment::Unknown, ..base() }, Reason::EnvironmentMismatch),
        (get_request(GOOD, "/v1/admin"), Reason::InsufficientScope),
        (get_request(GOOD, "/v1/nowhere"), Reason::RouteNotAllowed),
        (get_request(GOOD, "/v1/publishable"), Reason::RouteNotAllowed),
        (CheckInput { class: RateClassSelector::Fixed("nothing"), ..base() }, Reason::RouteNotAllowed),
        (CheckInput { path: Path::NonCanonical, ..base() }, Reason::RouteNotAllowed),
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
async fn nobody_vouches_for_a_credential_that_is_not_in_order() {
    let out = GateFixture::with(profile, |key, _| key.lifecycle = KeyLifecycle::Disabled);
    let context = check(&out, &get_request(GOOD, "/v1/items")).await.context;
    assert!(
        context.principal.is_some() && context.verified_principal().is_none(),
        "it is told of, and is nobody"
    );
    let fixture = GateFixture::with(profile, |_, _| {});
    let context = check(&fixture, &get_request(GOOD, "/v1/admin")).await.context;
    assert!(context.verified_principal().is_some(), "a good key without a scope is who it is");
    let unsafe_path = CheckInput { path: Path::NonCanonical, ..get_request(GOOD, "") };
    assert!(check(&fixture, &unsafe_path).await.context.verified_principal().is_some());
    assert!(check(&out, &unsafe_path).await.context.verified_principal().is_none());
    assert!(check(&fixture, &get_request("", "/v1/items")).await.context.principal.is_none());
}

#[tokio::test]
async fn an_outage_stays_an_outage() {
    let fixture = GateFixture::with(profile, |_, _| {});
    fixture.store.break_down(true);
    let error = fixture.gate.check(Some(&fixture.policy), &get_request(GOOD, "/v1/items")).await.unwrap_err();
    assert!(matches!(error, SystemError::Unavailable { .. }));
}

#[tokio::test]
async fn quota_is_taken_as_if_it_were_enforced() {
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
async fn a_route_in_shadow_lets_its_own_calls_pass_alone() {
    let fixture = GateFixture::with(route("/v1/admin"), |_, _| {});
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/admin")).await, passed(Reason::InsufficientScope));
    assert_eq!(reasons(&fixture, &get_request("", "/v1/admin")).await, passed(Reason::MissingCredential));
    assert_eq!(reasons(&fixture, &get_request("", "/v1/items")).await, denied(Reason::MissingCredential));
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/neither")).await, denied(Reason::InsufficientScope));
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/admin/x")).await, denied(Reason::RouteNotAllowed));
    let unsafe_path = CheckInput { path: Path::NonCanonical, ..get_request(GOOD, "") };
    assert_eq!(reasons(&fixture, &unsafe_path).await, denied(Reason::RouteNotAllowed), "it is on no route");
    let revoked = GateFixture::with(route("/v1/admin"), |key, _| key.lifecycle = KeyLifecycle::Disabled);
    let verdict = revoked.gate.check(None, &get_request(GOOD, "/v1/admin")).await.unwrap();
    assert_eq!(reason(&verdict), None, "the profile was found with the key");
    let verdict = revoked.gate.check(None, &get_request("", "/v1/admin")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::MissingCredential), "no profile is known");
}

#[tokio::test]
async fn a_scope_in_shadow_lets_pass_what_lacks_it_and_nothing_else() {
    let fixture = GateFixture::with(scope("admin"), |_, _| {});
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/admin")).await, passed(Reason::InsufficientScope));
    assert_eq!(reasons(&fixture, &get_request(GOOD, "/v1/neither")).await, passed(Reason::InsufficientScope));
    let unknown = CheckInput { scopes: smallvec!["nothing"], ..get_request(GOOD, "/v1/admin") };
    assert_eq!(reasons(&fixture, &unknown).await, denied(Reason::InsufficientScope), "nobody has it");
    assert_eq!(reasons(&fixture, &get_request("", "/v1/admin")).await, denied(Reason::MissingCredential));
    let other = GateFixture::with(scope("items.read"), |_, _| {});
    assert_eq!(reasons(&other, &get_request(GOOD, "/v1/admin")).await, denied(Reason::InsufficientScope));
    let both = GateFixture::with(scope("admin"), |key, _| key.scopes = Vec::new());
    assert_eq!(reasons(&both, &get_request(GOOD, "/v1/admin")).await, denied(Reason::InsufficientScope));
    assert_eq!(reasons(&both, &get_request(GOOD, "/v1/neither")).await, passed(Reason::InsufficientScope));
}

#[tokio::test]
async fn what_is_enforced_still_denies_after_a_scope_in_shadow() {
    let network =
        GateFixture::with(scope("admin"), |key, _| key.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    let both = (Some(Reason::NetworkNotAllowed), Some(Reason::InsufficientScope));
    assert_eq!(reasons(&network, &get_request(GOOD, "/v1/admin")).await, both, "the first in shadow is kept");
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
        "it takes from enforced buckets"
    );
}

#[tokio::test]
async fn a_class_in_shadow_limits_nobody_and_all_else_holds() {
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
    assert_eq!(reasons(&fixture, &from()).await, both, "an attempt too many is an attempt like those before");
}

#[tokio::test]
async fn whoever_asks_strictly_is_denied_everything() {
    let everything = |policy: &mut Policy| {
        scope("admin")(policy);
        route("/v1/items")(policy);
        class(policy);
        profile(policy);
    };
    let fixture = GateFixture::with(everything, |_, _| {});
    let strictly = |input: CheckInput<'static>| CheckInput { strict: true, ..input };
    for (input, expected) in [
        (get_request("", "/v1/items"), Reason::MissingCredential),
        (get_request(GOOD, "/v1/admin"), Reason::InsufficientScope),
        (CheckInput { path: Path::NonCanonical, ..get_request(GOOD, "") }, Reason::RouteNotAllowed),
        (CheckInput { cost: 11, ..get_request(GOOD, "/v1/items") }, Reason::RateLimited),
    ] {
        assert_eq!(reasons(&fixture, &strictly(input)).await, denied(expected));
    }
}

#[tokio::test]
async fn whoever_manages_is_never_in_shadow() {
    let fixture = GateFixture::with(profile, |key, _| key.lifecycle = KeyLifecycle::Disabled);
    assert!(fixture.gate.caller(PresentedCredential::of(GOOD), None).await.is_err());
    assert!(fixture.gate.caller(PresentedCredential::Missing, None).await.is_err());
    let fixture = GateFixture::with(profile, |_, _| {});
    assert!(fixture.gate.caller(PresentedCredential::of(GOOD), None).await.is_ok());
}

#[tokio::test]
async fn explain_tells_that_a_denial_was_not_enforced() {
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
async fn what_would_have_been_denied_is_noted_by_who_and_why() {
    let fixture = GateFixture::with(profile, |_, _| {});
    for _ in 0..2 {
        reasons(&fixture, &get_request(GOOD, "/v1/admin")).await;
    }
    reasons(&fixture, &get_request("", "/v1/items")).await;
    reasons(&fixture, &CheckInput { dry_run: true, ..get_request("", "/v1/items") }).await;
    reasons(&fixture, &get_request(GOOD, "/v1/items")).await;
    fixture.usage.collect();
    let batch = fixture.usage.next_batch().unwrap();
    let lines: Vec<_> = batch
        .shadows
        .iter()
        .map(|((line, hour), context)| {
            assert_eq!((*hour, context.last), (Hour(0), Timestamp(2_000_000)));
            (&*line.subject_type, &*line.route, line.reason, &*line.detail, context.calls)
        })
        .collect();
    let expected = [
        ("", "/v1/items", Reason::MissingCredential, "", 1),
        ("key", "/v1/admin", Reason::InsufficientScope, "admin", 2),
    ];
    assert_eq!(lines, expected);
    let key = batch.uses.values().next().unwrap();
    assert_eq!(key.hours[&Hour(0)].allowed, 3, "a call that passed is a use");
    assert_eq!(key.scopes.iter().map(|s| &**s).collect::<Vec<_>>(), ["items.read"], "and needed what it has");
}

#[tokio::test]
async fn what_was_denied_all_the_same_is_not_noted_as_let_through() {
    let fixture =
        GateFixture::with(scope("admin"), |key, _| key.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    reasons(&fixture, &get_request(GOOD, "/v1/admin")).await;
    fixture.usage.collect();
    assert!(fixture.usage.next_batch().unwrap().shadows.is_empty());
}
