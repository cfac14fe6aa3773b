//! Users: who may make them, which passwords are taken, and the lock after too many failures.

use latchkey_proto::v1::{self, CreateKeyRequest};
use latchkey_testing::key;
use tonic::Code;

use crate::{PASSWORD, Shop, on_both, with_password};

on_both!(
    weak_passwords_are_refused_and_addresses_are_unique,
    nobody_makes_a_user_with_more_than_they_have,
    a_users_token_manages_keys_as_far_as_the_role_goes,
    a_hundred_failures_lock_and_the_lock_survives_a_restart,
);

fn wish(email: &str, password: &str, role: &str) -> v1::CreateUserRequest {
    v1::CreateUserRequest {
        tenant: "acme".to_owned(),
        email: email.to_owned(),
        password: password.to_owned(),
        role: role.to_owned(),
        ..v1::CreateUserRequest::default()
    }
}

async fn weak_passwords_are_refused_and_addresses_are_unique(shop: Shop) {
    let mut tenants = shop.operator.tenants();
    for (email, password, role) in [
        ("ada@example.dev", "short", "clerk"),
        ("ada@example.dev", "passwordpassword", "clerk"),
        ("ada", PASSWORD, "clerk"),
        ("ada@example.dev", PASSWORD, "nobody"),
    ] {
        let refused = tenants.create_user(wish(email, password, role)).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{email} {role}");
        assert!(!refused.message().contains(password));
    }
    let _ = shop.user("clerk").await;
    let twice = tenants.create_user(wish("ADA@example.dev", PASSWORD, "clerk")).await;
    assert_eq!(twice.expect_err("taken").code(), Code::AlreadyExists);
    let list = v1::ListUsersRequest { tenant: "acme".into(), ..v1::ListUsersRequest::default() };
    let listed = tenants.list_users(list).await.expect("listed").into_inner();
    assert_eq!(listed.users.len(), 1);
}

async fn nobody_makes_a_user_with_more_than_they_have(shop: Shop) {
    let scopes = vec!["api_keys.manage".to_owned()];
    let (_, value) = shop.operator.key(CreateKeyRequest { scopes, ..key("acme", "live") }).await;
    let mut manager = shop.latchkey.caller(&value).tenants();
    let refused = manager.create_user(wish("eve@example.dev", PASSWORD, "admin")).await;
    assert_eq!(refused.expect_err("an admin reads items").code(), Code::PermissionDenied);
    let (_, reader) = shop.key().await;
    let refused =
        shop.latchkey.caller(&reader).tenants().create_user(wish("e@x.dev", PASSWORD, "clerk")).await;
    assert_eq!(refused.expect_err("no manager").code(), Code::PermissionDenied);
    let user = shop.user("admin").await;
    let ask = v1::SetUserPasswordRequest { id: user.id, password: "taken over, for good".into() };
    assert_eq!(manager.set_user_password(ask).await.expect_err("no").code(), Code::PermissionDenied);
}

async fn a_users_token_manages_keys_as_far_as_the_role_goes(shop: Shop) {
    let _ = shop.user("admin").await;
    let token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    let caller = shop.latchkey.caller(&token);
    let made = caller.try_key(key("", "test")).await.expect("an admin makes keys");
    assert_eq!(made.0.scopes, ["api_keys.manage", "items.read"]);
    let wider = CreateKeyRequest { scopes: vec!["items.write".into()], ..key("", "live") };
    assert_eq!(caller.try_key(wider).await.expect_err("wider").code(), Code::PermissionDenied);
}

async fn a_hundred_failures_lock_and_the_lock_survives_a_restart(shop: Shop) {
    let _ = shop.user("clerk").await;
    let mut words = std::collections::BTreeSet::new();
    let mut failed = 0;
    while failed < 100 {
        match shop.issue(with_password("not the password")).await.expect_err("wrong") {
            busy if busy.code() == Code::ResourceExhausted => {}
            refused => {
                failed += 1;
                words.insert((refused.code() as i32, refused.message().to_owned()));
            }
        }
    }
    shop.latchkey.kill();
    shop.latchkey.restart();
    let locked = shop.issue(with_password(PASSWORD)).await.expect_err("locked");
    words.insert((locked.code() as i32, locked.message().to_owned()));
    assert_eq!(words.len(), 1, "a lock looks like a wrong password: {words:?}");
}
