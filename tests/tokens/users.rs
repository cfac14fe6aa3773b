//! Users: the callers that may create them, the accepted passwords, and the lock after too many failures.

use std::sync::Arc;

use latchkey_proto::v1::{self, AuditEvent, CreateKeyRequest, ListAuditEventsRequest};
use latchkey_testing::{Caller, field_mask, key, on_both, python, user};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{PASSWORD, Shop, with_password};

on_both!(
    crate::Shop::open;
    weak_passwords_are_refused_and_addresses_are_unique,
    no_caller_creates_a_user_with_more_than_it_has,
    a_users_token_manages_keys_as_far_as_the_role_goes,
    a_tenants_audit_log_names_its_own_keys_and_users_alone,
    a_user_may_be_confined_to_one_environment,
    all_errors_of_a_change_are_reported_together,
    no_caller_changes_a_user_to_more_than_it_has,
    a_live_key_makes_users_of_live_alone,
    logins_that_are_refused_as_busy_lock_no_account,
    a_password_is_the_same_in_every_unicode_form,
    a_hundred_failures_lock_and_the_lock_survives_a_restart,
);

fn wish(email: &str, password: &str, role: &str) -> v1::CreateUserRequest {
    user("acme", (email, password), role)
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

async fn no_caller_creates_a_user_with_more_than_it_has(shop: Shop) {
    let (_, value) = shop.operator.scoped_key("acme", &["api_keys.manage"]).await;
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

async fn a_user_may_be_confined_to_one_environment(shop: Shop) {
    let confined = v1::CreateUserRequest {
        environment: "test".to_owned(),
        ..wish("ada@example.dev", PASSWORD, "admin")
    };
    let made = shop.operator.tenants().create_user(confined).await.expect("made").into_inner();
    assert_eq!(made.environment, "test");
    let token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    assert_eq!(claims(&token)["env"], "test");
    let go = |environment: &str| {
        let ask = v1::CheckRequest {
            credential: token.clone(),
            environment: environment.to_owned(),
            scopes_only: true,
            ..v1::CheckRequest::default()
        };
        let caller = shop.latchkey.anonymous();
        async move { caller.check(ask).await.reason() }
    };
    assert_eq!((go("test").await, go("").await), (v1::Reason::Ok, v1::Reason::Ok));
    assert_eq!(go("live").await, v1::Reason::EnvironmentMismatch);
    let caller = shop.latchkey.caller(&token);
    assert_eq!(caller.try_key(key("", "live")).await.expect_err("elsewhere").code(), Code::PermissionDenied);
    let made = caller.try_key(key("", "test")).await.expect("at home").0;
    assert_eq!(made.environment, "test");
    let free = wish("eve@example.dev", PASSWORD, "clerk");
    let refused = caller.tenants().create_user(free.clone()).await.expect_err("free of it");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let alike = v1::CreateUserRequest { tenant: String::new(), environment: "test".to_owned(), ..free };
    let alike = caller.tenants().create_user(alike).await.expect("confined alike").into_inner();
    assert_eq!(alike.environment, "test");
    let everywhere =
        shop.update(v1::User { environment: String::new(), ..made_user(&shop).await }, "environment");
    assert_eq!(everywhere.await.expect("set free").environment, "");
    let token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    assert_eq!(claims(&token).get("env"), None);
    let ask = v1::CheckRequest {
        credential: token,
        environment: "live".into(),
        scopes_only: true,
        ..v1::CheckRequest::default()
    };
    assert_eq!(shop.latchkey.anonymous().check(ask).await.reason(), v1::Reason::Ok);
}

/// Returns the user whose password the tests know.
async fn made_user(shop: &Shop) -> v1::User {
    let list = v1::ListUsersRequest { tenant: "acme".into(), ..v1::ListUsersRequest::default() };
    let users = shop.operator.tenants().list_users(list).await.expect("listed").into_inner().users;
    users.into_iter().find(|user| user.email == "ada@example.dev").expect("ada")
}

async fn all_errors_of_a_change_are_reported_together(shop: Shop) {
    let user = shop.user("clerk").await;
    let change = |user: v1::User, paths: &[&str]| {
        let ask = v1::UpdateUserRequest { user: Some(user), update_mask: Some(field_mask(paths)) };
        let mut tenants = shop.operator.tenants();
        async move { tenants.update_user(ask).await.expect_err("refused") }
    };
    let odd = v1::User { role: "nobody".into(), environment: "moon".into(), ..user.clone() };
    let refused = change(odd, &["role", "environment", "email"]).await;
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_error_details();
    let wrong = &details.bad_request().expect("fields").field_violations;
    let fields: Vec<&str> = wrong.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["user.role", "user.environment", "update_mask"]);
    assert_eq!(change(user.clone(), &[]).await.code(), Code::InvalidArgument);
    for id in ["", "user_00000000000070008000000000000000", "x"] {
        let unknown = v1::User { id: id.into(), ..user.clone() };
        assert_eq!(change(unknown, &["disabled"]).await.code(), Code::NotFound, "{id:?}");
    }
    assert_eq!(made_user(&shop).await, user, "nothing has changed");
}

async fn no_caller_changes_a_user_to_more_than_it_has(shop: Shop) {
    let user = shop.user("clerk").await;
    let (_, value) = shop.operator.scoped_key("acme", &["api_keys.manage"]).await;
    let change = |value: &str, user: v1::User, path: &str| {
        let ask = v1::UpdateUserRequest { user: Some(user), update_mask: Some(field_mask(&[path])) };
        let mut tenants = shop.latchkey.caller(value).tenants();
        async move { tenants.update_user(ask).await.map_err(|status| status.code()) }
    };
    let promoted = v1::User { role: "admin".into(), ..user.clone() };
    assert_eq!(change(&value, promoted.clone(), "role").await.expect_err("more"), Code::PermissionDenied);
    let off = v1::User { disabled: true, ..user.clone() };
    assert!(change(&value, off, "disabled").await.expect("hands nothing on").into_inner().disabled);
    let on = v1::User { disabled: false, ..user.clone() };
    assert_eq!(
        change(&value, on, "disabled").await.expect_err("hands items.read on"),
        Code::PermissionDenied
    );
    let (_, reader) = shop.key().await;
    assert_eq!(
        change(&reader, promoted.clone(), "role").await.expect_err("no manager"),
        Code::PermissionDenied
    );
    let _ = shop.operator.tenant("rival", "shop", "").await;
    let (_, rival) = shop.operator.scoped_key("rival", &["api_keys.manage", "items.read"]).await;
    assert_eq!(change(&rival, promoted, "role").await.expect_err("another's"), Code::NotFound);
}

async fn a_live_key_makes_users_of_live_alone(shop: Shop) {
    let (_, value) = shop.operator.scoped_key("acme", &["api_keys.manage", "items.read"]).await;
    let mut manager = shop.latchkey.caller(&value).tenants();
    for (environment, allowed) in [("", false), ("test", false), ("live", true)] {
        let eve = v1::CreateUserRequest { tenant: String::new(), ..wish("e@x.dev", PASSWORD, "clerk") };
        let made =
            manager.create_user(v1::CreateUserRequest { environment: environment.into(), ..eve }).await;
        assert_eq!(made.map_err(|s| s.code()).err(), (!allowed).then_some(Code::PermissionDenied));
    }
    let everywhere = shop.user("clerk").await;
    let ask = v1::SetUserPasswordRequest { id: everywhere.id, password: "taken over, for good".into() };
    let refused = manager.set_user_password(ask).await.expect_err("the user has tokens of test");
    assert!(refused.message().contains("all environments"), "{refused:?}");
}

/// Returns the claims of a token.
fn claims(token: &str) -> serde_json::Value {
    const READ: &str = "import json, sys, base64\n\
        part = json.load(sys.stdin).split('.')[1]\n\
        print(base64.urlsafe_b64decode(part + '=' * (-len(part) % 4)).decode())";
    python(READ, &serde_json::Value::from(token))
}

async fn a_users_token_manages_keys_as_far_as_the_role_goes(shop: Shop) {
    let _ = shop.user("admin").await;
    let token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    let caller = shop.latchkey.caller(&token);
    let made = caller.try_key(key("", "test")).await.expect("an admin makes keys");
    assert_eq!(made.0.scopes, ["items.read"], "the default of the kind, as far as the role goes");
    let manager = CreateKeyRequest { scopes: vec!["api_keys.manage".into()], ..key("", "test") };
    let made = caller.try_key(manager).await.expect("an admin makes managers by name");
    assert_eq!(made.0.scopes, ["api_keys.manage"]);
    let wider = CreateKeyRequest { scopes: vec!["items.write".into()], ..key("", "live") };
    assert_eq!(caller.try_key(wider).await.expect_err("wider").code(), Code::PermissionDenied);
}

/// Lists audit events by a tenant's caller. Operators act in every tenant, and a tenant must not see the
/// names of their keys.
async fn a_tenants_audit_log_names_its_own_keys_and_users_alone(shop: Shop) {
    let admin = shop.user("admin").await;
    let token = shop.issue(with_password(PASSWORD)).await.expect("issued").access_token;
    let caller = shop.latchkey.caller(&token);
    let (made, _) = caller.plain_key("", "live").await;
    let list = async |caller: &Caller| {
        let ask = ListAuditEventsRequest { tenant: "acme".to_owned(), ..ListAuditEventsRequest::default() };
        caller.audit().list_audit_events(ask).await.expect("a list").into_inner().events
    };
    let of = |events: &[AuditEvent], action: &str| {
        let event = events.iter().find(|event| event.action == action).expect("it is listed");
        (event.actor_name.clone(), event.target_name.clone())
    };
    let own = list(&caller).await;
    assert_eq!(of(&own, "key.create"), (admin.email.clone(), made.name.clone()));
    assert_eq!(of(&own, "user.create"), (String::new(), admin.email.clone()));
    assert_eq!(of(&list(&shop.operator).await, "user.create"), ("root".to_owned(), admin.email));
}

/// Sends a flood of wrong passwords. Most of them are refused before they are compared, and do not count as
/// failures.
async fn logins_that_are_refused_as_busy_lock_no_account(shop: Shop) {
    let _ = shop.user("clerk").await;
    let shop = Arc::new(shop);
    let mut flood = JoinSet::new();
    let (mut busy, mut failed) = (0, 0);
    for n in 0..300 {
        let shop = Arc::clone(&shop);
        flood.spawn(async move {
            let ask = with_password(&format!("not the password {n}"));
            shop.latchkey.anonymous().tokens().issue_jwt(ask).await.expect_err("wrong").code()
        });
        if flood.len() == 30 || n == 299 {
            while let Some(code) = flood.join_next().await {
                match code.expect("it ends") {
                    Code::ResourceExhausted => busy += 1,
                    Code::Unauthenticated => failed += 1,
                    Code::Unavailable => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    let issued = loop {
        match shop.issue(with_password(PASSWORD)).await {
            Err(busy) if busy.code() == Code::ResourceExhausted => {}
            other => break other,
        }
    };
    assert_eq!(failed < 100, issued.is_ok(), "{failed} of 300 were compared, {busy} refused as busy");
}

/// Logs in with other encodings of a password, since keyboards and systems encode a letter in several ways.
async fn a_password_is_the_same_in_every_unicode_form(shop: Shop) {
    let composed = "gr\u{fc}ne \u{e9}toile 1815";
    let _ = shop.operator.user(user("acme", ("ada@example.dev", composed), "clerk")).await;
    for form in [
        "gru\u{308}ne e\u{301}toile 1815",
        "gr\u{fc}ne e\u{301}toile\u{3000}\u{ff11}\u{ff18}\u{ff11}\u{ff15}",
    ] {
        assert!(shop.issue(with_password(form)).await.is_ok(), "{form}");
    }
    assert!(shop.issue(with_password("grune etoile 1815")).await.is_err());
    let mut tenants = shop.operator.tenants();
    // Fourteen letters with an accent each, which are 28 code points as they are sent.
    let short = "e\u{301}".repeat(14);
    for weak in [short.as_str(), "\u{ff50}asswordpassword"] {
        let refused = tenants.create_user(wish("eve@example.dev", weak, "clerk")).await.expect_err("weak");
        assert_eq!(refused.code(), Code::InvalidArgument, "{weak}");
    }
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
    let sql = "SELECT details FROM audit_events WHERE action = 'user.lock'";
    assert_eq!(shop.latchkey.sql(sql).trim(), r#"{"address":"127.0.0.1"}"#);
}
