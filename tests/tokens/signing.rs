//! Signing keys that are rotated and withdrawn while calls are decided. `tests/master_key.rs` tests them with a
//! change of the master key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use latchkey_proto::v1;

use latchkey_testing::{SHOP, on_both, with_key};

use crate::Shop;

on_both!(
    crate::Shop::open;
    old_and_new_tokens_pass_while_keys_are_replaced,
    the_present_key_goes_on_if_its_successor_is_withdrawn,
    a_key_of_a_profile_without_tokens_can_be_withdrawn,
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

/// Returns the signing keys, and withdraws the one in this state.
async fn withdraw(shop: &Shop, state: &str) -> Vec<v1::SigningKey> {
    let listed = shop.operator.signing_keys().list_signing_keys(v1::ListSigningKeysRequest {}).await;
    let keys = listed.expect("listed").into_inner().keys;
    let id = keys.into_iter().find(|key| key.state == state).expect("a key in this state").id;
    let ask = v1::WithdrawSigningKeyRequest { id };
    shop.operator.signing_keys().withdraw_signing_key(ask).await.expect("withdrawn").into_inner().keys
}

async fn the_present_key_goes_on_if_its_successor_is_withdrawn(shop: Shop) {
    let (_, value) = shop.key().await;
    let token = shop.issue(with_key(&value)).await.expect("issued").access_token;
    let ask = v1::RotateSigningKeyRequest { profile: "shop".into(), lead: None };
    let _ = shop.operator.signing_keys().rotate_signing_key(ask).await.expect("published");
    let keys = withdraw(&shop, "published").await;
    let signing: Vec<&v1::SigningKey> = keys.iter().filter(|key| key.state == "signing").collect();
    assert!(signing.len() == 1 && signing[0].retire_time.is_none(), "{keys:?}");
    assert!(shop.passes(&token).await);
}

async fn a_key_of_a_profile_without_tokens_can_be_withdrawn(shop: Shop) {
    let (_, value) = shop.key().await;
    let _ = shop.issue(with_key(&value)).await.expect("issued");
    let (before, rest) = SHOP.split_once("[jwt]").expect("rules of tokens");
    let (_, after) = rest.split_once("[[roles]]").expect("roles");
    let document = format!("{before}[[roles]]{after}");
    let ask = v1::ApplyProfileRequest { document, force: true, ..v1::ApplyProfileRequest::default() };
    let _ = shop.operator.profiles().apply_profile(ask).await.expect("applied");
    let keys = withdraw(&shop, "signing").await;
    let states: Vec<&str> = keys.iter().map(|key| &*key.state).collect();
    assert_eq!(states, ["withdrawn"]);
}
