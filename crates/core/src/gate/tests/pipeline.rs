//! Tests of the whole pipeline of a decision: limits, cache, outages, explanations.

use std::time::Duration;

use proptest::prelude::*;

use super::fixture::GateFixture;
use super::{denial_reason, get_request, reason};
use crate::check_input::{CheckInput, NamedBy, Path, PresentedCredential, RateClassSelector, Resources};
use crate::decision::DecisionSource;
use crate::error::SystemError;
use crate::ports::{Change, ChangeSubject};
use crate::reason::Reason;
use crate::record::KeyLifecycle;
use crate::record::fixture::VALUE as GOOD;
use crate::time::MonotonicInstant;

#[tokio::test]
async fn the_limit_denies_and_a_denied_call_costs_nothing() {
    let fixture = GateFixture::new(|_, _| {});
    assert_eq!(
        denial_reason(&fixture, &get_request(GOOD, "/v1/admin")).await,
        Some(Reason::InsufficientScope)
    );
    for _ in 0..10 {
        assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/items")).await, None);
    }
    let verdict = fixture.gate.check(Some(&fixture.policy), &get_request(GOOD, "/v1/items")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::RateLimited));
    assert_eq!(verdict.context.levels[0].retry_after, Some(Duration::from_mins(1)));
    let denied = fixture.gate.check(Some(&fixture.policy), &get_request(GOOD, "/v1/admin")).await.unwrap();
    assert_eq!(denied.context.levels[0].remaining, 0, "a denial of a known key shows its levels");
}

#[tokio::test]
async fn cost_and_dry_run_charge_what_they_say() {
    let fixture = GateFixture::new(|_, _| {});
    let call = |cost, dry_run| CheckInput { cost, dry_run, ..get_request("", "/v1/items") };
    let value = GOOD;
    let with =
        |input: CheckInput<'static>| CheckInput { credential: PresentedCredential::of(value), ..input };
    assert_eq!(denial_reason(&fixture, &with(call(9, true))).await, None);
    assert_eq!(denial_reason(&fixture, &with(call(11, true))).await, Some(Reason::RateLimited));
    assert_eq!(denial_reason(&fixture, &with(call(9, false))).await, None);
    assert_eq!(denial_reason(&fixture, &with(call(2, false))).await, Some(Reason::RateLimited));
    assert_eq!(denial_reason(&fixture, &with(call(0, false))).await, None);
    assert_eq!(denial_reason(&fixture, &with(call(1, false))).await, None);
    assert_eq!(
        denial_reason(&fixture, &with(call(0, false))).await,
        None,
        "a cost of zero passes with an empty bucket, too"
    );
}

#[tokio::test]
async fn a_selected_class_must_exist() {
    let fixture = GateFixture::new(|_, _| {});
    let selected = |class| CheckInput { class, ..get_request("", "/v1/items") };
    let value = GOOD;
    for (class, expected) in [
        (RateClassSelector::Fixed("default"), None),
        (RateClassSelector::RouteOr("default"), None),
        (RateClassSelector::Fixed("nothing"), Some(Reason::RouteNotAllowed)),
    ] {
        let input = CheckInput { credential: PresentedCredential::of(value), ..selected(class) };
        assert_eq!(denial_reason(&fixture, &input).await, expected, "{class:?}");
    }
}

#[tokio::test]
async fn failed_attempts_count_against_their_address() {
    let fixture = GateFixture::new(|_, _| {});
    let from = |value: &'static str| CheckInput {
        address: Some("192.0.2.7".parse().unwrap()),
        ..get_request(value, "/v1/items")
    };
    for _ in 0..3 {
        assert_eq!(denial_reason(&fixture, &from("nonsense")).await, Some(Reason::InvalidCredential));
    }
    assert_eq!(denial_reason(&fixture, &from("nonsense")).await, Some(Reason::RateLimited));
    let value = GOOD;
    let good = CheckInput { credential: PresentedCredential::of(value), ..from("") };
    assert_eq!(denial_reason(&fixture, &good).await, None, "a valid credential from there still passes");
}

