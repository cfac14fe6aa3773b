//! The end of a token's key, user, tenant or family ends the token when the call returns.

use std::time::{Duration, SystemTime};

use latchkey_proto::v1::{self, Reason};

use latchkey_testing::{SHOP, eventually_async, field_mask, key, on_both, with_key};

use crate::{PASSWORD, Shop, with_password};

on_both!(
    crate::Shop::open;
    a_revoked_key_ends_its_tokens,
    a_key_that_was_rotated_out_ends_its_tokens,
    a_key_that_was_switched_off_denies_its_tokens,
    a_key_whose_end_moves_nearer_ends_its_tokens_then,
    a_narrowed_key_narrows_its_tokens,
    a_key_gets_tokens_in_its_networks_alone,
    a_suspended_tenant_ends_tokens_while_it_is_suspended,
    an_ended_family_ends_its_tokens,
    a_disabled_user_and_a_changed_password_end_tokens,
    a_changed_role_ends_tokens,
    a_changed_confinement_ends_tokens,
    a_user_who_is_enabled_again_must_log_in_again,
    a_withdrawn_signing_key_ends_what_it_signed,
    a_prefix_that_is_no_longer_taken_ends_the_tokens_of_its_keys,
    a_role_that_is_gone_ends_its_users_tokens,
);

