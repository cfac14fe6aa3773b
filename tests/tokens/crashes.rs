//! kill -9, again and again, while tokens are renewed: no token is spent twice, and no successor that was handed
//! out is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use latchkey_proto::v1::RefreshJwtRequest;
use latchkey_testing::{Caller, on_both};
use tokio::time::Instant;
use tonic::Code;

use crate::{Shop, with_key};

on_both!(crate::Shop::open; kills_spend_nothing_twice_and_lose_nothing);

/// What came of each token that was sent: its successor.
type Chain = BTreeMap<String, String>;

/// Renews a family's token again and again; whatever was not answered is sent again.
async fn renewing(caller: Caller, mut token: String, over: Arc<AtomicBool>) -> (Chain, String) {
    let mut chain = Chain::new();
    let mut first_sent = Instant::now();
    while !over.load(Ordering::SeqCst) {
        let ask = RefreshJwtRequest { refresh_token: token.clone(), ..RefreshJwtRequest::default() };
        match caller.tokens().refresh_jwt(ask.clone()).await {
            Ok(answer) => {
                let next = answer.into_inner().refresh_token;
                // An answer may be lost on its way, too: asked again, it is the same.
                if let Ok(again) = caller.tokens().refresh_jwt(ask).await {
                    assert_eq!(again.into_inner().refresh_token, next, "spent twice");
                }
                let before = chain.insert(token, next.clone());
                assert!(before.is_none(), "a successor came twice");
                (token, first_sent) = (next, Instant::now());
            }
            Err(status) => {
                let in_time = first_sent.elapsed() < Duration::from_secs(9);
                assert!(status.code() != Code::Unauthenticated || !in_time, "a family was lost: {status:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    (chain, token)
}

async fn kills_spend_nothing_twice_and_lose_nothing(shop: Shop) {
    let (_, value) = shop.key().await;
    let over = Arc::<AtomicBool>::default();
    let mut families = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let token = shop.issue(with_key(&value)).await.expect("issued").refresh_token;
        families.spawn(renewing(shop.latchkey.anonymous(), token, Arc::clone(&over)));
    }
    for pause in [300, 170, 410] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        shop.latchkey.kill();
        shop.latchkey.restart();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    over.store(true, Ordering::SeqCst);
    for (chain, last) in families.join_all().await {
        assert!(chain.len() > 3, "{} renewed", chain.len());
        let renewed = shop.renew(&last).await.expect("the last that was handed out is good");
        assert!(shop.passes(&renewed.access_token).await);
    }
}
