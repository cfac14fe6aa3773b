//! The rule of every change and every disclosure: the key is nowhere wider than before, or the caller covers the
//! whole key; and the key is within the caller's environment and bindings.

use std::collections::HashMap;

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::{
    CreateKeyRequest, GetKeyRequest, GetKeyUsageRequest, GetPublishableKeyRequest, Key,
    ListAuditEventsRequest, ListKeysRequest, RevokeKeyRequest, RotateKeyRequest, UpdateKeyRequest,
};
use latchkey_testing::{Caller, Database, field_mask, key, on_both};
use tonic::{Code, Status};

use crate::{Shop, refused, scoped};

on_both!(
    a_weak_manager_revives_and_enables_no_key_that_it_could_not_create,
    a_manager_of_one_shop_widens_no_key_of_another,
    a_test_key_sees_and_ends_no_live_key,
    a_value_is_disclosed_to_callers_that_could_create_its_key_alone,
    the_audit_log_of_a_bound_caller_is_about_its_own_keys,
    an_operators_key_makes_no_operators_key_that_outlives_it,
);

fn change(id: &str, path: &str, change: impl FnOnce(&mut Key)) -> UpdateKeyRequest {
    let mut key = Key { id: id.to_owned(), ..Key::default() };
    change(&mut key);
    UpdateKeyRequest { key: Some(key), update_mask: Some(field_mask(&[path])) }
}

async fn update(caller: &Caller, ask: UpdateKeyRequest) -> Result<Key, Status> {
    Ok(caller.keys().update_key(ask).await?.into_inner())
}

fn merchant(id: &str) -> HashMap<String, String> {
    HashMap::from([("merchant".to_owned(), id.to_owned())])
}

fn soon() -> Expiry {
    Expiry::Ttl(prost_types::Duration { seconds: 0, nanos: 50_000_000 })
}

async fn expired(shop: &Shop, ask: CreateKeyRequest) -> String {
    let (made, _) = shop.operator.key(CreateKeyRequest { expiry: Some(soon()), ..ask }).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    made.id
}

async fn a_weak_manager_revives_and_enables_no_key_that_it_could_not_create(database: Database) {
    let shop = Shop::open(database).await;
    let strong = || scoped("acme", &["orders.read", "orders.write"]);
    let (disabled, value) = shop.operator.key(strong()).await;
    let _ = update(&shop.operator, change(&disabled.id, "disabled", |key| key.disabled = true)).await;
    let expired_key = expired(&shop, strong()).await;
    let weak = shop.manager("acme", |_| ()).await;
    let test = shop.manager("acme", |ask| "test".clone_into(&mut ask.environment)).await;
    for (caller, code) in [(&weak, Code::PermissionDenied), (&test, Code::NotFound)] {
        assert_eq!(refused(update(caller, change(&disabled.id, "disabled", |_| ())).await), code);
        assert_eq!(refused(update(caller, change(&expired_key, "expire_time", |_| ())).await), code);
    }
    assert!(!shop.admits(&value).await);
    // A caller that covers the key can enable it. To make an expired key valid again takes a separate scope.
    let cover = shop.manager("acme", |ask| ask.scopes.push("orders.write".to_owned())).await;
    let enabled = update(&cover, change(&disabled.id, "disabled", |_| ())).await.expect("it covers the key");
    assert!(!enabled.disabled && shop.admits(&value).await);
    let again = refused(update(&cover, change(&expired_key, "expire_time", |_| ())).await);
    assert_eq!(again, Code::PermissionDenied);
    let revived = update(&shop.operator, change(&expired_key, "expire_time", |_| ())).await;
    assert!(revived.expect("an operator may").expire_time.is_none());
    // Narrowing and renaming a key need no grant.
    assert!(update(&weak, change(&disabled.id, "disabled", |key| key.disabled = true)).await.is_ok());
    assert!(
        update(&weak, change(&disabled.id, "name", |key| "till".clone_into(&mut key.name))).await.is_ok()
    );
}

async fn a_manager_of_one_shop_widens_no_key_of_another(database: Database) {
    let shop = Shop::open(database).await;
    let first = shop.manager("acme", |ask| ask.bindings = merchant("s_1")).await;
    let (theirs, _) = shop
        .operator
        .key(CreateKeyRequest { bindings: merchant("s_2"), ..scoped("acme", &["orders.read"]) })
        .await;
    let (whole, _) = shop.operator.key(scoped("acme", &["orders.read"])).await;
    for id in [&theirs.id, &whole.id] {
        let grant = change(id, "scopes", |key| key.scopes = vec!["api_keys.manage".to_owned()]);
        assert_eq!(refused(update(&first, grant).await), Code::NotFound);
        let rename = change(id, "name", |key| "mine".clone_into(&mut key.name));
        assert_eq!(refused(update(&first, rename).await), Code::NotFound);
        let revoke = RevokeKeyRequest { id: id.clone(), reason: String::new() };
        assert_eq!(refused(first.keys().revoke_key(revoke).await), Code::NotFound);
    }
    let (own, _) =
        first.key(CreateKeyRequest { bindings: merchant("s_1"), ..scoped("", &["orders.read"]) }).await;
    let listed = first.keys().list_keys(ListKeysRequest::default()).await.expect("a list").into_inner();
    assert_eq!(listed.keys.len(), 2, "its own key and the one that it made");
    assert!(listed.keys.iter().any(|key| key.id == own.id));
    let other = ListKeysRequest { bindings: merchant("s_2"), ..ListKeysRequest::default() };
    assert!(first.keys().list_keys(other).await.expect("a list").into_inner().keys.is_empty());
    let _ = first.revoke(&own.id).await;
}

