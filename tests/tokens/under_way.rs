//! Calls of a key manager that are under way while its key is revoked.

use latchkey_proto::v1::{self, ListAuditEventsRequest};
use latchkey_testing::{on_both, user};
use tokio::task::JoinSet;

use crate::{PASSWORD, Shop};

on_both!(crate::Shop::open; a_revoked_manager_changes_nothing_more);

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
        let list = ListAuditEventsRequest {
            tenant: "acme".to_owned(),
            page_size: 100,
            ..ListAuditEventsRequest::default()
        };
        let events = shop.operator.audit().list_audit_events(list).await.expect("listed").into_inner().events;
        // The newest event is the first one.
        let after = events.iter().take_while(|event| event.target != manager.id);
        let later: Vec<_> = after.filter(|event| event.actor == manager.id).collect();
        assert!(later.is_empty(), "done by a key after its revocation: {later:?}");
    }
}
