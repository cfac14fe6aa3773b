//! Lifetimes of keys, as their kind bounds them: in every call that creates a key or changes its expiry.

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::{
    CreateKeyRequest, ImportKeysRequest, ImportedKey, Key, RotateKeyRequest, UpdateKeyRequest, imported_key,
};
use latchkey_testing::{Database, field_mask, key, on_both};
use prost_types::{Duration, Timestamp};
use tonic::Code;

use crate::{SHOP, Shop, refused};

on_both!(
    a_key_gets_the_default_lifetime_and_none_beyond_the_longest,
    a_kind_with_a_longest_lifetime_requires_an_expiry,
    an_update_prolongs_no_key_beyond_its_longest_lifetime,
    a_successor_expires_within_the_present_bounds,
    a_rotation_sets_the_expiry_of_the_successor,
    an_import_counts_from_the_creation_elsewhere,
    a_managers_own_expiry_is_the_default_within_the_bounds,
);

const DAY: i64 = 86_400;

/// Opens the shop whose secret keys have these bounds.
fn bounded(bounds: &[(&str, &str)]) -> String {
    let line = |(name, value): &(&str, &str)| match *value {
        "true" => format!("{name} = true\n"),
        value => format!("{name} = \"{value}\"\n"),
    };
    let lines: String = bounds.iter().map(line).collect();
    latchkey_testing::replace_once(SHOP, "secret = \"hex:32\"\n", &format!("secret = \"hex:32\"\n{lines}"))
}

async fn open(database: Database, bounds: &[(&str, &str)]) -> Shop {
    let shop = Shop::open(database).await;
    shop.operator.apply(&bounded(bounds)).await.expect("applied");
    shop
}

fn lives(days: i64) -> CreateKeyRequest {
    let ttl = Duration { seconds: days * DAY, nanos: 0 };
    CreateKeyRequest { expiry: Some(Expiry::Ttl(ttl)), ..key("acme", "live") }
}

/// Returns the days from the creation to the expiry of a key.
fn days(key: &Key) -> Option<i64> {
    let created = key.create_time.expect("a time").seconds;
    key.expire_time.map(|end| (end.seconds - created) / DAY)
}

/// Checks that a call was refused for a field, with the limit.
#[track_caller]
fn refused_for<T: std::fmt::Debug>(answer: Result<T, tonic::Status>, field: &str, limit: &str) {
    let status = answer.expect_err(field);
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let text = status.message();
    assert!(text.starts_with(&format!("{field}: ")) && text.contains(limit), "{text}");
}

async fn a_key_gets_the_default_lifetime_and_none_beyond_the_longest(database: Database) {
    let shop = open(database, &[("max_ttl", "90d"), ("default_ttl", "30d")]).await;
    assert_eq!(days(&shop.operator.plain_key("acme", "live").await.0), Some(30));
    assert_eq!(days(&shop.operator.key(lives(90)).await.0), Some(90));
    refused_for(shop.operator.try_key(lives(91)).await, "ttl", "90d");
    let at = Timestamp { seconds: 4_000_000_000, nanos: 0 };
    let late = CreateKeyRequest { expiry: Some(Expiry::ExpireTime(at)), ..key("acme", "live") };
    refused_for(shop.operator.try_key(late).await, "expire_time", "90d");
    let public = CreateKeyRequest { kind: "publishable".to_owned(), ..key("acme", "live") };
    assert_eq!(days(&shop.operator.key(public).await.0), None, "another kind");
}

async fn a_kind_with_a_longest_lifetime_requires_an_expiry(database: Database) {
    let shop = open(database, &[("max_ttl", "90d")]).await;
    refused_for(shop.operator.try_key(key("acme", "live")).await, "ttl", "max_ttl");
    shop.operator.apply(&bounded(&[("require_expiry", "true")])).await.expect("applied");
    refused_for(shop.operator.try_key(key("acme", "live")).await, "ttl", "require_expiry");
    assert_eq!(days(&shop.operator.key(lives(1_000)).await.0), Some(1_000));
    let status = shop.operator.apply(&bounded(&[("max_ttl", "1d"), ("default_ttl", "2d")])).await;
    let status = status.expect_err("the default is longer");
    assert!(status.message().contains("default lifetime 2d"), "{status:?}");
    for wrong in ["0d", "soon", "4000d", ""] {
        let status = shop.operator.apply(&bounded(&[("max_ttl", wrong)])).await.expect_err(wrong);
        assert!(status.message().contains("3660 days"), "{status:?}");
    }
}

