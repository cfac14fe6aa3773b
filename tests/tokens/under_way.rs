//! Calls of key managers that are under way while a key is revoked, or while a profile takes scopes away from a role.

use latchkey_proto::v1::{self, ListAuditEventsRequest};
use latchkey_testing::{SHOP, on_both, user};
use tokio::task::JoinSet;

use crate::{PASSWORD, Shop, with_password};

on_both!(
    crate::Shop::open;
    a_revoked_manager_changes_nothing_more,
    a_manager_whose_role_was_narrowed_changes_nothing_more,
);

/// Returns the newest events; the newest is the first one.
async fn events(shop: &Shop) -> Vec<v1::AuditEvent> {
    let list = ListAuditEventsRequest { page_size: 100, ..ListAuditEventsRequest::default() };
    shop.operator.audit().list_audit_events(list).await.expect("listed").into_inner().events
}

/// A password is hashed for a while between the authentication of its caller and the write.
async fn a_revoked_manager_changes_nothing_more(shop: Shop) {
    for round in 0..5 {
        let scopes = ["api_keys.manage", "items.read", "items.write"];
        let (manager, value) = shop.operator.scoped_key("acme", &scopes).await;
        let mut calls = JoinSet::new();
        for number in 0..4 {
            let caller = shop.latchkey.caller(&value);
            let email = format!("ada{round}.{number}@example.dev");
            let new = v1::CreateUserRequest {
                environment: "live".to_owned(),
                ..user("acme", (&email, PASSWORD), "clerk")
            };
            calls.spawn(async move { caller.tenants().create_user(new).await });
        }
        let _ = shop.operator.revoke(&manager.id).await;
        let _ = calls.join_all().await;
        let events = events(&shop).await;
        let after = events.iter().take_while(|event| event.target != manager.id);
        let later: Vec<_> = after.filter(|event| event.actor == manager.id).collect();
        assert!(later.is_empty(), "done by a key after its revocation: {later:?}");
    }
}

async fn a_manager_whose_role_was_narrowed_changes_nothing_more(shop: Shop) {
    let narrow = SHOP.replace(r#"scopes = ["items.read", "api_keys.manage"]"#, r#"scopes = ["items.read"]"#);
    assert_ne!(narrow, SHOP);
    let ada = shop.user("admin").await;
    let token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    let eve = user("acme", ("eve@example.dev", PASSWORD), "clerk");
    let _ = shop.latchkey.caller(&token).tenants().create_user(eve).await.expect("the role may do this");
    assert!(events(&shop).await.iter().any(|event| event.actor == ada.id));
    for round in 0..5 {
        let mut calls = JoinSet::new();
        for number in 0..4 {
            let caller = shop.latchkey.caller(&token);
            let new = user("acme", (&format!("bob{round}.{number}@example.dev"), PASSWORD), "clerk");
            calls.spawn(async move { caller.tenants().create_user(new).await });
        }
        let _ = shop.operator.force_apply(&narrow).await.expect("applied");
        let _ = calls.join_all().await;
        let events = events(&shop).await;
        let after = events.iter().take_while(|event| event.action != "profile.apply");
        let later: Vec<_> = after.filter(|event| event.actor == ada.id).collect();
        assert!(later.is_empty(), "done by a user after its role was narrowed: {later:?}");
        let _ = shop.operator.force_apply(SHOP).await.expect("applied");
    }
}
