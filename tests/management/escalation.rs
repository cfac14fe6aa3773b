//! A caller cannot get more rights by a key than it has, and another tenant's objects are not found.

use std::collections::HashMap;

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::{
    CreateKeyRequest, GetKeyRequest, GetKeyUsageRequest, Key, ListKeysRequest, RevokeKeyRequest,
    RotateKeyRequest, UpdateKeyRequest,
};
use latchkey_testing::{Database, field_mask, key, on_both};
use tonic::Code;

use crate::{Shop, refused, scoped};

on_both!(
    a_key_can_not_grant_what_it_lacks,
    a_bound_key_makes_keys_with_the_same_bounds,
    an_update_can_not_widen_either,
    a_rotation_can_not_widen_either,
    another_tenants_things_are_not_found,
    the_system_tenant_is_not_there_for_tenants,
);

async fn a_key_can_not_grant_what_it_lacks(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    let own = || scoped("", &["orders.read"]);
    let (made, _) = manager.key(own()).await;
    assert_eq!(made.scopes, ["orders.read"]);
    let tries = [
        scoped("", &["orders.write"]),
        scoped("", &["orders.read", "orders.write"]),
        CreateKeyRequest { environment: "test".to_owned(), ..own() },
        CreateKeyRequest { rate_limits: limits("1000/min"), ..own() },
        CreateKeyRequest { rate_limits: limits("100/min burst 5000"), ..own() },
    ];
    for ask in tries {
        let output = format!("{:?} {:?} {:?}", ask.scopes, ask.environment, ask.rate_limits);
        assert_eq!(refused(manager.try_key(ask).await), Code::PermissionDenied, "{output}");
    }
    let all = refused(manager.try_key(scoped("", &["latchkey.admin"])).await);
    assert!(matches!(all, Code::PermissionDenied | Code::InvalidArgument), "{all:?}");
}

fn limits(default: &str) -> HashMap<String, String> {
    HashMap::from([("default".to_owned(), default.to_owned())])
}

fn merchant(id: &str) -> HashMap<String, String> {
    HashMap::from([("merchant".to_owned(), id.to_owned())])
}

fn hours(hours: i64) -> Expiry {
    Expiry::Ttl(prost_types::Duration { seconds: hours * 3_600, nanos: 0 })
}

async fn a_bound_key_makes_keys_with_the_same_bounds(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop
        .manager("acme", |ask| {
            ask.bindings = merchant("m_1");
            ask.expiry = Some(hours(24));
        })
        .await;
    let own = || CreateKeyRequest {
        bindings: merchant("m_1"),
        expiry: Some(hours(1)),
        ..scoped("", &["orders.read"])
    };
    let (made, _) = manager.key(own()).await;
    assert!(made.bindings == merchant("m_1") && made.expire_time.is_some());
    let (open_ended, _) = manager.key(CreateKeyRequest { expiry: None, ..own() }).await;
    assert!(open_ended.expire_time.is_some(), "a child of a key that expires does so too");
    let tries = [
        CreateKeyRequest { bindings: merchant("m_2"), ..own() },
        CreateKeyRequest { bindings: HashMap::new(), ..own() },
        CreateKeyRequest { expiry: Some(hours(48)), ..own() },
    ];
    for (number, ask) in tries.into_iter().enumerate() {
        assert_eq!(refused(manager.try_key(ask).await), Code::PermissionDenied, "number {number}");
    }
    let homely = shop.latchkey.caller(&{
        let ask = scoped("acme", &["api_keys.manage"]);
        shop.operator
            .key(CreateKeyRequest { allowed_networks: vec!["127.0.0.0/8".to_owned()], ..ask })
            .await
            .1
    });
    let abroad = CreateKeyRequest {
        allowed_networks: vec!["0.0.0.0/0".to_owned()],
        ..scoped("", &["api_keys.manage"])
    };
    assert_eq!(refused(homely.try_key(abroad).await), Code::PermissionDenied);
}

fn update(key: Key, path: &str) -> UpdateKeyRequest {
    UpdateKeyRequest { key: Some(key), update_mask: Some(field_mask(&[path])) }
}

