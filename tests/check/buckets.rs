//! Buckets are exact, also under concurrency, and only calls that pass are charged.

use std::collections::HashMap;

use latchkey_proto::v1::{CheckRequest, CreateKeyRequest, Decision, Reason};
use latchkey_testing::{key, scoped};
use tokio::task::JoinSet;

use crate::{CheckFixture, assert_allowed, assert_denied, call, get};

/// Returns the number of calls that the tightest bucket has room for, without charging it.
async fn left(fixture: &CheckFixture, ask: &CheckRequest) -> u64 {
    let answer = fixture.check(CheckRequest { cost: Some(0), ..ask.clone() }).await;
    assert_allowed(&answer);
    answer.rate_limits[0].remaining
}

async fn limited(fixture: &CheckFixture, buckets: &str) -> String {
    let rate_limits = HashMap::from([("default".to_owned(), buckets.to_owned())]);
    fixture.operator.key(CreateKeyRequest { rate_limits, ..key("acme", "live") }).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_calls_get_exactly_the_burst() {
    let fixture = CheckFixture::open().await;
    let value = limited(&fixture, "1/h burst 40").await;
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let (caller, ask) = (fixture.latchkey.anonymous(), get(&value));
        for _ in 0..50 {
            let (caller, ask) = (caller.clone(), ask.clone());
            calls.spawn(async move { caller.check(ask).await });
        }
    }
    let answers = calls.join_all().await;
    let allowed = answers.iter().filter(|answer| answer.decision() == Decision::Allow).count();
    assert_eq!(allowed, 40);
    assert!(answers.iter().all(|answer| matches!(answer.reason(), Reason::Ok | Reason::RateLimited)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_charged_its_own_cost() {
    let fixture = CheckFixture::open().await;
    let value = limited(&fixture, "10/h").await;
    let costing = |cost: u32| CheckRequest { cost: Some(cost), ..get(&value) };
    assert_eq!(left(&fixture, &get(&value)).await, 10);
    assert_allowed(&fixture.check(get(&value)).await);
    assert_eq!(left(&fixture, &get(&value)).await, 9);
    assert_allowed(&fixture.check(costing(8)).await);
    assert_denied(&fixture.check(costing(2)).await, Reason::RateLimited);
    assert_eq!(left(&fixture, &get(&value)).await, 1, "what is too much takes nothing");
    assert_allowed(&fixture.check(costing(1)).await);
    assert_denied(&fixture.check(costing(11)).await, Reason::RateLimited);
    assert_denied(&fixture.check(costing(u32::MAX)).await, Reason::RateLimited);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_that_no_bucket_can_hold_is_said_to_be_impossible() {
    let fixture = CheckFixture::open().await;
    for limits in ["60/h burst 3", "3/h"] {
        let value = limited(&fixture, limits).await;
        let costing = |cost: u32| CheckRequest { cost: Some(cost), ..get(&value) };
        for cost in [4, 10, u32::MAX] {
            let denied = fixture.check(costing(cost)).await;
            assert_denied(&denied, Reason::RateLimited);
            let level = &denied.rate_limits[0];
            assert_eq!((&*level.bucket, level.never, level.retry_after_seconds), ("key/default", true, 0));
            assert!(denied.message.contains("impossible") && !denied.message.contains("etry"), "{denied:?}");
        }
        assert_allowed(&fixture.check(costing(0)).await);
        assert_allowed(&fixture.check(costing(3)).await);
        let denied = fixture.check(costing(3)).await;
        assert_denied(&denied, Reason::RateLimited);
        assert!(!denied.rate_limits[0].never && denied.rate_limits[0].retry_after_seconds > 0, "{denied:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_decides_and_takes_nothing() {
    let fixture = CheckFixture::open().await;
    let value = limited(&fixture, "1/h").await;
    let dry = CheckRequest { dry_run: true, ..get(&value) };
    for _ in 0..3 {
        assert_allowed(&fixture.check(dry.clone()).await);
    }
    assert_allowed(&fixture.check(get(&value)).await);
    assert_denied(&fixture.check(dry).await, Reason::RateLimited);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_costs_nothing() {
    let fixture = CheckFixture::open().await;
    let value = limited(&fixture, "3/h").await;
    for _ in 0..5 {
        assert_denied(&fixture.check(call(&value, "GET", "/nowhere")).await, Reason::RouteNotAllowed);
        assert_denied(
            &fixture.check(CheckRequest { tenant: "other".to_owned(), ..get(&value) }).await,
            Reason::TenantMismatch,
        );
    }
    assert_eq!(left(&fixture, &get(&value)).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bucket_pays_or_none() {
    let fixture = CheckFixture::open().await;
    let (_, one) = fixture
        .operator
        .key(CreateKeyRequest { rate_limits: HashMap::new(), ..scoped("acme", &["read"]) })
        .await;
    let narrow = limited(&fixture, "1/h").await;
    let tenant = |answer: latchkey_proto::v1::CheckResponse| {
        answer
            .rate_limits
            .iter()
            .find(|bucket| bucket.bucket == "tenant/default")
            .map(|bucket| bucket.remaining)
    };
    assert_allowed(&fixture.check(get(&narrow)).await);
    for _ in 0..3 {
        assert_denied(&fixture.check(get(&narrow)).await, Reason::RateLimited);
    }
    assert_eq!(tenant(fixture.check(get(&one)).await), Some(998), "two calls passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_has_its_own_class() {
    let fixture = CheckFixture::open().await;
    let (_, writer) = fixture.operator.key(scoped("acme", &["read", "write"])).await;
    let write = call(&writer, "POST", "/items");
    for _ in 0..4 {
        assert_allowed(&fixture.check(write.clone()).await);
    }
    let denied = fixture.check(write).await;
    assert_denied(&denied, Reason::RateLimited);
    assert_eq!(denied.rate_limits[0].bucket, "key/writing");
    assert_allowed(&fixture.check(get(&writer)).await);
}