async fn an_update_prolongs_no_key_beyond_its_longest_lifetime(database: Database) {
    let shop = open(database, &[]).await;
    let (endless, _) = shop.operator.plain_key("acme", "live").await;
    shop.operator.apply(&bounded(&[("max_ttl", "90d"), ("default_ttl", "30d")])).await.expect("applied");
    let (made, _) = shop.operator.plain_key("acme", "live").await;
    let update = async |expire_time: Option<Timestamp>| {
        let key = Key { id: made.id.clone(), expire_time, ..Key::default() };
        let ask = UpdateKeyRequest { key: Some(key), update_mask: Some(field_mask(&["expire_time"])) };
        shop.operator.keys().update_key(ask).await
    };
    let after = |days: i64| {
        let created = made.create_time.expect("a time");
        Some(Timestamp { seconds: created.seconds + days * DAY, ..created })
    };
    update(after(90)).await.expect("within the bounds");
    refused_for(update(after(91)).await, "key.expire_time", "90d");
    refused_for(update(None).await, "key.expire_time", "max_ttl");
    let key = Key { id: endless.id, name: "renamed".to_owned(), ..Key::default() };
    let ask = UpdateKeyRequest { key: Some(key), update_mask: Some(field_mask(&["name"])) };
    shop.operator.keys().update_key(ask).await.expect("an older key is changed otherwise");
}

async fn a_successor_expires_within_the_present_bounds(database: Database) {
    let shop = open(database, &[]).await;
    let (endless, _) = shop.operator.plain_key("acme", "live").await;
    let (long, _) = shop.operator.key(lives(1_000)).await;
    let (short, _) = shop.operator.key(lives(5)).await;
    let (plain, _) = shop.operator.plain_key("acme", "live").await;
    let rotate = async |id: &str| {
        let ask = RotateKeyRequest { id: id.to_owned(), overlap: None, expiry: None };
        shop.operator.keys().rotate_key(ask).await.map(|done| done.into_inner().key.expect("a key"))
    };
    shop.operator.apply(&bounded(&[("max_ttl", "90d"), ("default_ttl", "30d")])).await.expect("applied");
    assert_eq!(days(&rotate(&endless.id).await.expect("rotated")), Some(30));
    assert_eq!(days(&rotate(&long.id).await.expect("rotated")), Some(90));
    assert!(days(&rotate(&short.id).await.expect("rotated")).is_some_and(|days| days < 6));
    shop.operator.apply(&bounded(&[("require_expiry", "true")])).await.expect("applied");
    let status = rotate(&plain.id).await.expect_err("it has no expiry");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains("require_expiry") && status.message().contains("expire_time"),
        "{status:?}"
    );
}

