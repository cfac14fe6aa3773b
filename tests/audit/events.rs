//! Every management call and every token event has an audit event, which names the caller.

use std::collections::BTreeSet;

use latchkey_proto::v1::{
    self, DisableUserRequest, ImportKeysRequest, ImportedKey, Key, RefreshJwtRequest, ResumeTenantRequest,
    RevokeJwtRequest, RotateKeyRequest, RotateSigningKeyRequest, SetUserPasswordRequest,
    SuspendTenantRequest, Tenant, UpdateKeyRequest, UpdateTenantRequest, WithdrawSigningKeyRequest,
    imported_key,
};
use latchkey_testing::{ProfileBuilder, SHOP, eventually_async, field_mask, key, on_both, user, with_key};

use crate::Shop;

on_both!(
    crate::Shop::open;
    every_call_that_changes_something_leaves_an_event_with_its_actor,
    every_token_event_names_the_subject_of_the_token,
    a_call_that_changes_nothing_leaves_none,
);

const PASSWORD: &str = "the sea at night, 1815";

async fn keys(shop: &Shop) {
    let mut calls = shop.operator.keys();
    let (made, _) = shop.operator.plain_key("acme", "live").await;
    let named = Key { id: made.id.clone(), name: "till".to_owned(), ..Key::default() };
    let update = UpdateKeyRequest { key: Some(named), update_mask: Some(field_mask(&["name"])) };
    let _ = calls.update_key(update).await.expect("changed");
    let rotate = RotateKeyRequest { id: made.id, overlap: None, expiry: None };
    let next = calls.rotate_key(rotate).await.expect("rotated").into_inner().key.expect("a successor");
    let _ = shop.operator.revoke(&next.id).await;
    let secret = Some(imported_key::Secret::Sha256(vec![7; 32]));
    let imported = ImportedKey { secret, key: Some(key("", "live")), ..ImportedKey::default() };
    let import = ImportKeysRequest { tenant: "acme".to_owned(), keys: vec![imported], validate_only: false };
    let _ = calls.import_keys(import).await.expect("imported");
}

async fn tenants(shop: &Shop) {
    let mut calls = shop.operator.tenants();
    let named = Tenant { slug: "bank".to_owned(), display_name: "Bank".to_owned(), ..Tenant::default() };
    let update =
        UpdateTenantRequest { tenant: Some(named), update_mask: Some(field_mask(&["display_name"])) };
    let _ = calls.update_tenant(update).await.expect("changed");
    let tenant = "bank".to_owned();
    let suspend = SuspendTenantRequest { tenant: tenant.clone(), reason: "unpaid".to_owned() };
    let _ = calls.suspend_tenant(suspend).await.expect("suspended");
    let _ = calls.resume_tenant(ResumeTenantRequest { tenant }).await.expect("resumed");
    let id = shop.operator.user(user("acme", ("ada@example.dev", PASSWORD), "clerk")).await.id;
    let ask = SetUserPasswordRequest { id: id.clone(), password: format!("{PASSWORD}!") };
    let _ = calls.set_user_password(ask).await.expect("a new password");
    let _ = calls.disable_user(DisableUserRequest { id }).await.expect("switched off");
}

async fn profiles_and_signing_keys(shop: &Shop) {
    let changed = ProfileBuilder::from_document(SHOP).set("rate_limits.default[0].rate", "20000/min").build();
    let _ = shop.operator.apply(&changed).await.expect("applied");
    let rotate = RotateSigningKeyRequest { profile: "shop".to_owned(), lead: None };
    let keys = shop.operator.signing_keys().rotate_signing_key(rotate).await.expect("rotated").into_inner();
    let id = keys.keys[0].id.clone();
    let withdraw = WithdrawSigningKeyRequest { id };
    let _ = shop.operator.signing_keys().withdraw_signing_key(withdraw).await.expect("withdrawn");
}