async fn a_test_key_sees_and_ends_no_live_key(database: Database) {
    let shop = Shop::open(database).await;
    let (live, value) = shop.operator.key(scoped("acme", &["orders.read"])).await;
    let test = shop.manager("acme", |ask| "test".clone_into(&mut ask.environment)).await;
    let mut keys = test.keys();
    let id = live.id.clone();
    let codes = [
        refused(keys.get_key(GetKeyRequest { id: id.clone() }).await),
        refused(keys.get_key_usage(GetKeyUsageRequest { id: id.clone(), ..Default::default() }).await),
        refused(keys.rotate_key(RotateKeyRequest { id: id.clone(), overlap: None, expiry: None }).await),
        refused(keys.revoke_key(RevokeKeyRequest { id, reason: String::new() }).await),
    ];
    assert_eq!(codes, [Code::NotFound; 4]);
    let listed = keys.list_keys(ListKeysRequest::default()).await.expect("a list").into_inner();
    assert!(!listed.keys.is_empty(), "its own key");
    assert!(listed.keys.iter().all(|key| key.environment == "test"), "{:?}", listed.keys);
    let ask = ListKeysRequest { environment: "live".to_owned(), ..ListKeysRequest::default() };
    assert!(keys.list_keys(ask).await.expect("a list").into_inner().keys.is_empty());
    assert!(shop.admits(&value).await);
}

async fn a_value_is_disclosed_to_callers_that_could_create_its_key_alone(database: Database) {
    let shop = Shop::open(database).await;
    let public = |environment: &str, to: &str| CreateKeyRequest {
        kind: "publishable".to_owned(),
        scopes: vec!["orders.read".to_owned()],
        bindings: merchant(to),
        ..key("acme", environment)
    };
    let (first, _) = shop.operator.key(public("live", "s_1")).await;
    let (second, _) = shop.operator.key(public("live", "s_2")).await;
    let (test, _) = shop.operator.key(public("test", "s_1")).await;
    let ask = |environment: &str, to: Option<&str>| GetPublishableKeyRequest {
        environment: environment.to_owned(),
        bindings: to.map(merchant).unwrap_or_default(),
        ..GetPublishableKeyRequest::default()
    };
    let read = async |caller: &Caller, ask| match caller.keys().get_publishable_key(ask).await {
        Ok(found) => Ok(found.into_inner().id),
        Err(status) => Err(status.code()),
    };
    let whole = shop.manager("acme", |_| ()).await;
    assert_eq!(read(&whole, ask("", None)).await, Ok(second.id.clone()), "the newest");
    assert_eq!(read(&whole, ask("live", Some("s_1"))).await, Ok(first.id.clone()), "each shop's own");
    assert_eq!(read(&whole, ask("test", None)).await, Err(Code::NotFound));
    let bound = shop.manager("acme", |ask| ask.bindings = merchant("s_1")).await;
    assert_eq!(read(&bound, ask("", None)).await, Ok(first.id.clone()));
    assert_eq!(read(&bound, ask("", Some("s_2"))).await, Err(Code::NotFound));
    let in_test = shop.manager("acme", |ask| "test".clone_into(&mut ask.environment)).await;
    assert_eq!(read(&in_test, ask("", None)).await, Ok(test.id), "its own environment by default");
    assert_eq!(read(&in_test, ask("live", None)).await, Err(Code::NotFound));
    let unscoped = shop.manager("acme", |ask| ask.scopes = vec!["api_keys.manage".to_owned()]).await;
    assert_eq!(read(&unscoped, ask("", None)).await, Err(Code::NotFound), "it could not grant orders.read");
    let other = GetPublishableKeyRequest { kind: "secret".to_owned(), ..ask("", None) };
    assert_eq!(read(&whole, other).await, Err(Code::InvalidArgument));
}

async fn the_audit_log_of_a_bound_caller_is_about_its_own_keys(database: Database) {
    let shop = Shop::open(database).await;
    let bound = |to: &str| CreateKeyRequest { bindings: merchant(to), ..scoped("acme", &["orders.read"]) };
    let (own, _) = shop.operator.key(bound("s_1")).await;
    let (theirs, _) = shop.operator.key(bound("s_2")).await;
    let _ = shop.operator.revoke(&theirs.id).await;
    let manager = shop.manager("acme", |ask| ask.bindings = merchant("s_1")).await;
    let list = manager.audit().list_audit_events(ListAuditEventsRequest::default()).await.expect("a list");
    let events = list.into_inner().events;
    assert!(events.iter().any(|event| event.target == own.id && event.target_name == own.name), "{events:?}");
    assert!(events.iter().all(|event| event.target != theirs.id), "{events:?}");
    let whole = shop.manager("acme", |ask| ask.scopes.push("orders.write".to_owned())).await;
    let list = whole.audit().list_audit_events(ListAuditEventsRequest::default()).await.expect("a list");
    assert!(list.into_inner().events.iter().any(|event| event.target == theirs.id));
}

async fn an_operators_key_makes_no_operators_key_that_outlives_it(database: Database) {
    let shop = Shop::open(database).await;
    let hours = |hours: i64| Some(Expiry::Ttl(prost_types::Duration { seconds: hours * 3_600, nanos: 0 }));
    let admin = |expiry| CreateKeyRequest { expiry, ..scoped("latchkey", &["latchkey.admin"]) };
    let (_, value) = shop.operator.key(admin(hours(1))).await;
    let visitor = shop.latchkey.caller(&value);
    assert_eq!(refused(visitor.try_key(admin(hours(2))).await), Code::PermissionDenied);
    let (child, _) = visitor.key(admin(None)).await;
    assert!(child.expire_time.is_some(), "it expires with its maker");
    let (lasting, _) = visitor.key(scoped("acme", &["orders.read"])).await;
    assert!(lasting.expire_time.is_none(), "a tenant's key is not bounded by the operator's");
}