#[tokio::test]
async fn the_cache_answers_until_the_feed_or_the_lease_ends_it() {
    let fixture = GateFixture::new(|_, _| {});
    let value = GOOD;
    let input = get_request(value, "/v1/items");
    assert_eq!(
        (denial_reason(&fixture, &input).await, denial_reason(&fixture, &input).await, fixture.queries()),
        (None, None, 1)
    );
    fixture.store.change(|key, _| (key.lifecycle, key.revision) = (KeyLifecycle::Disabled, 2));
    assert_eq!(denial_reason(&fixture, &input).await, None, "the feed has not shown the change yet");
    let subject = ChangeSubject::Key(crate::secret::KeyHash::of(value));
    fixture.cache.apply(&Change { revision: 2, subject, effect: None, history: None });
    assert_eq!((denial_reason(&fixture, &input).await, fixture.queries()), (Some(Reason::Disabled), 2));
    fixture.clock.set_monotonic(MonotonicInstant(u64::MAX));
    let outage = fixture.gate.check(Some(&fixture.policy), &input).await;
    assert!(outage.is_err(), "without a lease nothing is decided, by the database either");
    assert_eq!(fixture.queries(), 2);
}

#[tokio::test]
async fn a_database_that_lost_a_change_decides_nothing_by_the_state_before_it() {
    let fixture = GateFixture::new(|_, _| {});
    let value = GOOD;
    let input = get_request(value, "/v1/items");
    let subject = ChangeSubject::Key(crate::secret::KeyHash::of(value));
    let change = |revision| Change { revision, subject: subject.clone(), effect: None, history: None };
    fixture.cache.apply(&change(30));
    assert_eq!(denial_reason(&fixture, &input).await, None, "the database was read before the change");
    // The database claims to have all changes up to 9, and this key is from before 5.
    let other = GateFixture::new(|_, _| {});
    other.cache.apply(&change(5));
    assert!(other.gate.check(Some(&other.policy), &input).await.is_err());
    other.store.change(|key, _| key.revision = 5);
    assert_eq!(denial_reason(&other, &input).await, None);
}

#[tokio::test]
async fn an_outage_is_an_error_and_is_not_cached() {
    let fixture = GateFixture::new(|_, _| {});
    let value = GOOD;
    let input = get_request(value, "/v1/items");
    fixture.store.set_unavailable(true);
    let error = fixture.gate.check(Some(&fixture.policy), &input).await.unwrap_err();
    assert!(matches!(error, SystemError::Unavailable { .. }));
    fixture.store.set_unavailable(false);
    assert_eq!(denial_reason(&fixture, &input).await, None);
    fixture.store.set_unavailable(true);
    assert_eq!(denial_reason(&fixture, &input).await, None, "a cached key outlives an outage");
}

#[tokio::test]
async fn without_a_profile_the_profile_of_the_tenant_decides() {
    let fixture = GateFixture::new(|_, _| {});
    let value = GOOD;
    let verdict = fixture.gate.check(None, &get_request(value, "/v1/admin")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::InsufficientScope));
    let verdict = fixture.gate.check(None, &get_request("", "/open")).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::MissingCredential));
}

#[tokio::test]
async fn a_public_route_is_public_where_nothing_else_is_asked() {
    let fixture = GateFixture::new(|_, _| {});
    let open = get_request("", "/open");
    let merchant = || [("merchant", "m_1")].into_iter().collect::<Resources<'_>>();
    // A client can send any value in its headers.
    let sent = CheckInput { tenant: Some("nosuch"), resource: merchant(), ..open.clone() };
    assert_eq!(denial_reason(&fixture, &open).await, None);
    assert_eq!(
        denial_reason(&fixture, &CheckInput { named_by: NamedBy::CheckCaller, ..open.clone() }).await,
        None
    );
    assert_eq!(denial_reason(&fixture, &sent).await, None);
    for asked in [
        CheckInput { named_by: NamedBy::CheckCaller, tenant: Some("acme"), ..open.clone() },
        CheckInput { named_by: NamedBy::CheckCaller, resource: merchant(), ..open.clone() },
        CheckInput { route_resource: merchant(), ..open.clone() },
    ] {
        let denied = denial_reason(&fixture, &asked).await;
        assert_eq!(denied, Some(Reason::MissingCredential), "{asked:?}");
    }
    let with_key =
        CheckInput { named_by: NamedBy::CheckCaller, tenant: Some("nosuch"), ..get_request(GOOD, "/open") };
    assert_eq!(denial_reason(&fixture, &with_key).await, Some(Reason::TenantMismatch));
}

