//! Least privilege by default: a scope that a request does not name is not granted.

use latchkey_proto::v1::{CreateKeyRequest, ImportKeysRequest, ListTenantsRequest, UpdateKeyRequest};
use latchkey_proto::v1::{CreateUserRequest, Key};
use latchkey_testing::{Caller, Database, ProfileBuilder, ROOT_KEY, field_mask, key, on_both};
use tonic::Code;

use crate::{SHOP, Shop, refused, scoped};

on_both!(
    a_key_has_the_scopes_that_are_named_or_the_profiles_defaults,
    all_scopes_are_an_explicit_word_and_leave_out_management,
    an_operator_names_the_tenant_and_the_scope,
    a_key_of_a_removed_kind_manages_nothing,
    an_unrelated_scheme_beside_a_key_is_no_credential,
    blank_names_are_refused,
    mapped_networks_are_stored_as_ipv4,
    an_error_repeats_no_long_text,
    scopes_come_back_in_the_order_asked,
);

async fn a_key_has_the_scopes_that_are_named_or_the_profiles_defaults(database: Database) {
    let shop = Shop::open(database).await;
    assert_eq!(shop.operator.plain_key("acme", "live").await.0.scopes, ["orders.read"], "default_scopes");
    let public = CreateKeyRequest { kind: "publishable".to_owned(), ..key("acme", "live") };
    assert!(shop.operator.key(public).await.0.scopes.is_empty(), "no default_scopes");
    let _ = shop
        .operator
        .apply(&SHOP.replace("default_scopes = [\"orders.read\"]\n", ""))
        .await
        .expect("applied");
    assert!(shop.operator.plain_key("acme", "live").await.0.scopes.is_empty());
    let manager = shop.manager("acme", |_| ()).await;
    assert!(manager.plain_key("", "live").await.0.scopes.is_empty());
}

async fn all_scopes_are_an_explicit_word_and_leave_out_management(database: Database) {
    let shop = Shop::open(database).await;
    let all = |tenant: &str, scopes: &[&str]| CreateKeyRequest { all_scopes: true, ..scoped(tenant, scopes) };
    assert_eq!(shop.operator.key(all("acme", &[])).await.0.scopes, ["orders.read", "orders.write"]);
    let (with, _) = shop.operator.key(all("acme", &["api_keys.manage"])).await;
    assert_eq!(with.scopes, ["api_keys.manage", "orders.read", "orders.write"]);
    let manager = shop.manager("acme", |_| ()).await;
    assert_eq!(manager.key(all("", &[])).await.0.scopes, ["orders.read"], "all that the caller can grant");
    assert_eq!(refused(manager.try_key(all("", &["orders.write"])).await), Code::PermissionDenied);
    let public = CreateKeyRequest { kind: "publishable".to_owned(), ..all("acme", &[]) };
    assert_eq!(shop.operator.key(public).await.0.scopes, ["orders.read"], "all that the kind can have");
    assert!(shop.operator.key(all("latchkey", &[])).await.0.scopes.is_empty());
    let once = |all_scopes| CreateKeyRequest {
        all_scopes,
        idempotency_key: "once".to_owned(),
        ..key("acme", "live")
    };
    let _ = shop.operator.key(once(true)).await;
    assert_eq!(refused(shop.operator.try_key(once(false)).await), Code::AlreadyExists, "another request");
    let made = shop.latchkey.cli_text(&["key", "create", "--tenant", "acme", "--name", "x", "--all-scopes"]);
    assert!(made.contains("orders.write") && !made.contains("api_keys.manage"), "{made}");
}

async fn an_operator_names_the_tenant_and_the_scope(database: Database) {
    let shop = Shop::open(database).await;
    assert_eq!(refused(shop.operator.try_key(key("", "live")).await), Code::InvalidArgument);
    let import = ImportKeysRequest::default();
    assert_eq!(refused(shop.operator.keys().import_keys(import).await), Code::InvalidArgument);
    let user = CreateUserRequest { email: "a@b.example".to_owned(), ..CreateUserRequest::default() };
    assert_eq!(refused(shop.operator.tenants().create_user(user).await), Code::InvalidArgument);
    let status = shop.operator.try_key(key("latchkey", "live")).await.expect_err("no role is named");
    assert!(
        status.message().starts_with("scopes: ") && status.message().contains("latchkey.read"),
        "{status:?}"
    );
    let (made, value) = shop.operator.key(scoped("latchkey", &["latchkey.read"])).await;
    let none = Key { scopes: Vec::new(), ..made };
    let ask = UpdateKeyRequest { key: Some(none), update_mask: Some(field_mask(&["scopes"])) };
    let powerless = shop.operator.keys().update_key(ask).await.expect("less is granted").into_inner();
    assert!(powerless.scopes.is_empty());
    let caller = shop.latchkey.caller(&value);
    assert_eq!(
        refused(caller.tenants().list_tenants(ListTenantsRequest::default()).await),
        Code::PermissionDenied
    );
    let (_, value) = shop.operator.key(scoped("latchkey", &["latchkey.admin"])).await;
    let admin = shop.latchkey.caller(&value);
    assert!(admin.tenants().list_tenants(ListTenantsRequest::default()).await.is_ok());
    let failed = shop.latchkey.cli(&["key", "create", "--name", "x"]);
    let message = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && message.contains("tenant"), "{message}");
}

