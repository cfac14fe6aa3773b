//! The lifecycle of a key: created once, read without its value, changed, rotated, revoked permanently.

use std::collections::HashMap;

use latchkey_proto::v1::{
    CheckRequest, CreateKeyRequest, GetKeyRequest, GetPublishableKeyRequest, Key, KeyState, ListKeysRequest,
    RevokeKeyRequest, RotateKeyRequest, UpdateKeyRequest,
};
use latchkey_testing::{Caller, Database, eventually, field_mask, key, on_both};
use tonic::Code;

use crate::{SHOP, Shop, refused, scoped};

on_both!(
    a_created_key_has_the_requested_fields,
    one_idempotency_key_creates_one_key,
    an_idempotency_key_is_that_of_its_caller,
    only_the_fields_of_the_mask_change,
    a_narrowed_key_is_narrow_at_once,
    a_rotated_key_goes_on_for_the_overlap,
    a_rotation_without_overlap_stops_the_old_key,
    a_revocation_is_for_good,
    a_publishable_value_can_be_read_again_and_a_secret_never,
    a_publishable_value_of_an_earlier_form_is_not_given_out,
    a_key_of_which_the_profile_lacks_the_prefix_is_shown_as_denied,
);

async fn get(caller: &Caller, id: &str) -> Key {
    caller.keys().get_key(GetKeyRequest { id: id.to_owned() }).await.expect("a key").into_inner()
}

async fn a_created_key_has_the_requested_fields(database: Database) {
    let shop = Shop::open(database).await;
    let ask = CreateKeyRequest {
        name: "worker-staging é".to_owned(),
        metadata: HashMap::from([("team".to_owned(), "x".to_owned())]),
        allowed_networks: vec!["10.0.0.0/8".to_owned()],
        rate_limits: HashMap::from([("default".to_owned(), "7/min".to_owned())]),
        bindings: HashMap::from([("merchant".to_owned(), "m_1".to_owned())]),
        ..scoped("acme", &["orders.view"])
    };
    let (made, value) = shop.operator.key(ask.clone()).await;
    let output = get(&shop.operator, &made.id).await;
    assert_eq!(output.scopes, ["orders.read"]);
    assert_eq!((output.name, output.metadata, output.bindings), (ask.name, ask.metadata, ask.bindings));
    assert_eq!((output.allowed_networks, output.state), (ask.allowed_networks, KeyState::Active.into()));
    assert!(output.rate_limits["default"].starts_with("7/min"), "{:?}", output.rate_limits);
    assert_eq!(
        (output.kind.as_str(), output.environment.as_str(), output.prefix.as_str()),
        ("secret", "live", "shop_live_")
    );
    assert!(value.ends_with(&output.hint) && output.value.is_empty() && output.create_time.is_some());
    assert!(!output.created_by.is_empty());
}

async fn one_idempotency_key_creates_one_key(database: Database) {
    let shop = Shop::open(database).await;
    let ask = CreateKeyRequest { idempotency_key: "wish-1".to_owned(), ..key("acme", "live") };
    let (first, secret) = shop.operator.key(ask.clone()).await;
    let (again, nothing) = shop.operator.key(ask.clone()).await;
    assert_eq!((first.id.as_str(), nothing.as_str()), (again.id.as_str(), ""));
    assert!(shop.admits(&secret).await);
    let other = CreateKeyRequest { name: "another".to_owned(), ..ask.clone() };
    assert_eq!(refused(shop.operator.try_key(other).await), Code::AlreadyExists);
    let (elsewhere, secret) = shop.operator.key(CreateKeyRequest { tenant: "bank".to_owned(), ..ask }).await;
    assert!(elsewhere.id != first.id && !secret.is_empty(), "each tenant has idempotency keys of its own");
}

/// Sends one idempotency key as two key managers that do not manage each other's keys, and as one that has more scopes.
async fn an_idempotency_key_is_that_of_its_caller(database: Database) {
    let shop = Shop::open(database).await;
    let bindings = |merchant: &str| match merchant {
        "" => HashMap::new(),
        merchant => HashMap::from([("merchant".to_owned(), merchant.to_owned())]),
    };
    let mut made = Vec::new();
    for (merchant, scopes) in [("m_1", 1), ("m_2", 1), ("", 1), ("", 2)] {
        let manager = |ask: &mut CreateKeyRequest| {
            ask.bindings = bindings(merchant);
            if scopes == 2 {
                ask.scopes.push("orders.write".to_owned());
            }
        };
        let manager = shop.manager("acme", manager).await;
        let ask = CreateKeyRequest {
            idempotency_key: "wish-1".to_owned(),
            all_scopes: true,
            bindings: bindings(merchant),
            ..scoped("", &[])
        };
        let (first, secret) = manager.key(ask.clone()).await;
        assert!(!secret.is_empty() && !made.contains(&first.id), "{merchant}: another caller's key");
        assert_eq!(first.scopes.len(), scopes, "{merchant}: {:?}", first.scopes);
        let (again, nothing) = manager.key(ask.clone()).await;
        assert_eq!((&again.id, nothing.as_str()), (&first.id, ""), "{merchant}");
        let other = CreateKeyRequest { name: "another".to_owned(), ..ask };
        assert_eq!(refused(manager.try_key(other).await), Code::AlreadyExists, "{merchant}");
        made.push(first.id);
    }
}