async fn every_call_that_changes_something_leaves_an_event_with_its_actor(shop: Shop) {
    keys(&shop).await;
    tenants(&shop).await;
    profiles_and_signing_keys(&shop).await;
    let events = shop.events().await;
    let operator = &events.iter().find(|event| event.action == "key.revoke").expect("a revocation").actor;
    assert!(operator.starts_with("key_"), "{operator}");
    let by_operator: BTreeSet<&str> =
        events.iter().filter(|event| event.actor == *operator).map(|event| event.action.as_str()).collect();
    let expected = [
        "key.create",
        "key.import",
        "key.revoke",
        "key.rotate",
        "key.update",
        "profile.apply",
        "signing_key.rotate",
        "signing_key.withdraw",
        "tenant.create",
        "tenant.resume",
        "tenant.suspend",
        "tenant.update",
        "user.create",
        "user.disable",
        "user.set_password",
    ];
    assert_eq!(by_operator, BTreeSet::from(expected));
    let revoked = events.iter().find(|event| event.action == "key.revoke").expect("a revocation");
    assert_eq!((revoked.actor_name.as_str(), revoked.target_name.as_str()), ("root", "till"));
    let user = events.iter().find(|event| event.action == "user.disable").expect("it is reported");
    assert_eq!(user.target_name, "ada@example.dev");
    let applied = events.iter().find(|event| event.action == "profile.apply").expect("the newest");
    assert_eq!(applied.details["version"], "2");
    assert!(events.iter().all(|event| !event.request_id.is_empty() || event.actor == "latchkey"));
    let suspended = events.iter().find(|event| event.action == "tenant.suspend").expect("it is reported");
    assert_eq!((suspended.target.as_str(), suspended.details["reason"].as_str()), ("bank", "unpaid"));
    let rotated = events.iter().find(|event| event.action == "key.rotate").expect("a rotation");
    assert!(
        rotated.details.contains_key("successor") && !rotated.details.contains_key("successor_expire_time")
    );
    let text = format!("{events:?}");
    assert!(!text.contains(PASSWORD) && !text.contains("sk_live_"), "no secret is printed");
    // The server may create a signing key in the background.
    eventually_async("every event is checked", async || {
        let listed = u64::try_from(shop.events().await.len()).expect("few");
        let state = shop.verify(v1::VerifyAuditLogRequest::default()).await;
        assert!(state.intact, "{state:?}");
        (state.events == listed).then_some(())
    })
    .await;
}

async fn every_token_event_names_the_subject_of_the_token(shop: Shop) {
    let (key, value) = shop.key("acme", &["items.read"]).await;
    let mut tokens = shop.latchkey.anonymous().tokens();
    let ask = || with_key(&value);
    let first = tokens.issue_jwt(ask()).await.expect("issued").into_inner();
    let refresh_token = first.refresh_token.clone();
    let renew = || RefreshJwtRequest { refresh_token: refresh_token.clone(), ..RefreshJwtRequest::default() };
    let _ = tokens.refresh_jwt(renew()).await.expect("renewed");
    // According to the database, the token was redeemed a minute ago.
    let _ = shop.latchkey.sql("UPDATE refresh_tokens SET spent_at = spent_at - 60000 WHERE spent_at > 0");
    let _ = tokens.refresh_jwt(renew()).await.expect_err("it was spent long ago");
    let second = tokens.issue_jwt(ask()).await.expect("issued").into_inner();
    let _ = tokens.revoke_jwt(RevokeJwtRequest { token: second.refresh_token }).await.expect("revoked");
    let events = shop.events().await;
    let output: Vec<_> = events.iter().rev().filter(|event| event.action.starts_with("token.")).collect();
    let actions: Vec<&str> = output.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["token.issue", "token.refresh", "token.reuse", "token.issue", "token.revoke"]);
    for event in &output {
        assert_eq!((&event.actor, &event.tenant_id), (&key.id, &key.tenant_id), "{}", event.action);
        assert!(!event.request_id.is_empty() && event.target.starts_with("fam_"), "{event:?}");
    }
    assert_eq!(output[0].target, output[2].target);
    assert_eq!(output[0].details["scopes"], "items.read");
    assert!(!format!("{events:?}").contains(&first.refresh_token));
}

async fn a_call_that_changes_nothing_leaves_none(shop: Shop) {
    let before = shop.events().await.len();
    let resume = ResumeTenantRequest { tenant: "acme".to_owned() };
    let _ = shop.operator.tenants().resume_tenant(resume).await.expect("it was never suspended");
    let _ = shop.operator.apply(SHOP).await.expect("unchanged");
    let _ = shop.operator.apply("name = 7").await.expect_err("no document");
    assert_eq!(shop.events().await.len(), before);
}
