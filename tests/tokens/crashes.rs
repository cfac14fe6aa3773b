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
use crate::refresh::REPEATED;

on_both!(crate::Shop::open; kills_spend_nothing_twice_and_lose_nothing);

/// Successor of each token that was sent.
type Chain = BTreeMap<String, String>;

/// Renews a family's token repeatedly; a call without a response is sent again. On a busy machine, it can be sent again too
/// late; then another family follows.
async fn renewing(
    caller: Caller,
    (value, mut token): (String, String),
    (over, renewed): (Arc<AtomicBool>, Arc<AtomicUsize>),
) -> (Chain, String) {
    let mut chain = Chain::new();
    let (mut first_sent, mut late) = (Instant::now(), false);
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
                late = first_sent.elapsed() > REPEATED;
                (token, first_sent) = (next, Instant::now());
                renewed.fetch_add(1, Ordering::SeqCst);
            }
            Err(status) => {
                late |= first_sent.elapsed() > REPEATED;
                if status.code() == Code::Unauthenticated {
                    assert!(late, "a family was lost: {status:?}");
                    if let Ok(issued) = caller.tokens().issue_jwt(with_key(&value)).await {
                        (token, first_sent) = (issued.into_inner().refresh_token, Instant::now());
                        late = false;
                    }
                }
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
        let (caller, progress) = (shop.latchkey.anonymous(), (Arc::clone(&over), renewals.counter()));
        families.spawn(renewing(caller, (value.clone(), token), progress));
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