fn update(key: Key, paths: &[&str]) -> UpdateKeyRequest {
    UpdateKeyRequest { key: Some(key), update_mask: Some(field_mask(paths)) }
}

async fn only_the_fields_of_the_mask_change(database: Database) {
    let shop = Shop::open(database).await;
    let metadata = HashMap::from([("team".to_owned(), "x".to_owned())]);
    let (made, _) = shop.operator.key(CreateKeyRequest { metadata, ..key("acme", "live") }).await;
    let wish = Key { id: made.id.clone(), name: "renamed".to_owned(), disabled: true, ..Key::default() };
    let renamed =
        shop.operator.keys().update_key(update(wish, &["name"])).await.expect("changed").into_inner();
    assert_eq!((renamed.name.as_str(), renamed.disabled), ("renamed", false));
    assert_eq!((&renamed.metadata, &renamed.scopes), (&made.metadata, &made.scopes));
    let wish = Key { id: made.id.clone(), ..Key::default() };
    let cleared =
        shop.operator.keys().update_key(update(wish, &["metadata"])).await.expect("changed").into_inner();
    assert!(cleared.metadata.is_empty() && cleared.name == "renamed");
}

async fn a_narrowed_key_is_narrow_at_once(database: Database) {
    let shop = Shop::open(database).await;
    let (made, value) = shop.operator.key(scoped("acme", &["orders.read", "orders.write"])).await;
    let ask = CheckRequest {
        credential: value,
        scopes: vec!["orders.write".to_owned()],
        scopes_only: true,
        ..CheckRequest::default()
    };
    assert_eq!(shop.operator.check(ask.clone()).await.reason().as_str_name(), "REASON_OK");
    let wish = Key { id: made.id, scopes: vec!["orders.read".to_owned()], ..Key::default() };
    shop.operator.keys().update_key(update(wish, &["scopes"])).await.expect("changed");
    assert_eq!(shop.operator.check(ask).await.reason().as_str_name(), "REASON_INSUFFICIENT_SCOPE");
}

async fn a_rotated_key_goes_on_for_the_overlap(database: Database) {
    let shop = Shop::open(database).await;
    let (old, value) = shop.operator.key(scoped("acme", &["orders.read", "orders.write"])).await;
    let overlap = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let rotate = RotateKeyRequest { id: old.id.clone(), overlap, expiry: None };
    let done = shop.operator.keys().rotate_key(rotate).await.expect("rotated").into_inner();
    let (new, replaced) = (done.key.expect("a successor"), done.replaced.expect("what it replaces"));
    assert_eq!((&new.rotated_from, &replaced.rotated_to), (&old.id, &new.id));
    assert_eq!((new.scopes, new.name), (old.scopes, old.name));
    assert!(replaced.expire_time.is_some());
    assert!(shop.admits(&done.secret).await);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        eventually("the overlap ends", || (!runtime.block_on(shop.admits(&value))).then_some(()));
    });
    assert!(shop.admits(&done.secret).await);
}

async fn a_rotation_without_overlap_stops_the_old_key(database: Database) {
    let shop = Shop::open(database).await;
    let (old, value) = shop.operator.plain_key("acme", "live").await;
    assert!(shop.admits(&value).await);
    let rotate = RotateKeyRequest { id: old.id, overlap: None, expiry: None };
    let done = shop.operator.keys().rotate_key(rotate.clone()).await.expect("rotated").into_inner();
    assert!(!shop.admits(&value).await && shop.admits(&done.secret).await);
    assert_eq!(refused(shop.operator.keys().rotate_key(rotate).await), Code::FailedPrecondition);
}

