//! What is tried before it is enforced: each rule by a call that passes in shadow, beside one that differs in one
//! thing and is denied.

use smallvec::smallvec;

use super::fixture::{World, key, routes};
use super::{get, reason};
use crate::access::{Access, ClassChoice, Path, Presented, Target};
use crate::decision::Verdict;
use crate::enforce::Enforce;
use crate::policy::Policy;
use crate::ports::usage::Hour;
use crate::reason::Reason;
use crate::record::KeyLife;
use crate::record::fixture::VALUE as GOOD;
use crate::route::Routes;
use crate::scope::Catalogue;
use crate::time::Timestamp;
use crate::trouble::Trouble;

fn profile(policy: &mut Policy) {
    policy.enforce = Enforce::Shadow;
}

/// The route of this path in shadow.
fn route(path: &'static str) -> impl FnOnce(&mut Policy) {
    move |policy| {
        let mut all = routes(&policy.scopes);
        all.iter_mut().filter(|r| r.pattern.text() == path).for_each(|r| r.enforce = Enforce::Shadow);
        policy.routes = Routes::new(all);
    }
}

/// This scope in shadow.
fn scope(name: &'static str) -> impl FnOnce(&mut Policy) {
    move |policy| {
        let mut entries = policy.scopes.entries().to_vec();
        entries.iter_mut().filter(|s| *s.name == *name).for_each(|s| s.enforce = Enforce::Shadow);
        policy.scopes = Catalogue::new(entries).unwrap();
    }
}

fn class(policy: &mut Policy) {
    policy.classes = std::mem::take(&mut policy.classes).with_shadow("default");
}

async fn judge(world: &World, access: &Access<'_>) -> Verdict {
    world.gate.check(Some(&world.policy), access).await.unwrap()
}

/// What a call was denied for, and what it would have been denied for.
async fn told(world: &World, access: &Access<'_>) -> (Option<Reason>, Option<Reason>) {
    let verdict = judge(world, access).await;
    (reason(&verdict), verdict.seen.shadow.map(|denial| denial.reason))
}

const fn passed(reason: Reason) -> (Option<Reason>, Option<Reason>) {
    (None, Some(reason))
}

const fn denied(reason: Reason) -> (Option<Reason>, Option<Reason>) {
    (Some(reason), None)
}

#[tokio::test]
async fn a_profile_in_shadow_denies_nothing_and_tells_each_reason() {
    let world = World::with(profile, |_, _| {});
    assert_eq!(told(&world, &get(GOOD, "/v1/items")).await, (None, None));
    let (base, unknown) = (|| get(GOOD, "/v1/items"), key(2));
    for (access, expected) in [
        (get("", "/v1/items"), Reason::MissingCredential),
        (Access { credential: Presented::Ambiguous, ..base() }, Reason::AmbiguousCredential),
        (get("nonsense", "/v1/items"), Reason::InvalidCredential),
        (get(&unknown, "/v1/items"), Reason::InvalidCredential),
        (Access { tenant: Some("other"), ..base() }, Reason::TenantMismatch),
        (Access { environment: Target::Unknown, ..base() }, Reason::EnvironmentMismatch),
        (get(GOOD, "/v1/admin"), Reason::InsufficientScope),
        (get(GOOD, "/v1/nowhere"), Reason::RouteNotAllowed),
        (get(GOOD, "/v1/publishable"), Reason::RouteNotAllowed),
        (Access { class: ClassChoice::Always("nothing"), ..base() }, Reason::RouteNotAllowed),
        (Access { path: Path::Unsafe, ..base() }, Reason::RouteNotAllowed),
    ] {
        assert_eq!(told(&world, &access).await, passed(expected), "{access:?}");
    }
    let revoked = KeyLife::Revoked { at: Timestamp(1), reason: String::new() };
    for (life, expected) in [(revoked, Reason::Revoked), (KeyLife::Disabled, Reason::Disabled)] {
        let world = World::with(profile, |key, _| key.life = life);
        assert_eq!(told(&world, &get(GOOD, "/v1/items")).await, passed(expected));
    }
    let suspended = World::with(profile, |_, tenant| tenant.suspended = true);
    assert_eq!(told(&suspended, &get(GOOD, "/v1/items")).await, passed(Reason::TenantSuspended));
}