#[tokio::test]
async fn explain_returns_the_steps_in_their_order() {
    let fixture = GateFixture::new(|_, _| {});
    let value = GOOD;
    let input = CheckInput { explain: true, ..get_request(value, "/v1/items") };
    let steps = fixture.gate.check(Some(&fixture.policy), &input).await.unwrap().context.steps;
    let names: Vec<&str> = steps.iter().map(|s| s.name).collect();
    let all =
        ["credential", "key", "tenant", "environment", "route", "scope", "resource", "network", "rate_limit"];
    assert_eq!(names, all);
    assert!(steps.iter().all(|s| s.passed && !s.detail.contains(value)));
    let denied = CheckInput { explain: true, ..get_request(value, "/v1/admin") };
    let steps = fixture.gate.check(Some(&fixture.policy), &denied).await.unwrap().context.steps;
    assert_eq!(steps.last().map(|s| (s.name, s.passed)), Some(("scope", false)));
}

#[tokio::test]
async fn a_call_waits_for_the_query_that_is_under_way() {
    let fixture = GateFixture::new(|_, _| {});
    let value = GOOD;
    let input = get_request(value, "/v1/items");
    let one = fixture.gate.check(Some(&fixture.policy), &input);
    let two = fixture.gate.check(Some(&fixture.policy), &input);
    let (one, two) = tokio::join!(one, two);
    assert_eq!((reason(&one.unwrap()), reason(&two.unwrap()), fixture.queries()), (None, None, 1));
}

proptest! {
    /// Checks for any input that nothing panics, and that no call passes on a closed route without the one
    /// valid key.
    #[test]
    fn no_call_passes_by_chance(value in "\\PC{0,80}", path in "/[ -~]{0,40}", method in "[A-Z]{0,6}", cost in 0u32..20) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let fixture = GateFixture::new(|_, _| {});
        let path = crate::route::parse(&path);
        let open = path == Path::Canonical("/open".into());
        let input = CheckInput { credential: PresentedCredential::of(&value), method: &method, path, cost, ..CheckInput::default() };
        let verdict = runtime.block_on(fixture.gate.check(Some(&fixture.policy), &input)).unwrap();
        prop_assert_eq!(verdict.denial().is_none(), open);
    }
}

#[tokio::test]
async fn a_decision_has_the_source_of_its_data() {
    let fixture = GateFixture::new(|_, _| {});
    let (unknown, base) = (super::fixture::key(9), get_request(GOOD, "/v1/items"));
    let mut observed = Vec::new();
    for value in [GOOD, GOOD, &unknown, &unknown, "nonsense"] {
        let input = CheckInput { credential: PresentedCredential::of(value), ..base.clone() };
        let context = fixture.gate.check(Some(&fixture.policy), &input).await.unwrap().context;
        observed.push((
            context.source(),
            (context.lookups.hits, context.lookups.negative_hits, context.lookups.misses),
        ));
    }
    assert_eq!(
        observed,
        [
            (DecisionSource::Database, (0, 0, 1)),
            (DecisionSource::Cache, (1, 0, 0)),
            (DecisionSource::Database, (0, 0, 1)),
            (DecisionSource::Cache, (0, 1, 0)),
            (DecisionSource::Cache, (0, 0, 0)),
        ]
    );
    fixture.clock.set_monotonic(MonotonicInstant(5_000));
    let late = fixture.gate.check(Some(&fixture.policy), &base).await;
    assert!(late.is_err(), "the lease has expired");
}
