//! The gate, both ways: every reason is reached by a call that differs in one thing from one that passes.

mod course;
pub(crate) mod fixture;
mod noted;
mod shadow;

use std::borrow::Cow;

use smallvec::smallvec;

use self::fixture::{World, key};
use crate::access::{Access, Path, Presented, Target};
use crate::decision::{Decision, Verdict};
use crate::reason::Reason;
use crate::record::KeyLife;
use crate::record::fixture::VALUE as GOOD;
use crate::time::Timestamp;

fn get<'a>(value: &'a str, path: &'a str) -> Access<'a> {
    Access {
        credential: Presented::of(value),
        method: "GET",
        path: Path::Canonical(Cow::Borrowed(path)),
        ..Access::default()
    }
}

fn reason(verdict: &Verdict) -> Option<Reason> {
    verdict.denied().map(|d| d.reason)
}

async fn ask(world: &World, access: &Access<'_>) -> Option<Reason> {
    reason(&world.gate.check(Some(&world.policy), access).await.unwrap())
}

#[tokio::test]
async fn a_good_key_passes_and_is_known() {
    let world = World::new(|_, _| {});
    let verdict = world.gate.check(Some(&world.policy), &get(GOOD, "/v1/items")).await.unwrap();
    assert!(matches!(verdict.decision, Decision::Allow(_)));
    assert_eq!(&*verdict.seen.principal.unwrap().tenant.slug, "acme");
    assert_eq!(verdict.seen.route, Some(0));
    assert_eq!(verdict.seen.levels[0].remaining, 9);
}

#[tokio::test]
async fn each_flaw_of_a_credential_has_its_reason() {
    let world = World::new(|_, _| {});
    let good = GOOD;
    for (credential, expected) in [
        (Presented::Missing, Reason::MissingCredential),
        (Presented::of(""), Reason::MissingCredential),
        (Presented::Ambiguous, Reason::AmbiguousCredential),
        (Presented::Unreadable, Reason::InvalidCredential),
        (Presented::of(" padded"), Reason::InvalidCredential),
        (Presented::Value(&good[1..]), Reason::InvalidCredential),
        (Presented::Value("lk_op_nothing"), Reason::InvalidCredential),
    ] {
        let access = Access { credential, ..get("", "/v1/items") };
        assert_eq!(ask(&world, &access).await, Some(expected), "{credential:?}");
    }
    assert_eq!(world.queries(), 0, "what has no form costs no query");
    assert_eq!(ask(&world, &get(&key(2), "/v1/items")).await, Some(Reason::InvalidCredential));
    assert_eq!(world.queries(), 1);
}

#[tokio::test]
async fn each_state_of_a_key_has_its_reason() {
    let revoked = KeyLife::Revoked { at: Timestamp(1), reason: String::new() };
    for (life, expires, expected) in [
        (KeyLife::Active, None, None),
        (KeyLife::Active, Some(Timestamp(2_000_001)), None),
        (KeyLife::Active, Some(Timestamp(2_000_000)), Some(Reason::Expired)),
        (KeyLife::Disabled, None, Some(Reason::Disabled)),
        (KeyLife::Disabled, Some(Timestamp(1)), Some(Reason::Expired)),
        (revoked.clone(), None, Some(Reason::Revoked)),
        (revoked, Some(Timestamp(1)), Some(Reason::Revoked)),
    ] {
        let world = World::new(|key, _| (key.life, key.expires) = (life.clone(), expires));
        assert_eq!(ask(&world, &get(GOOD, "/v1/items")).await, expected, "{life:?} {expires:?}");
    }
}

#[tokio::test]
async fn a_key_of_another_profile_or_of_a_lost_kind_is_no_key() {
    let other = World::new(|_, tenant| tenant.profile = "other".into());
    assert_eq!(ask(&other, &get(GOOD, "/v1/items")).await, Some(Reason::InvalidCredential));
    let lost = World::new(|key, _| key.kind = "gone".into());
    assert_eq!(ask(&lost, &get(GOOD, "/v1/items")).await, Some(Reason::InvalidCredential));
}

#[tokio::test]
async fn the_tenant_that_is_named_must_own_the_key() {
    let world = World::new(|_, _| {});
    let id = world.store.tenant_id().to_string();
    for (named, expected) in [
        (None, None),
        (Some("acme"), None),
        (Some(id.as_str()), None),
        (Some("Acme"), Some(Reason::TenantMismatch)),
        (Some("acme "), Some(Reason::TenantMismatch)),
        (Some("other"), Some(Reason::TenantMismatch)),
    ] {
        let access = Access { tenant: named, ..get(GOOD, "/v1/items") };
        assert_eq!(ask(&world, &access).await, expected, "{named:?}");
    }
    let strict = World::with(|policy| policy.tenant_required = true, |_, _| {});
    assert_eq!(ask(&strict, &get(GOOD, "/v1/items")).await, Some(Reason::TenantRequired));
    let suspended = World::new(|_, tenant| tenant.suspended = true);
    assert_eq!(ask(&suspended, &get(GOOD, "/v1/items")).await, Some(Reason::TenantSuspended));
}

