//! Signing keys from outside: replaced while calls are judged, and refused where they can't sign.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use latchkey_proto::v1;
use latchkey_testing::Signal;
use tonic::Code;

use crate::{SHOP, Shop, on_both, with_key};

on_both!(
    old_and_new_tokens_pass_while_keys_are_replaced,
    a_profile_whose_key_cannot_sign_is_refused_until_it_is_withdrawn,
);

async fn old_and_new_tokens_pass_while_keys_are_replaced(shop: Shop) {
    let shop = Arc::new(shop);
    let (_, value) = shop.key().await;
    let stop = Arc::new(AtomicBool::new(false));
    let old = shop.issue(with_key(&value)).await.expect("issued").access_token;
    let mut load = tokio::task::JoinSet::new();
    for fresh in [true, true, false, false] {
        let (shop, value, stop, old) = (Arc::clone(&shop), value.clone(), Arc::clone(&stop), old.clone());
        load.spawn(async move {
            let mut asked = 0;
            while !stop.load(Ordering::SeqCst) {
                let token = if fresh {
                    shop.issue(with_key(&value)).await.expect("issued").access_token
                } else {
                    old.clone()
                };
                assert!(shop.passes(&token).await, "a good token was denied");
                asked += 1;
            }
            asked
        });
    }
    for _ in 0..5 {
        let ask = v1::RotateSigningKeyRequest {
            profile: "shop".into(),
            lead: Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 }),
        };
        let _ = shop.operator.signing_keys().rotate_signing_key(ask).await.expect("rotated");
        // The next can be published when this one signs.
        let _ = shop.issue(with_key(&value)).await.expect("issued");
    }
    stop.store(true, Ordering::SeqCst);
    assert!(load.join_all().await.into_iter().all(|asked: u32| asked > 0));
    let listed = shop.operator.signing_keys().list_signing_keys(v1::ListSigningKeysRequest {}).await;
    let states: Vec<String> =
        listed.expect("listed").into_inner().keys.into_iter().map(|k| k.state).collect();
    assert_eq!(states.iter().filter(|state| *state == "retired").count(), 5, "{states:?}");
}

/// With another master key nothing that was sealed can be opened: no key of the profile can sign.
async fn a_profile_whose_key_cannot_sign_is_refused_until_it_is_withdrawn(mut shop: Shop) {
    let (_, value) = shop.key().await;
    let before = shop.issue(with_key(&value)).await.expect("issued").access_token;
    shop.latchkey.signal(Signal::TERM);
    let _ = shop.latchkey.wait();
    shop.latchkey.set("LATCHKEY_MASTER_KEY", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=");
    shop.latchkey.restart();
    shop.operator = shop.latchkey.operator();
    let listed = shop.operator.signing_keys().list_signing_keys(v1::ListSigningKeysRequest {}).await;
    let id = listed.expect("listed").into_inner().keys.swap_remove(0).id;
    let refused = shop.operator.apply(SHOP).await.expect_err("no key can sign");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(&id), "{}", refused.message());
    assert!(!shop.passes(&before).await);
    let ask = v1::WithdrawSigningKeyRequest { id };
    let _ = shop.operator.signing_keys().withdraw_signing_key(ask).await.expect("withdrawn");
    let _ = shop.operator.apply(SHOP).await.expect("a fresh key signs");
    let after = shop.issue(with_key(&value)).await.expect("issued").access_token;
    assert!(shop.passes(&after).await);
}
