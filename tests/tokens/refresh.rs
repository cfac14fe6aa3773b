//! Refresh tokens that are redeemed concurrently, and replayed ones.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use latchkey_proto::v1::{self, Reason};
use latchkey_testing::{answered, eventually_async, on_both, with_key};
use tokio::time::Instant;
use tonic::Code;

use crate::Shop;

on_both!(
    crate::Shop::open;
    fifty_refreshes_at_once_give_one_successor,
    a_spent_token_sent_again_gets_the_same_successor,
    an_older_token_ends_the_family_and_is_audited,
    a_spent_token_is_worth_its_successor_across_a_crash,
    every_text_that_is_no_refresh_token_gets_the_same_error,
    a_revocation_can_be_repeated,
);

/// Time within which a refresh can be repeated, less a second. A family whose token is sent again later ends.
pub(crate) const REPEATED: Duration = Duration::from_secs(9);

/// Does work that repeats a refresh, and does it again if it took longer than that is possible, as on a busy machine.
pub(crate) async fn in_time<T>(mut work: impl AsyncFnMut() -> T) -> T {
    eventually_async("a refresh is repeated in time", async || {
        let began = Instant::now();
        let done = work().await;
        (began.elapsed() < REPEATED).then_some(done)
    })
    .await
}

async fn fifty_refreshes_at_once_give_one_successor(shop: Shop) {
    let (_, value) = shop.key().await;
    let shop = Arc::new(shop);
    let (issued, answers) = in_time(async || {
        let issued = shop.issue(with_key(&value)).await.expect("issued");
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (shop, token) = (Arc::clone(&shop), issued.refresh_token.clone());
            calls.spawn(async move { shop.renew(&token).await });
        }
        (issued, calls.join_all().await)
    })
    .await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("renewed")).collect();
    let successors: BTreeSet<_> = answers.iter().map(|a| a.refresh_token.clone()).collect();
    assert_eq!((answers.len(), successors.len()), (50, 1));
    assert!(shop.passes(&answers[0].access_token).await && shop.passes(&issued.access_token).await);
}

async fn a_spent_token_sent_again_gets_the_same_successor(shop: Shop) {
    let (_, value) = shop.key().await;
    let (issued, first, again) = in_time(async || {
        let issued = shop.issue(with_key(&value)).await.expect("issued");
        let first = shop.renew(&issued.refresh_token).await.expect("renewed");
        let again = shop.renew(&issued.refresh_token).await;
        (issued, first, again)
    })
    .await;
    let again = again.expect("the same one again");
    assert_eq!(first.refresh_token, again.refresh_token);
    for token in [&issued.access_token, &first.access_token, &again.access_token] {
        assert!(shop.passes(token).await);
    }
    assert!(shop.renew(&again.refresh_token).await.is_ok());
}

/// Redeems a refresh token whose successor has been used, which shows that another party has a copy of it. The store's
/// own tests, which control the clock, cover tokens that are too old.
async fn an_older_token_ends_the_family_and_is_audited(shop: Shop) {
    let (_, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    let other = shop.issue(with_key(&value)).await.expect("issued");
    let second = shop.renew(&issued.refresh_token).await.expect("renewed");
    let third = shop.renew(&second.refresh_token).await.expect("renewed");
    for token in [&issued.access_token, &second.access_token, &third.access_token] {
        assert!(shop.passes(token).await);
    }
    let refused = shop.renew(&issued.refresh_token).await.expect_err("a copy");
    assert_eq!(refused.code(), Code::Unauthenticated);
    for token in [&issued.access_token, &second.access_token, &third.access_token] {
        assert_eq!(shop.reason(token).await, Reason::Revoked);
    }
    for token in [&issued.refresh_token, &second.refresh_token, &third.refresh_token] {
        assert_eq!(shop.renew(token).await.expect_err("over").message(), refused.message());
    }
    assert!(shop.passes(&other.access_token).await, "another family lives");
    let sql = "SELECT count(*) FROM audit_events WHERE action = 'token.reuse' AND target LIKE 'fam_%'";
    assert_eq!(shop.latchkey.sql(sql).trim(), "1");
}

async fn a_spent_token_is_worth_its_successor_across_a_crash(shop: Shop) {
    let (_, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    let first = shop.renew(&issued.refresh_token).await.expect("renewed");
    shop.latchkey.kill();
    shop.latchkey.restart();
    let second = shop.renew(&first.refresh_token).await.expect("renewed after a crash");
    assert_ne!(first.refresh_token, second.refresh_token);
    assert!(shop.passes(&second.access_token).await);
}

/// Revokes a family again, by either of its tokens, as a client does after a lost response or a short
/// deadline.
async fn a_revocation_can_be_repeated(shop: Shop) {
    let (_, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    for token in [&issued.refresh_token, &issued.refresh_token, &issued.access_token, &issued.access_token] {
        let ask = v1::RevokeJwtRequest { token: token.clone() };
        let done =
            answered(|| async { shop.latchkey.anonymous().tokens().revoke_jwt(ask.clone()).await }).await;
        assert!(done.expect("ended").into_inner().revision > 0);
        assert_eq!(shop.reason(&issued.access_token).await, Reason::Revoked);
    }
}

async fn every_text_that_is_no_refresh_token_gets_the_same_error(shop: Shop) {
    let (_, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    let mut words = BTreeSet::new();
    for odd in ["", "lkr_", &issued.refresh_token[1..], &issued.access_token, &value] {
        let status = shop.renew(odd).await.expect_err("refused");
        words.insert((status.code() as i32, status.message().to_owned()));
    }
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(words.first().map(|w| w.0), Some(Code::Unauthenticated as i32));
    assert_eq!(shop.reason(&issued.refresh_token).await, Reason::InvalidCredential);
}