#[tokio::test]
async fn a_key_works_in_its_own_environment() {
    let world = World::new(|_, _| {});
    for (environment, expected) in [
        (Target::Any, None),
        (Target::Named("live"), None),
        (Target::Named("test"), Some(Reason::EnvironmentMismatch)),
        (Target::Unknown, Some(Reason::EnvironmentMismatch)),
    ] {
        let access = Access { environment, ..get(GOOD, "/v1/items") };
        assert_eq!(ask(&world, &access).await, expected, "{environment:?}");
    }
}

#[tokio::test]
async fn routes_decide_by_scope_kind_and_path() {
    let world = World::new(|_, _| {});
    for (path, expected) in [
        ("/v1/items", None),
        ("/v1/admin", Some(Reason::InsufficientScope)),
        ("/v1/either", None),
        ("/v1/neither", Some(Reason::InsufficientScope)),
        ("/v1/publishable", Some(Reason::RouteNotAllowed)),
        ("/v1/nowhere", Some(Reason::RouteNotAllowed)),
        ("/open", None),
    ] {
        assert_eq!(ask(&world, &get(GOOD, path)).await, expected, "{path}");
    }
    assert_eq!(ask(&world, &get("", "/open")).await, None, "a public route needs no credential");
    let spoiled = Access { path: Path::Unsafe, ..get(GOOD, "") };
    assert_eq!(ask(&world, &spoiled).await, Some(Reason::RouteNotAllowed));
    let unsafe_public = Access { path: Path::Unsafe, ..get("", "") };
    assert_eq!(ask(&world, &unsafe_public).await, Some(Reason::RouteNotAllowed));
}

#[tokio::test]
async fn scopes_from_outside_add_or_replace() {
    let world = World::new(|_, _| {});
    let more = Access { scopes: smallvec!["admin"], ..get(GOOD, "/v1/items") };
    assert_eq!(ask(&world, &more).await, Some(Reason::InsufficientScope));
    let alias = Access { scopes: smallvec!["items.view"], ..get(GOOD, "/v1/items") };
    assert_eq!(ask(&world, &alias).await, None);
    let unknown = Access { scopes: smallvec!["items"], ..get(GOOD, "/v1/items") };
    assert_eq!(ask(&world, &unknown).await, Some(Reason::InsufficientScope));
    let replaced = Access { route_scopes: Some(smallvec!["items.read"]), ..get(GOOD, "/v1/admin") };
    assert_eq!(ask(&world, &replaced).await, None);
    let closed = Access { route_scopes: Some(smallvec!["admin"]), ..get("", "/open") };
    assert_eq!(ask(&world, &closed).await, Some(Reason::MissingCredential));
}

#[tokio::test]
async fn a_bound_key_touches_its_own_resource_alone() {
    let world = World::new(|key, _| drop(key.bindings.insert("merchant".into(), "m_1".into())));
    for (path, merchant, expected) in [
        ("/v1/items", None, None),
        ("/v1/items", Some("m_1"), None),
        ("/v1/items", Some("m_2"), Some(Reason::ResourceMismatch)),
        ("/v1/items", Some("M_1"), Some(Reason::ResourceMismatch)),
        ("/v1/merchants/m_1", None, None),
        ("/v1/merchants/m_2", None, Some(Reason::ResourceMismatch)),
        ("/v1/merchants/m_2", Some("m_1"), Some(Reason::ResourceMismatch)),
    ] {
        let mut access = get(GOOD, path);
        access.resource.extend(merchant.map(|m| ("merchant", m)));
        assert_eq!(ask(&world, &access).await, expected, "{path} {merchant:?}");
    }
}

#[tokio::test]
async fn what_the_route_fixes_stands_in_place_of_path_and_request() {
    let world = World::new(|key, _| drop(key.bindings.insert("merchant".into(), "m_1".into())));
    for (fixed, expected) in [("m_1", None), ("m_2", Some(Reason::ResourceMismatch))] {
        let mut access = get(GOOD, "/v1/merchants/m_2");
        access.resource.push(("merchant", "m_3"));
        access.route_resource.push(("merchant", fixed));
        assert_eq!(ask(&world, &access).await, expected, "{fixed}");
    }
}

#[tokio::test]
async fn a_key_with_networks_works_from_there_alone() {
    let world = World::new(|key, _| key.networks = vec!["192.0.2.0/24".parse().unwrap()]);
    for (address, expected) in [
        (Some("192.0.2.7"), None),
        (Some("::ffff:192.0.2.7"), None),
        (Some("192.0.3.7"), Some(Reason::NetworkNotAllowed)),
        (None, Some(Reason::NetworkNotAllowed)),
    ] {
        let address = address.map(|a| a.parse().unwrap());
        let access = Access { address, ..get(GOOD, "/v1/items") };
        assert_eq!(ask(&world, &access).await, expected, "{address:?}");
    }
}