async fn a_revoked_key_ends_its_tokens(shop: Shop) {
    let (key, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    assert!(shop.passes(&issued.access_token).await);
    let _ = shop.operator.revoke(&key.id).await;
    assert_eq!(shop.reason(&issued.access_token).await, Reason::Revoked);
    assert_eq!(
        shop.renew(&issued.refresh_token).await.expect_err("over").code(),
        tonic::Code::Unauthenticated
    );
}

async fn a_key_gets_tokens_in_its_networks_alone(shop: Shop) {
    let (key, value) = shop.key().await;
    let before = shop.issue(with_key(&value)).await.expect("issued");
    for (networks, admitted) in [(["10.0.0.0/8"], false), (["127.0.0.0/8"], true)] {
        let allowed_networks = networks.map(str::to_owned).to_vec();
        let change = v1::UpdateKeyRequest {
            key: Some(v1::Key { id: key.id.clone(), allowed_networks, ..v1::Key::default() }),
            update_mask: Some(field_mask(&["allowed_networks"])),
        };
        let _ = shop.operator.keys().update_key(change).await.expect("changed");
        assert_eq!(shop.issue(with_key(&value)).await.is_ok(), admitted, "{networks:?}");
        assert_eq!(shop.renew(&before.refresh_token).await.is_ok(), admitted, "{networks:?}");
    }
}

async fn a_key_that_was_rotated_out_ends_its_tokens(shop: Shop) {
    let (key, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    assert!(shop.passes(&issued.access_token).await);
    let ask = v1::RotateKeyRequest { id: key.id, overlap: None, expiry: None };
    let rotated = shop.operator.keys().rotate_key(ask).await.expect("rotated").into_inner();
    assert_eq!(shop.reason(&issued.access_token).await, Reason::Revoked);
    assert!(shop.renew(&issued.refresh_token).await.is_err());
    let after = shop.issue(with_key(&rotated.secret)).await.expect("issued");
    assert!(shop.passes(&after.access_token).await);
}

async fn a_key_that_was_switched_off_denies_its_tokens(shop: Shop) {
    let (key, value) = shop.key().await;
    let token = shop.issue(with_key(&value)).await.expect("issued").access_token;
    assert!(shop.passes(&token).await);
    let change = v1::UpdateKeyRequest {
        key: Some(v1::Key { id: key.id, disabled: true, ..v1::Key::default() }),
        update_mask: Some(field_mask(&["disabled"])),
    };
    let _ = shop.operator.keys().update_key(change).await.expect("switched off");
    assert_eq!(shop.reason(&token).await, Reason::Disabled);
}

#[expect(clippy::disallowed_methods, reason = "the key's end is by the real clock, as the server's is")]
async fn a_key_whose_end_moves_nearer_ends_its_tokens_then(shop: Shop) {
    let (key, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    assert!(shop.passes(&issued.access_token).await);
    let mut life = Duration::from_secs(4);
    let end = loop {
        let end = SystemTime::now() + life;
        let key = v1::Key { id: key.id.clone(), expire_time: Some(end.into()), ..v1::Key::default() };
        let mask = Some(field_mask(&["expire_time"]));
        let change = v1::UpdateKeyRequest { key: Some(key), update_mask: mask };
        match shop.operator.keys().update_key(change).await {
            Ok(_) => break end,
            // On a busy machine, the call can arrive after the new end.
            Err(status) => assert!(SystemTime::now() >= end, "{status:?}"),
        }
        life *= 2;
    };
    let over = async || (SystemTime::now() >= end).then_some(());
    eventually_async("the key's time is over", over).await;
    assert_eq!(shop.reason(&issued.access_token).await, Reason::Expired);
    assert!(shop.renew(&issued.refresh_token).await.is_err());
    assert!(shop.issue(with_key(&value)).await.is_err());
}

async fn a_narrowed_key_narrows_its_tokens(shop: Shop) {
    let (key, value) = shop.key().await;
    let token = shop.issue(with_key(&value)).await.expect("issued").access_token;
    assert!(shop.passes(&token).await);
    let change = v1::UpdateKeyRequest {
        key: Some(v1::Key { id: key.id, scopes: vec!["items.write".into()], ..v1::Key::default() }),
        update_mask: Some(field_mask(&["scopes"])),
    };
    let _ = shop.operator.keys().update_key(change).await.expect("narrowed");
    assert_eq!(shop.reason(&token).await, Reason::InsufficientScope);
}

async fn a_suspended_tenant_ends_tokens_while_it_is_suspended(shop: Shop) {
    let (_, value) = shop.key().await;
    let token = shop.issue(with_key(&value)).await.expect("issued").access_token;
    assert!(shop.passes(&token).await);
    let ask = v1::SuspendTenantRequest { tenant: "acme".into(), reason: String::new() };
    let _ = shop.operator.tenants().suspend_tenant(ask).await.expect("suspended");
    assert_eq!(shop.reason(&token).await, Reason::TenantSuspended);
    assert!(shop.issue(with_key(&value)).await.is_err());
    let _ = shop.operator.tenants().resume_tenant(v1::ResumeTenantRequest { tenant: "acme".into() }).await;
    assert!(shop.passes(&token).await);
}

async fn an_ended_family_ends_its_tokens(shop: Shop) {
    let (_, value) = shop.key().await;
    for by_access_token in [true, false] {
        let issued = shop.issue(with_key(&value)).await.expect("issued");
        let other = shop.issue(with_key(&value)).await.expect("issued");
        assert!(shop.passes(&issued.access_token).await);
        let token = if by_access_token { &issued.access_token } else { &issued.refresh_token };
        let ask = v1::RevokeJwtRequest { token: token.clone() };
        let done = shop.latchkey.anonymous().tokens().revoke_jwt(ask).await.expect("ended").into_inner();
        assert!(done.revision > 0);
        assert_eq!(shop.reason(&issued.access_token).await, Reason::Revoked);
        assert!(shop.passes(&other.access_token).await, "another family lives");
    }
    let unknown = v1::RevokeJwtRequest { token: "nobody's".into() };
    let done = shop.latchkey.anonymous().tokens().revoke_jwt(unknown).await.expect("RFC 7009: success");
    assert_eq!(done.into_inner().revision, 0);
}

async fn a_disabled_user_and_a_changed_password_end_tokens(shop: Shop) {
    let user = shop.user("clerk").await;
    let first = shop.issue(with_password(PASSWORD)).await.expect("issued");
    assert_eq!(first.user.as_ref().map(|u| u.id.as_str()), Some(user.id.as_str()));
    let answer = shop.check(&first.access_token, "GET").await;
    let who = answer.principal.expect("known");
    assert_eq!((who.subject_type.as_str(), who.role.as_str()), ("user", "clerk"));
    let fresh = "another one, just as long";
    let ask = v1::SetUserPasswordRequest { id: user.id.clone(), password: fresh.into() };
    let _ = shop.operator.tenants().set_user_password(ask).await.expect("set");
    assert_eq!(shop.reason(&first.access_token).await, Reason::Revoked);
    assert!(shop.renew(&first.refresh_token).await.is_err());
    assert!(shop.issue(with_password(PASSWORD)).await.is_err());
    let second = shop.issue(with_password(fresh)).await.expect("issued");
    assert!(shop.passes(&second.access_token).await);
    let _ = shop.operator.tenants().disable_user(v1::DisableUserRequest { id: user.id }).await.expect("off");
    assert_eq!(shop.reason(&second.access_token).await, Reason::Disabled);
    assert!(shop.issue(with_password(fresh)).await.is_err());
}

async fn a_prefix_that_is_no_longer_taken_ends_the_tokens_of_its_keys(shop: Shop) {
    let (_, value) = shop.operator.scoped_key("acme", &["items.read", "api_keys.manage"]).await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    assert!(shop.passes(&issued.access_token).await);
    let manager = shop.latchkey.caller(&issued.access_token);
    let _ = manager.try_key(key("acme", "live")).await.expect("it manages keys");
    let changed = SHOP.replace("sk_live_", "pk_live_");
    let _ = shop.operator.force_apply(&changed).await.expect("applied");
    assert_eq!(shop.reason(&value).await, Reason::InvalidCredential);
    assert_eq!(shop.reason(&issued.access_token).await, Reason::InvalidCredential);
    assert!(shop.renew(&issued.refresh_token).await.is_err());
    assert!(manager.try_key(key("acme", "live")).await.is_err());
    let _ = shop.operator.force_apply(SHOP).await.expect("applied");
    assert!(shop.passes(&issued.access_token).await);
}

async fn a_role_that_is_gone_ends_its_users_tokens(shop: Shop) {
    let _ = shop.user("clerk").await;
    let issued = shop.issue(with_password(PASSWORD)).await.expect("issued");
    assert!(shop.passes(&issued.access_token).await);
    let without = SHOP.replace("[[roles]]\nname = \"clerk\"\nscopes = [\"items.read\"]\n", "");
    assert_ne!(without, SHOP);
    let _ = shop.operator.force_apply(&without).await.expect("applied");
    assert_eq!(shop.reason(&issued.access_token).await, Reason::InvalidCredential);
    assert!(shop.renew(&issued.refresh_token).await.is_err());
    assert!(shop.issue(with_password(PASSWORD)).await.is_err());
}

async fn a_changed_role_ends_tokens(shop: Shop) {
    let user = shop.user("admin").await;
    let first = shop.issue(with_password(PASSWORD)).await.expect("issued");
    assert!(shop.passes(&first.access_token).await);
    let changed =
        shop.update(v1::User { role: "clerk".into(), ..user.clone() }, "role").await.expect("changed");
    assert_eq!(changed.role, "clerk");
    assert_eq!(shop.reason(&first.access_token).await, Reason::Revoked);
    assert!(shop.renew(&first.refresh_token).await.is_err());
    let second = shop.issue(with_password(PASSWORD)).await.expect("issued");
    assert_eq!(second.scopes, ["items.read"]);
    let same = shop.update(v1::User { role: "clerk".into(), ..user }, "role").await.expect("unchanged");
    assert_eq!(same.role, "clerk");
    assert!(shop.passes(&second.access_token).await, "what changes nothing ends nothing");
}

async fn a_changed_confinement_ends_tokens(shop: Shop) {
    let user = shop.user("clerk").await;
    let mut token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    let merchant = std::collections::HashMap::from([("merchant".to_owned(), "m_1".to_owned())]);
    for (field, user) in [
        ("environment", v1::User { environment: "test".into(), ..user.clone() }),
        ("bindings", v1::User { bindings: merchant, ..user }),
    ] {
        assert!(shop.passes(&token).await);
        let _ = shop.update(user, field).await.expect("changed");
        assert_eq!(shop.reason(&token).await, Reason::Revoked, "{field}");
        token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    }
    let who = shop.check(&token, "GET").await.principal.expect("known");
    assert_eq!((who.environment.as_str(), who.bindings["merchant"].as_str()), ("test", "m_1"));
}

async fn a_user_who_is_enabled_again_must_log_in_again(shop: Shop) {
    let user = shop.user("clerk").await;
    let before = shop.issue(with_password(PASSWORD)).await.expect("issued");
    let off = shop.update(v1::User { disabled: true, ..user.clone() }, "disabled").await.expect("off");
    assert!(off.disabled);
    assert_eq!(shop.reason(&before.access_token).await, Reason::Disabled);
    assert!(shop.issue(with_password(PASSWORD)).await.is_err());
    let on = shop.update(v1::User { disabled: false, ..user }, "disabled").await.expect("on");
    assert!(!on.disabled);
    assert_eq!(shop.reason(&before.access_token).await, Reason::Revoked, "what is over stays over");
    assert!(shop.renew(&before.refresh_token).await.is_err());
    let after = shop.issue(with_password(PASSWORD)).await.expect("issued");
    assert!(shop.passes(&after.access_token).await);
}

async fn a_withdrawn_signing_key_ends_what_it_signed(shop: Shop) {
    let (_, value) = shop.key().await;
    let before = shop.issue(with_key(&value)).await.expect("issued").access_token;
    assert!(shop.passes(&before).await);
    let mut keys = shop.operator.signing_keys();
    let listed = keys.list_signing_keys(v1::ListSigningKeysRequest {}).await.expect("listed").into_inner();
    let id = listed.keys[0].id.clone();
    let _ = keys.withdraw_signing_key(v1::WithdrawSigningKeyRequest { id: id.clone() }).await.expect("out");
    assert_eq!(shop.reason(&before).await, Reason::InvalidCredential);
    assert!(!shop.latchkey.page("/.well-known/jwks.json").body.contains(&id));
    let after = shop.issue(with_key(&value)).await.expect("issued").access_token;
    assert!(shop.passes(&after).await);
}
