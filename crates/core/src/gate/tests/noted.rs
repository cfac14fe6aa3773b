//! What the gate notes of use, and what it doesn't.

use smallvec::smallvec;

use super::fixture::{World, key};
use super::{ask, get};
use crate::access::Access;
use crate::ports::usage::{Hour, KeyUse};
use crate::reason::Reason;
use crate::record::fixture::{VALUE as GOOD, records};
use crate::time::Timestamp;

fn known(world: &World) -> KeyUse {
    world.usage.known(records().0.id)
}

fn scopes(seen: &KeyUse) -> Vec<&str> {
    seen.scopes.iter().map(|scope| &**scope).collect()
}

#[tokio::test]
async fn calls_are_noted_with_their_reason() {
    let world = World::new(|_, _| {});
    assert_eq!(ask(&world, &get(GOOD, "/v1/items")).await, None);
    assert_eq!(ask(&world, &get(GOOD, "/v1/admin")).await, Some(Reason::InsufficientScope));
    let seen = known(&world);
    let calls = &seen.hours[&Hour(0)];
    assert_eq!((calls.allowed, calls.denied.clone()), (1, [(Reason::InsufficientScope, 1)].into()));
    assert_eq!((seen.last, scopes(&seen)), (Some(Timestamp(2_000_000)), vec!["items.read"]));
}

#[tokio::test]
async fn what_has_no_key_or_takes_nothing_is_not_noted() {
    let world = World::new(|_, _| {});
    let dry = Access { dry_run: true, ..get(GOOD, "/v1/items") };
    assert_eq!(ask(&world, &dry).await, None);
    assert_eq!(ask(&world, &get(GOOD, "/open")).await, None, "a public route looks at no key");
    assert_eq!(ask(&world, &get(&key(2), "/v1/items")).await, Some(Reason::InvalidCredential));
    assert_eq!(known(&world), KeyUse::default());
}

#[tokio::test]
async fn scopes_that_a_call_needs_by_any_way_are_noted() {
    let all = |scopes: &[&str]| scopes.iter().map(|s| (*s).into()).collect::<Vec<_>>();
    let world = World::new(|key, _| key.scopes = all(&["admin", "items.read"]));
    assert_eq!(ask(&world, &get(GOOD, "/v1/merchants/m_1")).await, None);
    assert_eq!(scopes(&known(&world)), Vec::<&str>::new());
    let more = Access { scopes: smallvec!["items.view"], ..get(GOOD, "/v1/merchants/m_1") };
    assert_eq!(ask(&world, &more).await, None);
    assert_eq!(scopes(&known(&world)), ["items.read"], "an alias is the scope itself");
    let replaced = Access { route_scopes: Some(smallvec![]), ..get(GOOD, "/v1/admin") };
    assert_eq!(ask(&world, &replaced).await, None);
    assert_eq!(scopes(&known(&world)), ["items.read"], "the route's own were replaced");
    assert_eq!(ask(&world, &get(GOOD, "/v1/either")).await, None);
    assert_eq!(scopes(&known(&world)), ["admin", "items.read"], "either may be the one that is needed");
}