#[tokio::test]
async fn nobody_vouches_for_a_credential_that_is_not_in_order() {
    let out = World::with(profile, |key, _| key.life = KeyLife::Disabled);
    let seen = judge(&out, &get(GOOD, "/v1/items")).await.seen;
    assert!(seen.principal.is_some() && seen.vouched().is_none(), "it is told of, and is nobody");
    let world = World::with(profile, |_, _| {});
    let seen = judge(&world, &get(GOOD, "/v1/admin")).await.seen;
    assert!(seen.vouched().is_some(), "a good key without a scope is who it is");
    let unsafe_path = Access { path: Path::Unsafe, ..get(GOOD, "") };
    assert!(judge(&world, &unsafe_path).await.seen.vouched().is_some());
    assert!(judge(&out, &unsafe_path).await.seen.vouched().is_none());
    assert!(judge(&world, &get("", "/v1/items")).await.seen.principal.is_none());
}

#[tokio::test]
async fn an_outage_stays_an_outage() {
    let world = World::with(profile, |_, _| {});
    world.store.break_down(true);
    let error = world.gate.check(Some(&world.policy), &get(GOOD, "/v1/items")).await.unwrap_err();
    assert!(matches!(error, Trouble::Outage { .. }));
}

#[tokio::test]
async fn quota_is_taken_as_if_it_were_enforced() {
    let world = World::with(profile, |_, _| {});
    for _ in 0..20 {
        assert_eq!(told(&world, &get(GOOD, "/v1/admin")).await, passed(Reason::InsufficientScope));
    }
    for _ in 0..10 {
        assert_eq!(told(&world, &get(GOOD, "/v1/items")).await, (None, None));
    }
    assert_eq!(told(&world, &get(GOOD, "/v1/items")).await, passed(Reason::RateLimited));
    let from = || Access { address: Some("192.0.2.7".parse().unwrap()), ..get("nonsense", "/v1/items") };
    for _ in 0..3 {
        assert_eq!(told(&world, &from()).await, passed(Reason::InvalidCredential));
    }
    assert_eq!(told(&world, &from()).await, passed(Reason::RateLimited));
}

#[tokio::test]
async fn a_route_in_shadow_lets_its_own_calls_pass_alone() {
    let world = World::with(route("/v1/admin"), |_, _| {});
    assert_eq!(told(&world, &get(GOOD, "/v1/admin")).await, passed(Reason::InsufficientScope));
    assert_eq!(told(&world, &get("", "/v1/admin")).await, passed(Reason::MissingCredential));
    assert_eq!(told(&world, &get("", "/v1/items")).await, denied(Reason::MissingCredential));
    assert_eq!(told(&world, &get(GOOD, "/v1/neither")).await, denied(Reason::InsufficientScope));
    assert_eq!(told(&world, &get(GOOD, "/v1/admin/x")).await, denied(Reason::RouteNotAllowed));
    let unsafe_path = Access { path: Path::Unsafe, ..get(GOOD, "") };
    assert_eq!(told(&world, &unsafe_path).await, denied(Reason::RouteNotAllowed), "it is on no route");
    let revoked = World::with(route("/v1/admin"), |key, _| key.life = KeyLife::Disabled);
    let verdict = revoked.gate.check(None, &get(GOOD, "/v1/admin")).await.unwrap();
    assert_eq!(reason(&verdict), None, "the profile was found with the key");
    let verdict = revoked.gate.check(None, &get("", "/v1/admin")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::MissingCredential), "no profile is known");
}

#[tokio::test]
async fn a_scope_in_shadow_lets_pass_what_lacks_it_and_nothing_else() {
    let world = World::with(scope("admin"), |_, _| {});
    assert_eq!(told(&world, &get(GOOD, "/v1/admin")).await, passed(Reason::InsufficientScope));
    assert_eq!(told(&world, &get(GOOD, "/v1/neither")).await, passed(Reason::InsufficientScope));
    let unknown = Access { scopes: smallvec!["nothing"], ..get(GOOD, "/v1/admin") };
    assert_eq!(told(&world, &unknown).await, denied(Reason::InsufficientScope), "nobody has it");
    assert_eq!(told(&world, &get("", "/v1/admin")).await, denied(Reason::MissingCredential));
    let other = World::with(scope("items.read"), |_, _| {});
    assert_eq!(told(&other, &get(GOOD, "/v1/admin")).await, denied(Reason::InsufficientScope));
    let both = World::with(scope("admin"), |key, _| key.scopes = Vec::new());
    assert_eq!(told(&both, &get(GOOD, "/v1/admin")).await, denied(Reason::InsufficientScope));
    assert_eq!(told(&both, &get(GOOD, "/v1/neither")).await, passed(Reason::InsufficientScope));
}