async fn an_update_can_not_widen_either(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |ask| ask.expiry = Some(hours(24))).await;
    let (made, _) = manager.key(scoped("", &["orders.read"])).await;
    let id = || Key { id: made.id.clone(), ..Key::default() };
    let wider = Key { scopes: vec!["orders.read".to_owned(), "orders.write".to_owned()], ..id() };
    assert_eq!(refused(manager.keys().update_key(update(wider, "scopes")).await), Code::PermissionDenied);
    let longer = Key { expire_time: None, ..id() };
    assert_eq!(
        refused(manager.keys().update_key(update(longer, "expire_time")).await),
        Code::PermissionDenied
    );
    let faster = Key { rate_limits: limits("9999/min"), ..id() };
    assert_eq!(
        refused(manager.keys().update_key(update(faster, "rate_limits")).await),
        Code::PermissionDenied
    );
    for path in [
        "tenant_id",
        "environment",
        "kind",
        "state",
        "value",
        "revoke_time",
        "create_time",
        "id",
        "nonsense",
        "",
    ] {
        assert_eq!(
            refused(shop.operator.keys().update_key(update(id(), path)).await),
            Code::InvalidArgument,
            "{path}"
        );
    }
}

async fn a_rotation_can_not_widen_either(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    let (strong, value) = shop.operator.key(scoped("acme", &["orders.read", "orders.write"])).await;
    let rotate = RotateKeyRequest { id: strong.id, overlap: None, expiry: None };
    assert_eq!(refused(manager.keys().rotate_key(rotate).await), Code::PermissionDenied);
    assert!(shop.admits(&value).await);
}

async fn another_tenants_things_are_not_found(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    let (theirs, value) = shop.operator.plain_key("bank", "live").await;
    let nobody = "key_00000000000070008000000000000000";
    let mut messages = Vec::new();
    for id in [theirs.id.as_str(), nobody] {
        let id = id.to_owned();
        let mut keys = manager.keys();
        let answers = [
            keys.get_key(GetKeyRequest { id: id.clone() }).await.err(),
            keys.update_key(update(Key { id: id.clone(), ..Key::default() }, "name")).await.err(),
            keys.rotate_key(RotateKeyRequest { id: id.clone(), overlap: None, expiry: None }).await.err(),
            keys.revoke_key(RevokeKeyRequest { id: id.clone(), reason: String::new() }).await.err(),
        ];
        messages.push(answers.map(|status| {
            let status = status.expect("refused");
            (status.code(), status.message().replace(theirs.id.as_str(), nobody))
        }));
        let usage = GetKeyUsageRequest { id, ..GetKeyUsageRequest::default() };
        let code = keys.get_key_usage(usage).await.expect_err("refused").code();
        assert_eq!(code, Code::NotFound);
    }
    assert_eq!(messages[0], messages[1], "theirs and nobody's look alike");
    for (code, _) in &messages[0] {
        assert_eq!(*code, Code::NotFound);
    }
    for tenant in ["bank", "BANK", theirs.tenant_id.as_str(), "nobody"] {
        let list = ListKeysRequest { tenant: tenant.to_owned(), ..ListKeysRequest::default() };
        assert_eq!(refused(manager.keys().list_keys(list).await), Code::NotFound, "{tenant}");
        assert_eq!(refused(manager.try_key(key(tenant, "live")).await), Code::NotFound, "{tenant}");
    }
    assert!(shop.admits(&value).await);
}

async fn the_system_tenant_is_not_there_for_tenants(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    assert_eq!(refused(manager.try_key(key("latchkey", "live")).await), Code::NotFound);
    let list = ListKeysRequest { tenant: "latchkey".to_owned(), ..ListKeysRequest::default() };
    assert_eq!(refused(manager.keys().list_keys(list).await), Code::NotFound);
    let taken = latchkey_proto::v1::CreateTenantRequest {
        slug: "latchkey".to_owned(),
        profile: "shop".to_owned(),
        ..latchkey_proto::v1::CreateTenantRequest::default()
    };
    let code = refused(shop.operator.tenants().create_tenant(taken).await);
    assert!(matches!(code, Code::InvalidArgument | Code::AlreadyExists), "{code:?}");
}