async fn a_revocation_is_for_good(database: Database) {
    let shop = Shop::open(database).await;
    let (made, value) = shop.operator.plain_key("acme", "live").await;
    let done = shop.operator.revoke(&made.id).await;
    assert!(done.revision > 0 && !shop.admits(&value).await);
    let output = get(&shop.operator, &made.id).await;
    assert_eq!((output.state(), output.revoke_reason.as_str()), (KeyState::Revoked, "the test says so"));
    assert!(output.revoke_time.is_some());
    let again = RevokeKeyRequest { id: made.id.clone(), reason: "again".to_owned() };
    let again = shop.operator.keys().revoke_key(again).await.expect("it is revoked").into_inner();
    assert_eq!(again.key.expect("the key").revoke_reason, "the test says so", "it stays as it was");
    assert_eq!(again.revision, done.revision);
    let revive = update(Key { id: made.id.clone(), ..Key::default() }, &["disabled"]);
    assert_eq!(refused(shop.operator.keys().update_key(revive).await), Code::FailedPrecondition);
    let rotate = RotateKeyRequest { id: made.id, overlap: None, expiry: None };
    assert_eq!(refused(shop.operator.keys().rotate_key(rotate).await), Code::FailedPrecondition);
    assert!(!shop.admits(&value).await);
}

async fn a_publishable_value_can_be_read_again_and_a_secret_never(database: Database) {
    let shop = Shop::open(database).await;
    let publishable = || CreateKeyRequest { kind: "publishable".to_owned(), ..key("acme", "live") };
    let ask = GetPublishableKeyRequest {
        tenant: "acme".to_owned(),
        environment: "live".to_owned(),
        ..GetPublishableKeyRequest::default()
    };
    assert_eq!(refused(shop.operator.keys().get_publishable_key(ask.clone()).await), Code::NotFound);
    let (_, older) = shop.operator.key(publishable()).await;
    let (newest, value) = shop.operator.key(publishable()).await;
    assert_ne!(older, value);
    let output = shop.operator.keys().get_publishable_key(ask.clone()).await.expect("published").into_inner();
    assert_eq!((&output.id, &output.value), (&newest.id, &value));
    let _ = shop.operator.revoke(&newest.id).await;
    let output = shop.operator.keys().get_publishable_key(ask).await.expect("published").into_inner();
    assert_eq!(output.value, older, "the newest that is active");
    let (secret, _) = shop.operator.plain_key("acme", "live").await;
    assert_eq!(get(&shop.operator, &secret.id).await.value, "");
    let too_much = CreateKeyRequest { scopes: vec!["orders.write".to_owned()], ..publishable() };
    assert_eq!(refused(shop.operator.try_key(too_much).await), Code::InvalidArgument);
}

async fn a_publishable_value_of_an_earlier_form_is_not_given_out(database: Database) {
    let shop = Shop::open(database).await;
    let publishable = || CreateKeyRequest { kind: "publishable".to_owned(), ..key("acme", "live") };
    let ask = GetPublishableKeyRequest {
        tenant: "acme".to_owned(),
        environment: "live".to_owned(),
        ..GetPublishableKeyRequest::default()
    };
    let (_, value) = shop.operator.key(publishable()).await;
    let changed = crate::SHOP.replace("base62:24", "base62:26");
    let _ = shop.operator.force_apply(&changed).await.expect("applied");
    assert!(!shop.admits(&value).await);
    assert_eq!(refused(shop.operator.keys().get_publishable_key(ask.clone()).await), Code::NotFound);
    let (_, value) = shop.operator.key(publishable()).await;
    let output = shop.operator.keys().get_publishable_key(ask).await.expect("published").into_inner();
    assert_eq!(output.value, value);
}

async fn a_key_of_which_the_profile_lacks_the_prefix_is_shown_as_denied(database: Database) {
    let shop = Shop::open(database).await;
    let (made, value) = shop.operator.key(scoped("acme", &["orders.read", "orders.write"])).await;
    let whole = get(&shop.operator, &made.id).await;
    assert_eq!((whole.denied_by_profile.as_str(), whole.removed_scopes.len()), ("", 0));
    let moved = SHOP.replace("shop_live_", "moved_live_");
    let moved = moved.replace("[[scopes]]\nname = \"orders.write\"\n", "");
    shop.operator.force_apply(&moved).await.expect("forced");
    assert!(!shop.admits(&value).await);
    let ask = ListKeysRequest { tenant: "acme".to_owned(), ..ListKeysRequest::default() };
    let listed = shop.operator.keys().list_keys(ask).await.expect("a list").into_inner().keys;
    for shown in [get(&shop.operator, &made.id).await, listed[0].clone()] {
        assert_eq!(
            (shown.state(), shown.removed_scopes.as_slice()),
            (KeyState::Active, &["orders.write".to_owned()][..])
        );
        assert!(shown.denied_by_profile.contains("\"shop_live_\""), "{shown:?}");
    }
}