#[tokio::test]
async fn what_is_enforced_still_denies_after_a_scope_in_shadow() {
    let network = World::with(scope("admin"), |key, _| key.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    let both = (Some(Reason::NetworkNotAllowed), Some(Reason::InsufficientScope));
    assert_eq!(told(&network, &get(GOOD, "/v1/admin")).await, both, "the first in shadow is kept");
    let world = World::with(scope("admin"), |_, _| {});
    for _ in 0..10 {
        assert_eq!(told(&world, &get(GOOD, "/v1/admin")).await, passed(Reason::InsufficientScope));
    }
    let both = (Some(Reason::RateLimited), Some(Reason::InsufficientScope));
    assert_eq!(told(&world, &get(GOOD, "/v1/admin")).await, both, "it takes from enforced buckets");
}

#[tokio::test]
async fn a_class_in_shadow_limits_nobody_and_all_else_holds() {
    let world = World::with(class, |_, _| {});
    for _ in 0..10 {
        assert_eq!(told(&world, &get(GOOD, "/v1/items")).await, (None, None));
    }
    assert_eq!(told(&world, &get(GOOD, "/v1/items")).await, passed(Reason::RateLimited));
    assert_eq!(told(&world, &get(GOOD, "/v1/admin")).await, denied(Reason::InsufficientScope));
    let from = || Access { address: Some("192.0.2.7".parse().unwrap()), ..get("nonsense", "/v1/items") };
    for _ in 0..3 {
        assert_eq!(told(&world, &from()).await, denied(Reason::InvalidCredential));
    }
    let both = (Some(Reason::InvalidCredential), Some(Reason::RateLimited));
    assert_eq!(told(&world, &from()).await, both, "an attempt too many is an attempt like those before");
}

#[tokio::test]
async fn whoever_asks_strictly_is_denied_everything() {
    let everything = |policy: &mut Policy| {
        scope("admin")(policy);
        route("/v1/items")(policy);
        class(policy);
        profile(policy);
    };
    let world = World::with(everything, |_, _| {});
    let strictly = |access: Access<'static>| Access { strict: true, ..access };
    for (access, expected) in [
        (get("", "/v1/items"), Reason::MissingCredential),
        (get(GOOD, "/v1/admin"), Reason::InsufficientScope),
        (Access { path: Path::Unsafe, ..get(GOOD, "") }, Reason::RouteNotAllowed),
        (Access { cost: 11, ..get(GOOD, "/v1/items") }, Reason::RateLimited),
    ] {
        assert_eq!(told(&world, &strictly(access)).await, denied(expected));
    }
}

#[tokio::test]
async fn whoever_manages_is_never_in_shadow() {
    let world = World::with(profile, |key, _| key.life = KeyLife::Disabled);
    assert!(world.gate.caller(Presented::of(GOOD), None).await.is_err());
    assert!(world.gate.caller(Presented::Missing, None).await.is_err());
    let world = World::with(profile, |_, _| {});
    assert!(world.gate.caller(Presented::of(GOOD), None).await.is_ok());
}

#[tokio::test]
async fn explain_tells_that_a_denial_was_not_enforced() {
    let world = World::with(scope("admin"), |_, _| {});
    let access = Access { explain: true, ..get(GOOD, "/v1/admin") };
    let steps = judge(&world, &access).await.seen.steps;
    let end: Vec<_> = steps.iter().map(|s| (s.name, s.passed)).skip_while(|s| s.0 != "scope").collect();
    let expected =
        [("scope", false), ("shadow", true), ("resource", true), ("network", true), ("rate_limit", true)];
    assert_eq!(end, expected);
    let world = World::with(profile, |_, _| {});
    let steps = judge(&world, &Access { explain: true, ..get("", "/v1/items") }).await.seen.steps;
    assert_eq!(steps.last().map(|s| s.detail.as_str()), Some("not enforced: the profile p is in shadow"));
}

#[tokio::test]
async fn what_would_have_been_denied_is_noted_by_who_and_why() {
    let world = World::with(profile, |_, _| {});
    for _ in 0..2 {
        told(&world, &get(GOOD, "/v1/admin")).await;
    }
    told(&world, &get("", "/v1/items")).await;
    told(&world, &Access { dry_run: true, ..get("", "/v1/items") }).await;
    told(&world, &get(GOOD, "/v1/items")).await;
    world.usage.collect();
    let batch = world.usage.next().unwrap();
    let lines: Vec<_> = batch
        .shadows
        .iter()
        .map(|((line, hour), seen)| {
            assert_eq!((*hour, seen.last), (Hour(0), Timestamp(2_000_000)));
            (&*line.subject_type, &*line.route, line.reason, &*line.detail, seen.calls)
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
    let world = World::with(scope("admin"), |key, _| key.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    told(&world, &get(GOOD, "/v1/admin")).await;
    world.usage.collect();
    assert!(world.usage.next().unwrap().shadows.is_empty());
}