async fn a_key_of_a_removed_kind_manages_nothing(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    assert!(manager.try_key(key("", "live")).await.is_ok());
    let renamed = ProfileBuilder::from_document(SHOP).set("kinds[secret].name", "server").build();
    let _ = shop.operator.force_apply(&renamed).await.expect("applied");
    assert_eq!(refused(manager.try_key(key("", "live")).await), Code::Unauthenticated);
    let _ = shop.operator.apply(SHOP).await.expect("applied");
    assert!(manager.try_key(key("", "live")).await.is_ok());
    // The same holds for a key whose value has the format of no kind any more.
    let other = ProfileBuilder::from_document(SHOP)
        .set("kinds[secret].prefixes.live", "newer_live_")
        .set("kinds[secret].prefixes.test", "newer_test_")
        .build();
    let _ = shop.operator.force_apply(&other).await.expect("applied");
    assert_eq!(refused(manager.try_key(key("", "live")).await), Code::Unauthenticated);
}

async fn an_unrelated_scheme_beside_a_key_is_no_credential(database: Database) {
    let shop = Shop::open(database).await;
    let port = shop.latchkey.grpc();
    for metadata in [
        [("x-api-key", ROOT_KEY), ("authorization", "Basic dXNlcjpwYXNz")],
        [("authorization", "Digest username=x"), ("x-api-key", ROOT_KEY)],
    ] {
        let caller = Caller::sending(port, &metadata);
        assert!(caller.tenants().list_tenants(ListTenantsRequest::default()).await.is_ok(), "{metadata:?}");
    }
}

async fn blank_names_are_refused(database: Database) {
    let shop = Shop::open(database).await;
    let (made, _) = shop.operator.plain_key("acme", "live").await;
    for blank in ["", "   ", "\u{200b}", "\u{a0}\u{3000}", "\u{2060}\u{feff}", "\t", "a\u{0}"] {
        let ask = CreateKeyRequest { name: blank.to_owned(), ..key("acme", "live") };
        assert_eq!(refused(shop.operator.try_key(ask).await), Code::InvalidArgument, "{blank:?}");
        let renamed = Key { id: made.id.clone(), name: blank.to_owned(), ..Key::default() };
        let ask = UpdateKeyRequest { key: Some(renamed), update_mask: Some(field_mask(&["name"])) };
        assert_eq!(refused(shop.operator.keys().update_key(ask).await), Code::InvalidArgument, "{blank:?}");
    }
    let ask = CreateKeyRequest { name: "Grüße 😀".to_owned(), ..key("acme", "live") };
    assert_eq!(shop.operator.key(ask).await.0.name, "Grüße 😀");
}

async fn mapped_networks_are_stored_as_ipv4(database: Database) {
    let shop = Shop::open(database).await;
    let ask = |network: &str| CreateKeyRequest {
        allowed_networks: vec![network.to_owned()],
        ..scoped("acme", &["api_keys.manage"])
    };
    let (made, value) = shop.operator.key(ask("::ffff:127.0.0.0/104")).await;
    assert_eq!(made.allowed_networks, ["127.0.0.0/8"]);
    assert!(shop.latchkey.caller(&value).try_key(key("", "live")).await.is_ok(), "it matches its address");
    assert_eq!(refused(shop.operator.try_key(ask("::ffff:0:0/90")).await), Code::InvalidArgument);
}

async fn an_error_repeats_no_long_text(database: Database) {
    let shop = Shop::open(database).await;
    let long = "x".repeat(60_000);
    let asks = [
        CreateKeyRequest { environment: long.clone(), ..key("acme", "live") },
        CreateKeyRequest { kind: long.clone(), ..key("acme", "live") },
        CreateKeyRequest { name: long.clone(), ..key("acme", "live") },
        CreateKeyRequest { scopes: vec![long.clone()], ..key("acme", "live") },
        CreateKeyRequest { bindings: [(long.clone(), long.clone())].into(), ..key("acme", "live") },
        CreateKeyRequest { rate_limits: [(long.clone(), long.clone())].into(), ..key("acme", "live") },
        CreateKeyRequest {
            rate_limits: [("default".to_owned(), long.clone())].into(),
            ..key("acme", "live")
        },
        CreateKeyRequest { metadata: [("a".to_owned(), long.clone())].into(), ..key("acme", "live") },
        CreateKeyRequest { allowed_networks: vec![long.clone()], ..key("acme", "live") },
        CreateKeyRequest { idempotency_key: long.clone(), ..key("acme", "live") },
    ];
    for ask in asks {
        let status = shop.operator.try_key(ask).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().len() < 2_000, "{} bytes", status.message().len());
    }
    let unknown = UpdateKeyRequest {
        key: Some(Key { id: shop.operator.plain_key("acme", "live").await.0.id, ..Key::default() }),
        update_mask: Some(field_mask(&[&long])),
    };
    let status = shop.operator.keys().update_key(unknown).await.expect_err("refused");
    assert!(status.code() == Code::InvalidArgument && status.message().contains("60000"), "{status:?}");
}

async fn scopes_come_back_in_the_order_asked(database: Database) {
    let shop = Shop::open(database).await;
    let (made, _) = shop.operator.key(scoped("acme", &["orders.write", "orders.view", "orders.write"])).await;
    assert_eq!(made.scopes, ["orders.write", "orders.read"]);
}
