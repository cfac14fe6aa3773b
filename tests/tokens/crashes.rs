//! Repeated SIGKILL while tokens are renewed: no token is redeemed twice, and no successor that was returned is
//! lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use latchkey_proto::v1::RefreshJwtRequest;
use latchkey_testing::{Caller, Progress, on_both, with_key};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::Code;

use crate::Shop;

on_both!(crate::Shop::open; kills_spend_nothing_twice_and_lose_nothing);

/// Successor of each token that was sent.
type Chain = BTreeMap<String, String>;

/// Renews a family's token repeatedly; a call without a response is sent again.
async fn renewing(
    caller: Caller,
    mut token: String,
    (over, renewed): (Arc<AtomicBool>, Arc<AtomicUsize>),
) -> (Chain, String) {
    let mut chain = Chain::new();
    let mut first_sent = Instant::now();
    // Pause between two attempts that fail.
    let mut pace = interval(Duration::from_millis(10));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !over.load(Ordering::SeqCst) {
        let ask = RefreshJwtRequest { refresh_token: token.clone(), ..RefreshJwtRequest::default() };
        match caller.tokens().refresh_jwt(ask.clone()).await {
            Ok(answer) => {
                let next = answer.into_inner().refresh_token;
                // A response may be lost as well: the same refresh token gets the same successor again.
                if let Ok(again) = caller.tokens().refresh_jwt(ask).await {
                    assert_eq!(again.into_inner().refresh_token, next, "spent twice");
                }
                let before = chain.insert(token, next.clone());
                assert!(before.is_none(), "a successor came twice");
                (token, first_sent) = (next, Instant::now());
                renewed.fetch_add(1, Ordering::SeqCst);
            }
            Err(status) => {
                let in_time = first_sent.elapsed() < Duration::from_secs(9);
                assert!(status.code() != Code::Unauthenticated || !in_time, "a family was lost: {status:?}");
                pace.tick().await;
            }
        }
    }
    (chain, token)
}

async fn kills_spend_nothing_twice_and_lose_nothing(shop: Shop) {
    let (_, value) = shop.key().await;
    let over = Arc::<AtomicBool>::default();
    let (mut families, mut renewals) = (tokio::task::JoinSet::new(), Progress::default());
    for _ in 0..6 {
        let token = shop.issue(with_key(&value)).await.expect("issued").refresh_token;
        families.spawn(renewing(shop.latchkey.anonymous(), token, (Arc::clone(&over), renewals.counter())));
    }
    for more in [3, 1, 5] {
        renewals.all_advance("every family is renewed", more).await;
        shop.latchkey.kill();
        shop.latchkey.restart();
    }
    renewals.all_advance("every family is renewed", 3).await;
    over.store(true, Ordering::SeqCst);
    for (chain, last) in families.join_all().await {
        assert!(chain.len() > 3, "{} renewed", chain.len());
        let renewed = shop.renew(&last).await.expect("the last that was handed out is good");
        assert!(shop.passes(&renewed.access_token).await);
    }
}
