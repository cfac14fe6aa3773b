//! A scope that a later version of the profile renames, with the earlier name as an alias: keys keep the name that they
//! were granted.

use latchkey_proto::v1::{CheckRequest, Decision, GetKeyRequest, Key, ListKeysRequest, UpdateKeyRequest};
use latchkey_testing::{Database, eventually_async, field_mask, on_both};

use crate::{SHOP, Shop};

on_both!(a_key_with_a_renamed_scope_is_found_used_and_narrowed);

fn renamed() -> String {
    let (before, after) = (
        "name = \"orders.read\"\naliases = [\"orders.view\"]",
        "name = \"orders.list\"\naliases = [\"orders.read\", \"orders.view\"]",
    );
    assert!(SHOP.contains(before));
    SHOP.replace(before, after)
}

async fn a_key_with_a_renamed_scope_is_found_used_and_narrowed(database: Database) {
    let shop = Shop::open(database).await;
    let (key, value) = shop.operator.scoped_key("acme", &["orders.read", "orders.write"]).await;
    let (_, weak) = shop.operator.scoped_key("acme", &["api_keys.manage"]).await;
    let _ = shop.operator.apply(&renamed()).await.expect("no key loses a scope");
    for scope in ["orders.list", "orders.read", "orders.view"] {
        for (tenant, all_tenants) in [("acme", false), ("", true)] {
            let ask = ListKeysRequest {
                tenant: tenant.to_owned(),
                all_tenants,
                scopes: vec![scope.to_owned()],
                ..ListKeysRequest::default()
            };
            let found = shop.operator.keys().list_keys(ask).await.expect("listed").into_inner().keys;
            let ids: Vec<&str> = found.iter().map(|key| &*key.id).collect();
            assert_eq!(ids, [&*key.id], "{scope} of {tenant:?}");
        }
    }
    let ask = CheckRequest {
        credential: value,
        scopes: vec!["orders.list".to_owned()],
        scopes_only: true,
        ..CheckRequest::default()
    };
    assert_eq!(shop.latchkey.anonymous().check(ask).await.decision(), Decision::Allow);
    eventually_async("the scope is shown as used", async || {
        let ask = GetKeyRequest { id: key.id.clone() };
        let shown = shop.operator.keys().get_key(ask).await.ok()?.into_inner();
        (shown.unused_scopes == ["orders.write"]).then_some(())
    })
    .await;
    let narrowed = Key { id: key.id.clone(), scopes: vec!["orders.list".to_owned()], ..Key::default() };
    let ask = UpdateKeyRequest { key: Some(narrowed), update_mask: Some(field_mask(&["scopes"])) };
    let narrowed = shop.latchkey.caller(&weak).keys().update_key(ask).await;
    assert_eq!(narrowed.expect("a narrower key takes no grant").into_inner().scopes, ["orders.list"]);
}
