//! What happens around a decision: quota, memory, outages, explanations.

use std::time::Duration;

use proptest::prelude::*;

use super::fixture::World;
use super::{ask, get, reason};
use crate::access::{Access, ClassChoice, Path, Presented};
use crate::decision::Source;
use crate::ports::{Change, Changed};
use crate::reason::Reason;
use crate::record::KeyLife;
use crate::record::fixture::VALUE as GOOD;
use crate::time::Tick;
use crate::trouble::Trouble;

#[tokio::test]
async fn the_limit_denies_and_a_denied_call_costs_nothing() {
    let world = World::new(|_, _| {});
    assert_eq!(ask(&world, &get(GOOD, "/v1/admin")).await, Some(Reason::InsufficientScope));
    for _ in 0..10 {
        assert_eq!(ask(&world, &get(GOOD, "/v1/items")).await, None);
    }
    let verdict = world.gate.check(Some(&world.policy), &get(GOOD, "/v1/items")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::RateLimited));
    assert_eq!(verdict.seen.levels[0].retry, Duration::from_secs(6));
    let denied = world.gate.check(Some(&world.policy), &get(GOOD, "/v1/admin")).await.unwrap();
    assert_eq!(denied.seen.levels[0].remaining, 0, "a denial of a known key shows its levels");
}

#[tokio::test]
async fn cost_and_dry_run_take_what_they_say() {
    let world = World::new(|_, _| {});
    let call = |cost, dry_run| Access { cost, dry_run, ..get("", "/v1/items") };
    let value = GOOD;
    let with = |access: Access<'static>| Access { credential: Presented::of(value), ..access };
    assert_eq!(ask(&world, &with(call(9, true))).await, None);
    assert_eq!(ask(&world, &with(call(11, true))).await, Some(Reason::RateLimited));
    assert_eq!(ask(&world, &with(call(9, false))).await, None);
    assert_eq!(ask(&world, &with(call(2, false))).await, Some(Reason::RateLimited));
    assert_eq!(ask(&world, &with(call(0, false))).await, None);
    assert_eq!(ask(&world, &with(call(1, false))).await, None);
    assert_eq!(ask(&world, &with(call(0, false))).await, None, "looking passes an empty bucket too");
}

#[tokio::test]
async fn a_class_that_is_chosen_must_exist() {
    let world = World::new(|_, _| {});
    let chosen = |class| Access { class, ..get("", "/v1/items") };
    let value = GOOD;
    for (class, expected) in [
        (ClassChoice::Always("default"), None),
        (ClassChoice::Otherwise("default"), None),
        (ClassChoice::Always("nothing"), Some(Reason::RouteNotAllowed)),
    ] {
        let access = Access { credential: Presented::of(value), ..chosen(class) };
        assert_eq!(ask(&world, &access).await, expected, "{class:?}");
    }
}

#[tokio::test]
async fn failed_attempts_count_against_their_address() {
    let world = World::new(|_, _| {});
    let from = |value: &'static str| Access {
        address: Some("192.0.2.7".parse().unwrap()),
        ..get(value, "/v1/items")
    };
    for _ in 0..3 {
        assert_eq!(ask(&world, &from("nonsense")).await, Some(Reason::InvalidCredential));
    }
    assert_eq!(ask(&world, &from("nonsense")).await, Some(Reason::RateLimited));
    let value = GOOD;
    let good = Access { credential: Presented::of(value), ..from("") };
    assert_eq!(ask(&world, &good).await, None, "a good credential from there still passes");
}

#[tokio::test]
async fn memory_answers_until_the_feed_or_the_lease_takes_it_away() {
    let world = World::new(|_, _| {});
    let value = GOOD;
    let access = get(value, "/v1/items");
    assert_eq!((ask(&world, &access).await, ask(&world, &access).await, world.queries()), (None, None, 1));
    world.store.change(|key, _| key.life = KeyLife::Disabled);
    assert_eq!(ask(&world, &access).await, None, "nobody has told yet");
    let subject = Changed::Key(crate::secret::KeyHash::of(value));
    world.memory.apply(&Change { revision: 2, subject });
    assert_eq!((ask(&world, &access).await, world.queries()), (Some(Reason::Disabled), 2));
    world.store.change(|key, _| key.life = KeyLife::Active);
    world.clock.set_tick(Tick(u64::MAX));
    assert_eq!(ask(&world, &access).await, None, "without a lease, the store is asked");
    assert_eq!(ask(&world, &access).await, None);
    assert_eq!(world.queries(), 4);
}

