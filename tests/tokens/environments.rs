//! Users and environments: a key of one environment reaches no other one through users that it creates or changes.

use latchkey_proto::v1::{
    self, CreateKeyRequest, CreateUserRequest, DeleteUserRequest, SetUserPasswordRequest,
};
use latchkey_testing::{Caller, field_mask, key, on_both, user};
use tonic::{Code, Status};

use crate::{PASSWORD, Shop, with_password};

on_both!(
    crate::Shop::open;
    no_user_takes_a_key_into_another_environment,
);

fn manager_of(environment: &str) -> CreateKeyRequest {
    CreateKeyRequest { scopes: vec!["api_keys.manage".to_owned()], ..key("", environment) }
}

/// Changes one field of a user to its value in `user`.
async fn change(caller: &Caller, user: v1::User, field: &str) -> Result<v1::User, Status> {
    let ask = v1::UpdateUserRequest { user: Some(user), update_mask: Some(field_mask(&[field])) };
    Ok(caller.tenants().update_user(ask).await?.into_inner())
}

#[track_caller]
fn denied<T: std::fmt::Debug>(answer: Result<T, Status>) {
    assert_eq!(answer.expect_err("beyond the caller's environment").code(), Code::PermissionDenied);
}

async fn no_user_takes_a_key_into_another_environment(shop: Shop) {
    let (_, value) = shop.operator.scoped_key("acme", &["api_keys.manage", "items.read"]).await;
    let manager = shop.latchkey.caller(&value);
    denied(manager.keys().create_key(manager_of("test")).await);
    let wish = |environment: &str| CreateUserRequest {
        environment: environment.to_owned(),
        ..user("", ("ada@example.dev", PASSWORD), "admin")
    };
    for environment in ["", "test"] {
        denied(manager.tenants().create_user(wish(environment)).await);
    }
    // The operator's user is of all environments.
    let ada = shop.user("admin").await;
    let password = SetUserPasswordRequest { id: ada.id.clone(), password: "taken over, for good".to_owned() };
    denied(manager.tenants().set_user_password(password).await);
    denied(change(&manager, v1::User { role: "clerk".to_owned(), ..ada.clone() }, "role").await);
    let off = change(&manager, v1::User { disabled: true, ..ada.clone() }, "disabled").await;
    assert!(off.expect("it takes access away").disabled);
    denied(change(&manager, ada.clone(), "disabled").await);
    shop.operator.tenants().delete_user(DeleteUserRequest { id: ada.id }).await.expect("deleted");
    let made =
        manager.tenants().create_user(wish("live")).await.expect("of its own environment").into_inner();
    for environment in ["", "test"] {
        let elsewhere = v1::User { environment: environment.to_owned(), ..made.clone() };
        denied(change(&manager, elsewhere, "environment").await);
    }
    let token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    let by_user = shop.latchkey.caller(&token);
    denied(by_user.keys().create_key(manager_of("test")).await);
    by_user.keys().create_key(manager_of("live")).await.expect("of its own environment");
}