async fn a_rotation_sets_the_expiry_of_the_successor(database: Database) {
    use latchkey_proto::v1::rotate_key_request::Expiry;
    let shop = open(database, &[]).await;
    let rotate = async |id: &str, expiry: Expiry| {
        let ask = RotateKeyRequest { id: id.to_owned(), overlap: None, expiry: Some(expiry) };
        shop.operator.keys().rotate_key(ask).await.map(|done| done.into_inner().key.expect("a key"))
    };
    let ttl = |days: i64| Expiry::Ttl(Duration { seconds: days * DAY, nanos: 0 });
    let (endless, _) = shop.operator.plain_key("acme", "live").await;
    let (short, _) = shop.operator.key(lives(5)).await;
    let longer = rotate(&short.id, ttl(200)).await.expect("rotated");
    assert_eq!(days(&longer), Some(200), "an operator may prolong it");
    let created = longer.create_time.expect("a time");
    let at = |days: i64| {
        Expiry::ExpireTime(Timestamp { seconds: created.seconds + days * DAY, nanos: created.nanos })
    };
    refused_for(rotate(&endless.id, at(-1)).await, "expire_time", "future");
    refused_for(rotate(&endless.id, ttl(0)).await, "ttl", "future");
    shop.operator.apply(&bounded(&[("max_ttl", "90d"), ("default_ttl", "30d")])).await.expect("applied");
    refused_for(rotate(&endless.id, ttl(91)).await, "ttl", "90d");
    refused_for(rotate(&endless.id, at(92)).await, "expire_time", "90d");
    let bounded_key = rotate(&endless.id, ttl(60)).await.expect("rotated");
    assert_eq!(days(&bounded_key), Some(60), "the default counts without an expiry alone");
    shop.operator.apply(&bounded(&[("require_expiry", "true")])).await.expect("applied");
    let (required, _) = shop.operator.key(lives(5)).await;
    assert_eq!(days(&rotate(&required.id, ttl(7)).await.expect("rotated")), Some(7));
    let manager = shop.manager("acme", |ask| ask.expiry = lives(10).expiry).await;
    let (weak, _) = shop.operator.key(lives(5)).await;
    let beyond = RotateKeyRequest { id: weak.id, overlap: None, expiry: Some(ttl(11)) };
    assert_eq!(refused(manager.keys().rotate_key(beyond.clone()).await), Code::PermissionDenied);
    let within = RotateKeyRequest { expiry: Some(ttl(8)), ..beyond };
    let successor = manager.keys().rotate_key(within).await.expect("within its own expiry").into_inner();
    assert_eq!(days(&successor.key.expect("a key")), Some(8));
}

async fn an_import_counts_from_the_creation_elsewhere(database: Database) {
    let shop = open(database, &[("max_ttl", "90d"), ("default_ttl", "30d")]).await;
    let (now, _) = shop.operator.plain_key("acme", "live").await;
    let now = now.create_time.expect("a time").seconds;
    let import = async |n: u32, age: i64, ttl: Option<i64>| {
        let mut key = CreateKeyRequest { name: "from before".to_owned(), ..CreateKeyRequest::default() };
        key.expiry = ttl.map(|days| Expiry::Ttl(Duration { seconds: days * DAY, nanos: 0 }));
        let secret = Some(imported_key::Secret::Value(format!("shop_live_{n:064x}")));
        let create_time = Some(Timestamp { seconds: now - age * DAY, nanos: 0 });
        let keys = vec![ImportedKey { secret, key: Some(key), create_time, ..ImportedKey::default() }];
        let ask = ImportKeysRequest { tenant: "acme".to_owned(), keys, ..ImportKeysRequest::default() };
        shop.operator.keys().import_keys(ask).await.map(|done| done.into_inner().keys.remove(0))
    };
    assert_eq!(days(&import(1, 10, None).await.expect("imported")), Some(40), "ten days of age, and thirty");
    assert_eq!(days(&import(2, 70, None).await.expect("imported")), Some(90), "no more than the longest");
    refused_for(import(3, 70, Some(21)).await, "keys[0].key.ttl", "90d");
    assert!(import(4, 70, Some(19)).await.is_ok());
}

async fn a_managers_own_expiry_is_the_default_within_the_bounds(database: Database) {
    let shop = open(database, &[("max_ttl", "90d"), ("default_ttl", "30d")]).await;
    let week = Duration { seconds: 7 * DAY, nanos: 0 };
    let manager = shop.manager("acme", |ask| ask.expiry = Some(Expiry::Ttl(week))).await;
    let (made, _) = manager.plain_key("", "live").await;
    assert!(days(&made).is_some_and(|days| days <= 7), "{made:?}");
    let manager = shop.manager("acme", |_| ()).await;
    assert!(days(&manager.plain_key("", "live").await.0).is_some_and(|days| (29..=30).contains(&days)));
}
