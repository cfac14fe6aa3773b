//! Limits of the tokens of one key or user: the rates of issue and refresh, and the number of living families.

use latchkey_proto::v1::{self, Reason};
use latchkey_testing::{ProfileBuilder, SHOP, eventually_async, on_both, with_key};
use toml::Value;
use tonic::Code;

use crate::Shop;
use crate::refresh::in_time;

on_both!(
    crate::Shop::open;
    a_key_is_issued_tokens_at_a_rate,
    a_family_is_refreshed_at_a_rate,
    a_refresh_that_is_repeated_counts,
    a_refresh_whose_response_was_lost_is_repeated_where_the_bucket_is_empty,
    the_successor_of_a_key_is_issued_no_more_tokens_than_the_key,
    the_oldest_family_ends_where_there_are_too_many,
);

/// Replaces a rule of `[jwt]`.
async fn with_rule(shop: &Shop, field: &str, value: impl Into<Value>) {
    let document = ProfileBuilder::from_document(SHOP).remove("jwt.issue_rate");
    let document = document.add(&format!("jwt.{field}"), value).build();
    let _ = shop.operator.apply(&document).await.expect("applied");
}

async fn a_key_is_issued_tokens_at_a_rate(shop: Shop) {
    with_rule(&shop, "issue_rate", "5/h").await;
    let ((_, one), (_, other)) = (shop.key().await, shop.key().await);
    let mut issued = Vec::new();
    for _ in 0..5 {
        issued.push(shop.issue(with_key(&one)).await.expect("within the rate"));
    }
    let refused = shop.issue(with_key(&one)).await.expect_err("too often");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{}", refused.message());
    let refused = shop.renew(&issued[0].refresh_token).await.expect_err("a refresh counts too");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{}", refused.message());
    assert!(shop.issue(with_key(&other)).await.is_ok(), "another key has its own bucket");
    for tokens in &issued {
        assert!(shop.passes(&tokens.access_token).await, "what was issued is good");
    }
}

async fn a_family_is_refreshed_at_a_rate(shop: Shop) {
    with_rule(&shop, "refresh_rate", "3/h").await;
    let (_, value) = shop.key().await;
    let mut newest = shop.issue(with_key(&value)).await.expect("issued").refresh_token;
    let other = shop.issue(with_key(&value)).await.expect("issued").refresh_token;
    for _ in 0..3 {
        newest = shop.renew(&newest).await.expect("within the rate").refresh_token;
    }
    let refused = shop.renew(&newest).await.expect_err("too often");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{}", refused.message());
    assert!(shop.renew(&other).await.is_ok(), "another family has its own bucket");
    let _ = shop.operator.apply(SHOP).await.expect("applied");
    // The bucket is as empty as it was, and refills by one a second.
    eventually_async("a refused refresh uses nothing up", async || shop.renew(&newest).await.ok()).await;
}

async fn a_refresh_that_is_repeated_counts(shop: Shop) {
    with_rule(&shop, "refresh_rate", "3/h").await;
    let (_, value) = shop.key().await;
    let (next, mut repeated) = in_time(async || {
        let first = shop.issue(with_key(&value)).await.expect("issued").refresh_token;
        let next = shop.renew(&first).await.expect("within the rate").refresh_token;
        let mut repeated = Vec::new();
        for _ in 0..4 {
            repeated.push(shop.renew(&first).await);
        }
        (next, repeated)
    })
    .await;
    let refused = repeated.pop().expect("four answers").expect_err("too often");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{}", refused.message());
    for again in repeated {
        assert_eq!(again.expect("within the rate, and once beyond it").refresh_token, next);
    }
}

async fn a_refresh_whose_response_was_lost_is_repeated_where_the_bucket_is_empty(shop: Shop) {
    with_rule(&shop, "refresh_rate", "1/h").await;
    let (_, value) = shop.key().await;
    let (next, again, refused) = in_time(async || {
        let first = shop.issue(with_key(&value)).await.expect("issued").refresh_token;
        let next = shop.renew(&first).await.expect("within the rate").refresh_token;
        let again = shop.renew(&first).await;
        let refused = [shop.renew(&first).await, shop.renew(&next).await];
        (next, again, refused)
    })
    .await;
    assert_eq!(again.expect("repeated once").refresh_token, next);
    for refused in refused {
        let refused = refused.expect_err("too often");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{}", refused.message());
    }
}

async fn the_successor_of_a_key_is_issued_no_more_tokens_than_the_key(shop: Shop) {
    with_rule(&shop, "issue_rate", "5/h").await;
    let (key, old) = shop.key().await;
    for _ in 0..3 {
        let _ = shop.issue(with_key(&old)).await.expect("within the rate");
    }
    let overlap = Some(prost_types::Duration { seconds: 600, nanos: 0 });
    let ask = v1::RotateKeyRequest { id: key.id, overlap, expiry: None };
    let new = shop.operator.keys().rotate_key(ask).await.expect("a successor").into_inner().secret;
    for value in [&new, &old] {
        let _ = shop.issue(with_key(value)).await.expect("within the rate");
    }
    for value in [&new, &old] {
        let refused = shop.issue(with_key(value)).await.expect_err("too often");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{}", refused.message());
    }
}

async fn the_oldest_family_ends_where_there_are_too_many(shop: Shop) {
    with_rule(&shop, "max_families", 3).await;
    let ((_, value), (_, other)) = (shop.key().await, shop.key().await);
    let kept = shop.issue(with_key(&other)).await.expect("issued");
    let mut issued = Vec::new();
    for _ in 0..5 {
        issued.push(shop.issue(with_key(&value)).await.expect("issued"));
    }
    for tokens in &issued[..2] {
        let refused = shop.renew(&tokens.refresh_token).await.expect_err("its family has ended");
        assert_eq!(refused.code(), Code::Unauthenticated);
        eventually_async("the access token ends", async || {
            (shop.reason(&tokens.access_token).await == Reason::Revoked).then_some(())
        })
        .await;
    }
    for tokens in issued[2..].iter().chain([&kept]) {
        assert!(shop.passes(&tokens.access_token).await);
        assert!(shop.renew(&tokens.refresh_token).await.is_ok());
    }
    let sql = "SELECT count(*) FROM audit_events WHERE action = 'token.issue' AND details LIKE '%\"ended\":\"fam_%'";
    assert_eq!(shop.latchkey.sql(sql).trim(), "2");
}
