//! Concurrent starts, writers and replicas.

use latchkey_proto::v1::{CheckRequest, CreateKeyRequest, Decision, RevokeKeyRequest};
use latchkey_testing::{Database, Latchkey, Postgres, Setup, eventually, key, on_both};
use tokio::task::JoinSet;

use crate::{SHOP, Shop};

on_both!(parallel_calls_with_one_idempotency_key_create_one_key, parallel_revocations_are_one);

async fn parallel_calls_with_one_idempotency_key_create_one_key(database: Database) {
    let shop = Shop::open(database).await;
    let mut wishes = JoinSet::new();
    for _ in 0..10 {
        let operator = shop.operator.clone();
        let ask = CreateKeyRequest { idempotency_key: "one".to_owned(), ..key("acme", "live") };
        wishes.spawn(async move { operator.key(ask).await });
    }
    let made = wishes.join_all().await;
    assert!(made.iter().all(|(key, _)| key.id == made[0].0.id));
    assert_eq!(made.iter().filter(|(_, secret)| !secret.is_empty()).count(), 1, "the secret is shown once");
}

async fn parallel_revocations_are_one(database: Database) {
    let shop = Shop::open(database).await;
    let (made, value) = shop.operator.plain_key("acme", "live").await;
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let operator = shop.operator.clone();
        let ask = RevokeKeyRequest { id: made.id.clone(), reason: String::new() };
        calls.spawn(
            async move { operator.keys().revoke_key(ask).await.map(|done| done.into_inner().revision) },
        );
    }
    let revisions: Vec<u64> =
        calls.join_all().await.into_iter().collect::<Result<_, _>>().expect("each is answered");
    assert!(revisions.iter().all(|revision| *revision == revisions[0]), "one change: {revisions:?}");
    assert!(!shop.admits(&value).await);
}

/// Replicas that share a database.
fn replicas(count: usize, change: impl Fn(Setup) -> Setup) -> (String, Vec<Latchkey>) {
    let url = Postgres::shared().database();
    let setup = change(Setup::default().database(&url).profile("shop", SHOP));
    let replicas: Vec<Latchkey> = (0..count).map(|_| setup.clone().launch()).collect();
    for replica in &replicas {
        replica.ready();
    }
    (url, replicas)
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_starts_make_one_first_key() {
    let text = |setup: Setup| setup.environment("LATCHKEY_LOG_FORMAT", "text");
    let (_, replicas) = replicas(10, |setup| text(setup).environment("LATCHKEY_ROOT_KEY", ""));
    // A line can be in the log later than a replica is ready.
    let printed = eventually("the first key is printed", || {
        let logs = replicas.iter().map(Latchkey::log).collect::<String>();
        let keys = logs.lines().filter(|line| line.len() >= 32 && !line.contains([' ', '{']));
        let keys: Vec<String> = keys.map(str::to_owned).collect();
        (!keys.is_empty()).then_some(keys)
    });
    assert_eq!(printed.len(), 1, "printed once, alone on its line: {printed:?}");
    for replica in &replicas {
        let caller = replica.caller(&printed[0]);
        let list = caller.tenants().list_tenants(latchkey_proto::v1::ListTenantsRequest::default()).await;
        let _ = list.expect("the first key is an operator's everywhere");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_at_one_replica_holds_at_every_other() {
    let (_, replicas) = replicas(3, |setup| setup);
    let operator = replicas[0].operator();
    let _ = operator.tenant("acme", "shop", "").await;
    for _ in 0..3 {
        let (made, value) = operator.plain_key("acme", "live").await;
        let ask = || CheckRequest {
            credential: value.clone(),
            dry_run: true,
            scopes_only: true,
            ..CheckRequest::default()
        };
        for replica in &replicas {
            assert_eq!(replica.anonymous().check(ask()).await.decision(), Decision::Allow);
        }
        let _ = operator.revoke(&made.id).await;
        for replica in &replicas {
            let answer = replica.anonymous().check(ask()).await;
            assert_eq!(answer.reason().as_str_name(), "REASON_REVOKED");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_works_where_it_was_asked_for_before() {
    let (_, replicas) = replicas(2, |setup| setup);
    let operator = replicas[0].operator();
    let _ = operator.tenant("acme", "shop", "").await;
    let value = format!("shop_live_{}", "a".repeat(64));
    let ask = || CheckRequest {
        credential: value.clone(),
        dry_run: true,
        scopes_only: true,
        ..CheckRequest::default()
    };
    for replica in &replicas {
        assert_eq!(replica.anonymous().check(ask()).await.decision(), Decision::Deny);
    }
    let import = latchkey_proto::v1::ImportKeysRequest {
        tenant: "acme".to_owned(),
        keys: vec![latchkey_proto::v1::ImportedKey {
            secret: Some(latchkey_proto::v1::imported_key::Secret::Value(value.clone())),
            key: Some(key("", "live")),
            ..latchkey_proto::v1::ImportedKey::default()
        }],
        validate_only: false,
    };
    operator.keys().import_keys(import).await.expect("imported");
    for replica in &replicas {
        assert_eq!(replica.anonymous().check(ask()).await.decision(), Decision::Allow);
    }
}
