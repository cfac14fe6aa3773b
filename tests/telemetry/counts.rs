//! Counts: every answer once, under its own reason and source, and in no series that grows with keys.

use std::collections::BTreeSet;

use latchkey_proto::v1::{
    BatchCheckRequest, CheckRequest, GetKeyRequest, IssueJwtRequest, PasswordGrant, RefreshJwtRequest,
    RevokeKeyRequest, issue_jwt_request,
};
use latchkey_testing::{Redis, Setup, call, eventually, eventually_async, user};
use tokio::task::JoinSet;
use tonic::Status;

use crate::Shop;
use crate::files::operations;
use crate::scrape::{Scrape, Series};

const CHECKS: &str = "latchkey_checks_total";

#[tokio::test(flavor = "multi_thread")]
async fn shadow_denials_are_counted_beside_allowed_checks() {
    let shop = Shop::open(Setup::default()).await;
    for _ in 0..3 {
        let tried = CheckRequest { path: "/v1/tried".to_owned(), ..call("", "GET") };
        let _ = shop.latchkey.anonymous().check(tried).await;
    }
    let scrape = Scrape::of(&shop.latchkey);
    let labels = [("profile", "shop"), ("reason", "MISSING_CREDENTIAL")];
    assert_eq!(scrape.count("latchkey_shadow_denials_total", &labels), 3);
    assert_eq!(scrape.count(CHECKS, &[("outcome", "allowed")]), 3);
    assert_eq!(scrape.count(CHECKS, &[("outcome", "denied")]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_counted_once_by_reason_and_source() {
    let shop = Shop::open(Setup::default()).await;
    let (key, value) = shop.key("acme").await;
    for _ in 0..7 {
        let _ = shop.check(&value, "GET").await;
    }
    for _ in 0..3 {
        let _ = shop.check(&value, "POST").await;
    }
    let _ = shop.check("", "GET").await;
    let _ = shop.check("nonsense", "GET").await;
    let revoke = RevokeKeyRequest { id: key.id, ..RevokeKeyRequest::default() };
    let _ = shop.operator.keys().revoke_key(revoke).await.expect("it is revoked");
    for _ in 0..2 {
        let _ = shop.check(&value, "GET").await;
    }
    let unreadable = CheckRequest { source_ip: "here".to_owned(), ..call(&value, "GET") };
    let checks = vec![call("", "GET"), unreadable];
    let _ =
        shop.latchkey.anonymous().checks().batch_check(BatchCheckRequest { checks }).await.expect("a batch");

    let scrape = Scrape::of(&shop.latchkey);
    let count = |profile: &str, outcome: &str, reason: &str, source: &str| {
        let labels =
            [("entrypoint", "native"), ("profile", profile), ("outcome", outcome), ("reason", reason)];
        scrape.count(CHECKS, &[&labels[..], &[("source", source)]].concat())
    };
    let output = [
        count("shop", "allowed", "OK", "database"),
        count("shop", "allowed", "OK", "cache"),
        count("shop", "denied", "INSUFFICIENT_SCOPE", "cache"),
        count("shop", "denied", "MISSING_CREDENTIAL", "cache"),
        count("shop", "denied", "INVALID_CREDENTIAL", "cache"),
        count("shop", "denied", "REVOKED", "database"),
        count("shop", "denied", "REVOKED", "cache"),
        count("", "denied", "MALFORMED_REQUEST", "cache"),
        scrape.count(CHECKS, &[]),
        scrape.count("latchkey_check_duration_seconds_count", &[]),
        scrape.count("latchkey_check_duration_seconds_bucket", &[("le", "+Inf")]),
    ];
    assert_eq!(output, [1, 6, 3, 2, 1, 1, 1, 1, 16, 16, 16]);
    let lookups = ["hit", "miss", "negative_hit"]
        .map(|result| scrape.count("latchkey_cache_lookups_total", &[("result", result)]));
    assert_eq!(lookups, [10, 2, 0]);
    let revoked = [("rpc_method", "latchkey.v1.KeyService/RevokeKey"), ("rpc_response_status_code", "OK")];
    // A call is counted when its response is complete.
    let name = "rpc_server_call_duration_seconds_count";
    eventually("the call is counted", || {
        (Scrape::of(&shop.latchkey).count(name, &revoked) > 0).then_some(())
    });
    assert_eq!(Scrape::of(&shop.latchkey).count(name, &revoked), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_and_tokens_are_counted_by_their_outcome() {
    let shop = Shop::open(Setup::default()).await;
    let user = user("acme", ("ann@acme.test", "correct horse battery staple"), "clerk");
    let _ = shop.operator.user(user).await;
    let mut tokens = shop.latchkey.anonymous().tokens();
    let login = |password: &str| IssueJwtRequest {
        grant: Some(issue_jwt_request::Grant::Password(PasswordGrant {
            email: "ann@acme.test".to_owned(),
            password: password.to_owned(),
        })),
        tenant: "acme".to_owned(),
        ..IssueJwtRequest::default()
    };
    let _ = tokens.issue_jwt(login("wrong")).await.expect_err("it is refused");
    let issued = tokens.issue_jwt(login("correct horse battery staple")).await.expect("tokens").into_inner();
    let refresh = RefreshJwtRequest { refresh_token: issued.refresh_token, ..RefreshJwtRequest::default() };
    let next = tokens.refresh_jwt(refresh.clone()).await.expect("a successor").into_inner();
    let renew = RefreshJwtRequest { refresh_token: next.refresh_token, ..RefreshJwtRequest::default() };
    let _ = tokens.refresh_jwt(renew).await.expect("another");
    let _ = tokens.refresh_jwt(refresh).await.expect_err("it was spent");
    let scrape = Scrape::of(&shop.latchkey);
    let sum = |name: &str, labels: &[(&str, &str)]| scrape.count(name, labels);
    let output = [
        sum("latchkey_logins_total", &[("outcome", "failure")]),
        sum("latchkey_logins_total", &[("outcome", "success")]),
        sum("latchkey_tokens_issued_total", &[("grant", "password"), ("outcome", "ok")]),
        sum("latchkey_tokens_issued_total", &[("grant", "password"), ("outcome", "rejected")]),
        sum("latchkey_tokens_refreshed_total", &[("outcome", "ok")]),
        sum("latchkey_tokens_refreshed_total", &[("outcome", "rejected")]),
        sum("latchkey_tokens_reused_total", &[]),
    ];
    assert_eq!(output, [1, 1, 1, 1, 2, 1, 1]);
}

/// Returns true for a series of a database query whose label values are all documented. Background tasks run
/// their first query at a time that the test does not know.
fn is_question((name, labels): &Series) -> bool {
    let known = |label: &str, words: &[&str]| labels.get(label).is_some_and(|said| words.contains(&&**said));
    name.starts_with("latchkey_database_query_duration_seconds_")
        && labels.keys().all(|label| ["system", "operation", "outcome", "le"].contains(&label.as_str()))
        && known("system", &["sqlite"])
        && known("outcome", &["ok", "error", "timeout", "cancelled"])
        && labels.get("operation").is_some_and(|operation| operations().contains(operation))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_label_grows_with_keys_or_tenants() {
    let shop = Shop::open(Setup::default()).await;
    let mut seen: Vec<BTreeSet<Series>> = Vec::new();
    for round in 0..3 {
        for number in 0..10 {
            let slug = format!("tenant-{round}-{number}");
            let _ = shop.operator.tenant(&slug, "shop", "").await;
            let (key, value) = shop.key(&slug).await;
            let stranger = format!("sk_live_{:032x}", round * 10 + number + 1);
            for value in [&*value, &value, &stranger, &stranger, "nonsense"] {
                let _ = shop.check(value, "GET").await;
                let _ = shop.check(value, "POST").await;
            }
            let get = GetKeyRequest { id: key.id };
            let _ = shop.operator.keys().get_key(get).await.expect("the key is there");
        }
        seen.push(Scrape::of(&shop.latchkey).series.into_keys().collect());
    }
    let new: Vec<&Series> = seen[2].difference(&seen[0]).filter(|series| !is_question(series)).collect();
    assert!(new.is_empty(), "{new:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_and_its_lease_are_exported() {
    let shop = Shop::open(Setup::default()).await;
    let before = Scrape::of(&shop.latchkey);
    let (_, value) = shop.key("acme").await;
    let _ = shop.check(&value, "GET").await;
    let revision = |scrape: &Scrape| scrape.sum("latchkey_feed_revision", &[]);
    // The creation of a key is applied by the next poll.
    let scrape = eventually("the feed shows the key", || {
        Some(Scrape::of(&shop.latchkey)).filter(|scrape| revision(scrape) > revision(&before))
    });
    assert_eq!(scrape.count("latchkey_cache_entries", &[("kind", "key")]), 2, "the operator's too");
    assert_eq!(scrape.count("latchkey_cache_lease_valid", &[]), 1);
    assert_eq!(scrape.count("latchkey_ready", &[]), 1);
    eventually("the lease began when the feed was read", || {
        // Both are read one after the other.
        let scrape = Scrape::of(&shop.latchkey);
        let left = scrape.sum("latchkey_cache_lease_remaining_seconds", &[]);
        let lag = scrape.sum("latchkey_feed_lag_seconds", &[]);
        (59.9..60.1).contains(&(left + lag)).then_some(())
    });
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
        assert!(scrape.sum(name, &[]) > 0.0, "{name}");
    }
    eventually("processor time is exported", || {
        (Scrape::of(&shop.latchkey).sum("process_cpu_seconds_total", &[]) > 0.0).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gauges_of_buckets_connections_and_the_breaker_are_right() {
    let redis = Redis::start();
    let shop = Shop::open(Setup::default().environment("LATCHKEY_REDIS_URL", &redis.url())).await;
    let (_, value) = shop.key("acme").await;
    let output = |name: &str| Scrape::of(&shop.latchkey).sum(name, &[]);
    eventually("Redis is used", || (output("latchkey_redis_breaker_open") < 0.5).then_some(()));
    let _ = shop.check(&value, "GET").await;
    let open = output("latchkey_database_connections");
    assert!(open >= 1.0 && open <= output("latchkey_database_connections_limit"), "{open}");
    redis.kill();
    // A lost connection can open the breaker before a call has failed; later calls try the connection again.
    let is_counted = async || {
        let _ = shop.check(&value, "GET").await;
        let open = output("latchkey_redis_breaker_open") > 0.5;
        (open && output("latchkey_redis_failures_total") >= 1.0).then_some(())
    };
    eventually_async("the breaker is open, and failures are counted", is_counted).await;
    let _ = shop.check(&value, "GET").await;
    assert!(
        output("latchkey_rate_limit_buckets") >= 1.0,
        "this process counts alone, and remembers what it counts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_that_wait_are_counted() {
    let shop = Shop::open(Setup::default()).await;
    let output = |name: &str| Scrape::of(&shop.latchkey).sum(name, &[]);
    assert!(output("latchkey_blocking_queue_depth") < 0.5 && output("latchkey_blocking_queue_limit") > 0.5);
    // On a busy machine, all logins of one attempt can have ended before the metrics are read.
    eventually_async("some wait", async || {
        let (mut logins, mut some_wait) = (wrong_logins(&shop), false);
        while !logins.is_empty() {
            some_wait |= output("latchkey_blocking_queue_depth") > 0.5;
            while let Some(login) = logins.try_join_next() {
                let _ = login.expect("it ends").expect_err("there is no such user");
            }
            tokio::task::yield_now().await;
        }
        some_wait.then_some(())
    })
    .await;
    eventually("no login waits any more", || (output("latchkey_blocking_queue_depth") < 0.5).then_some(()));
}

/// Sends logins with wrong passwords, all at once.
fn wrong_logins(shop: &Shop) -> JoinSet<Result<(), Status>> {
    let mut logins = JoinSet::new();
    for n in 0..16 {
        let grant = PasswordGrant { email: format!("{n}@acme.test"), password: "wrong".to_owned() };
        let grant = Some(issue_jwt_request::Grant::Password(grant));
        let ask = IssueJwtRequest { grant, tenant: "acme".to_owned(), ..IssueJwtRequest::default() };
        let mut tokens = shop.latchkey.anonymous().tokens();
        logins.spawn(async move { tokens.issue_jwt(ask).await.map(drop) });
    }
    logins
}