#[tokio::test]
async fn an_outage_is_an_error_and_is_not_remembered() {
    let world = World::new(|_, _| {});
    let value = GOOD;
    let access = get(value, "/v1/items");
    world.store.break_down(true);
    let error = world.gate.check(Some(&world.policy), &access).await.unwrap_err();
    assert!(matches!(error, Trouble::Outage { .. }));
    world.store.break_down(false);
    assert_eq!(ask(&world, &access).await, None);
    world.store.break_down(true);
    assert_eq!(ask(&world, &access).await, None, "what is remembered outlives an outage");
}

#[tokio::test]
async fn without_a_profile_the_tenants_own_decides() {
    let world = World::new(|_, _| {});
    let value = GOOD;
    let verdict = world.gate.check(None, &get(value, "/v1/admin")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::InsufficientScope));
    let verdict = world.gate.check(None, &get("", "/open")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::MissingCredential));
}

#[tokio::test]
async fn explain_tells_the_steps_in_order() {
    let world = World::new(|_, _| {});
    let value = GOOD;
    let access = Access { explain: true, ..get(value, "/v1/items") };
    let steps = world.gate.check(Some(&world.policy), &access).await.unwrap().seen.steps;
    let names: Vec<&str> = steps.iter().map(|s| s.name).collect();
    let all =
        ["credential", "key", "tenant", "environment", "route", "scope", "resource", "network", "rate_limit"];
    assert_eq!(names, all);
    assert!(steps.iter().all(|s| s.passed && !s.detail.contains(value)));
    let denied = Access { explain: true, ..get(value, "/v1/admin") };
    let steps = world.gate.check(Some(&world.policy), &denied).await.unwrap().seen.steps;
    assert_eq!(steps.last().map(|s| (s.name, s.passed)), Some(("scope", false)));
}

#[tokio::test]
async fn a_call_waits_for_the_query_that_is_under_way() {
    let world = World::new(|_, _| {});
    let value = GOOD;
    let access = get(value, "/v1/items");
    let one = world.gate.check(Some(&world.policy), &access);
    let two = world.gate.check(Some(&world.policy), &access);
    let (one, two) = tokio::join!(one, two);
    assert_eq!((reason(&one.unwrap()), reason(&two.unwrap()), world.queries()), (None, None, 1));
}

proptest! {
    /// Whatever is asked: nothing panics, and nobody passes a closed route without the one good key.
    #[test]
    fn nobody_passes_by_chance(value in "\\PC{0,80}", path in "/[ -~]{0,40}", method in "[A-Z]{0,6}", cost in 0u32..20) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = World::new(|_, _| {});
        let path = crate::route::canonical(&path).map_or(Path::Unsafe, Path::Canonical);
        let open = path == Path::Canonical("/open".into());
        let access = Access { credential: Presented::of(&value), method: &method, path, cost, ..Access::default() };
        let verdict = runtime.block_on(world.gate.check(Some(&world.policy), &access)).unwrap();
        prop_assert_eq!(verdict.denied().is_none(), open);
    }
}

#[tokio::test]
async fn an_answer_says_who_knew_it() {
    let world = World::new(|_, _| {});
    let (stranger, never) = (super::fixture::key(9), get(GOOD, "/v1/items"));
    let mut told = Vec::new();
    for value in [GOOD, GOOD, &stranger, &stranger, "nonsense"] {
        let access = Access { credential: Presented::of(value), ..never.clone() };
        let seen = world.gate.check(Some(&world.policy), &access).await.unwrap().seen;
        told.push((seen.source(), (seen.lookups.hits, seen.lookups.absent, seen.lookups.misses)));
    }
    assert_eq!(
        told,
        [
            (Source::Store, (0, 0, 1)),
            (Source::Memory, (1, 0, 0)),
            (Source::Store, (0, 0, 1)),
            (Source::Memory, (0, 1, 0)),
            (Source::Memory, (0, 0, 0)),
        ]
    );
    world.clock.set_tick(Tick(5_000));
    let late = world.gate.check(Some(&world.policy), &never).await.unwrap().seen;
    assert_eq!((late.source(), late.began.tick), (Source::Store, Tick(5_000)), "the lease has run out");
}
