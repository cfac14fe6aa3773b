//! Deletion of keys, users, tenants and profiles: the access that ends, the permitted callers, the names that can be
//! used again, and that a repeated call is OK.

use latchkey_proto::v1::{
    DeleteKeyRequest, DeleteProfileRequest, DeleteTenantRequest, DeleteUserRequest, GetKeyRequest,
    GetTenantRequest, ImportKeysRequest, ImportedKey, IssueJwtRequest, ListAuditEventsRequest,
    ListUsersRequest, PasswordGrant, RefreshJwtRequest, RotateKeyRequest, VerifyAuditLogRequest,
    imported_key, issue_jwt_request::Grant,
};
use latchkey_testing::{Caller, Database, key, on_both, user, with_key};
use tonic::{Code, Status};

use crate::{SHOP, Shop, refused};

on_both!(
    a_key_that_works_is_deleted_by_force_alone,
    a_deleted_keys_value_is_never_admitted_again,
    a_rotated_key_is_shown_without_the_one_that_was_deleted,
    people_are_asked_before_a_deletion,
    a_deleted_user_cannot_log_in_and_the_address_is_free,
    a_deleted_tenant_takes_everything_with_it,
    a_tenants_manager_deletes_its_own_keys_and_users_alone,
    a_confined_manager_deletes_within_its_bindings_alone,
    a_profile_is_deleted_when_no_tenant_uses_it_or_by_force,
    an_impossible_deletion_is_refused_with_its_cause,
    the_audit_log_stays_intact_and_has_no_name_of_a_deleted_object,
);

pub(crate) const PASSWORD: &str = "the sea at night, 1815";

/// The shop with users and tokens.
pub(crate) async fn open(database: Database) -> Shop {
    let document = format!(
        "{SHOP}\n[jwt]\nissuer = \"https://shop.example.dev\"\naudience = \"shop\"\n\
         [[roles]]\nname = \"clerk\"\nscopes = [\"orders.read\"]\n"
    );
    let (latchkey, operator) = database.setup().open("shop", &document, &["acme", "bank"]).await;
    Shop { latchkey, operator }
}

async fn delete_key(caller: &Caller, id: &str, force: bool) -> Result<u64, Status> {
    let ask = DeleteKeyRequest { id: id.to_owned(), force };
    Ok(caller.keys().delete_key(ask).await?.into_inner().revision)
}

async fn delete_user(caller: &Caller, id: &str) -> Result<u64, Status> {
    Ok(caller.tenants().delete_user(DeleteUserRequest { id: id.to_owned() }).await?.into_inner().revision)
}

async fn login(
    shop: &Shop,
    tenant: &str,
    email: &str,
) -> Result<latchkey_proto::v1::IssueJwtResponse, Status> {
    let grant = PasswordGrant { email: email.to_owned(), password: PASSWORD.to_owned() };
    let ask = IssueJwtRequest {
        grant: Some(Grant::Password(grant)),
        tenant: tenant.to_owned(),
        ..IssueJwtRequest::default()
    };
    Ok(shop.operator.tokens().issue_jwt(ask).await?.into_inner())
}

async fn refresh(shop: &Shop, token: &str) -> Result<(), Status> {
    let ask = RefreshJwtRequest { refresh_token: token.to_owned(), ..RefreshJwtRequest::default() };
    shop.operator.tokens().refresh_jwt(ask).await.map(drop)
}

async fn a_key_that_works_is_deleted_by_force_alone(database: Database) {
    let shop = open(database).await;
    let (made, value) = shop.operator.plain_key("acme", "live").await;
    let status = delete_key(&shop.operator, &made.id, false).await.expect_err("it is active");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("force") && status.message().contains("revoke"), "{status:?}");
    assert!(shop.admits(&value).await);
    let revision = delete_key(&shop.operator, &made.id, true).await.expect("by force");
    assert!(!shop.admits(&value).await);
    let get = GetKeyRequest { id: made.id.clone() };
    assert_eq!(refused(shop.operator.keys().get_key(get).await), Code::NotFound);
    assert_eq!(delete_key(&shop.operator, &made.id, false).await.expect("again"), revision);
    let (revoked, _) = shop.operator.plain_key("acme", "live").await;
    shop.operator.revoke(&revoked.id).await;
    delete_key(&shop.operator, &revoked.id, false).await.expect("a revoked key needs no force");
    let never = "key_00000000000070008000000000000000";
    assert_eq!(refused(delete_key(&shop.operator, never, true).await), Code::NotFound);
}

async fn a_deleted_keys_value_is_never_admitted_again(database: Database) {
    let shop = open(database).await;
    let (made, value) = shop.operator.plain_key("acme", "live").await;
    let issued = shop.operator.tokens().issue_jwt(with_key(&value)).await.expect("issued").into_inner();
    delete_key(&shop.operator, &made.id, true).await.expect("deleted");
    assert_eq!(refresh(&shop, &issued.refresh_token).await.expect_err("ended").code(), Code::Unauthenticated);
    assert!(!shop.admits(&issued.access_token).await);
    for tenant in ["acme", "bank"] {
        let secret = Some(imported_key::Secret::Value(value.clone()));
        let imported = ImportedKey { secret, key: Some(key("", "live")), ..ImportedKey::default() };
        let ask = ImportKeysRequest { tenant: tenant.to_owned(), keys: vec![imported], validate_only: false };
        let status = shop.operator.keys().import_keys(ask).await.expect_err("it was deleted");
        assert_eq!(status.code(), Code::AlreadyExists);
        assert!(status.message().contains("keys[0]") && !status.message().contains(&value), "{status:?}");
    }
    assert!(!shop.admits(&value).await);
}

async fn a_rotated_key_is_shown_without_the_one_that_was_deleted(database: Database) {
    let shop = open(database).await;
    let (old, _) = shop.operator.plain_key("acme", "live").await;
    let overlap = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let ask = RotateKeyRequest { id: old.id.clone(), overlap, expiry: None };
    let rotated = shop.operator.keys().rotate_key(ask).await.expect("rotated").into_inner();
    let next = rotated.key.expect("a successor");
    delete_key(&shop.operator, &next.id, true).await.expect("deleted");
    let shown = shop.latchkey.cli_text(&["key", "get", &old.id]);
    assert!(shown.contains(&next.id), "{shown}");
    assert!(shop.latchkey.cli_text(&["key", "list", "--tenant", "acme"]).contains(&old.id));
}

async fn people_are_asked_before_a_deletion(database: Database) {
    let shop = open(database).await;
    let (made, value) = shop.operator.plain_key("acme", "live").await;
    for words in [
        &["tenant", "delete", "acme"][..],
        &["key", "delete", &made.id, "--force"],
        &["profile", "delete", "shop", "--force"],
    ] {
        let asked = shop.latchkey.cli(words);
        let text = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert_eq!(asked.status.code(), Some(2), "{text}");
        assert!(text.contains("--yes") && text.contains("can't be undone"), "{text}");
    }
    assert!(shop.admits(&value).await);
    let text = shop.latchkey.cli_text(&["tenant", "delete", "acme", "--yes"]);
    assert!(text.contains("1 key and 0 users") && !shop.admits(&value).await, "{text}");
    let json = shop.latchkey.cli_text(&["tenant", "delete", "acme", "--yes", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("an object");
    assert!(json["revision"].is_string() && json["keys"].is_null(), "{json}");
    let never = shop.latchkey.cli(&["tenant", "delete", "never", "--yes"]);
    assert_eq!(never.status.code(), Some(5));
}

async fn a_deleted_user_cannot_log_in_and_the_address_is_free(database: Database) {
    let shop = open(database).await;
    let ada = shop.operator.user(user("acme", ("ada@example.com", PASSWORD), "clerk")).await;
    let issued = login(&shop, "acme", "ada@example.com").await.expect("logged in");
    assert!(shop.admits(&issued.access_token).await);
    let revision = delete_user(&shop.operator, &ada.id).await.expect("deleted");
    assert!(!shop.admits(&issued.access_token).await);
    assert!(refresh(&shop, &issued.refresh_token).await.is_err());
    assert!(login(&shop, "acme", "ada@example.com").await.is_err());
    assert_eq!(delete_user(&shop.operator, &ada.id).await.expect("again"), revision);
    let again = shop.operator.user(user("acme", ("ada@example.com", PASSWORD), "clerk")).await;
    assert_ne!(again.id, ada.id);
    assert!(!shop.admits(&issued.access_token).await, "tokens of the user before stay invalid");
    login(&shop, "acme", "ada@example.com").await.expect("another user with the same address");
    let never = "user_00000000000070008000000000000000";
    assert_eq!(refused(delete_user(&shop.operator, never).await), Code::NotFound);
}

async fn a_deleted_tenant_takes_everything_with_it(database: Database) {
    let shop = open(database).await;
    let (made, value) = shop.operator.plain_key("acme", "live").await;
    let (_, bystander) = shop.operator.plain_key("bank", "live").await;
    shop.operator.user(user("acme", ("ada@example.com", PASSWORD), "clerk")).await;
    let issued = login(&shop, "acme", "ada@example.com").await.expect("logged in");
    let manager = shop.manager("acme", |_| ()).await;
    assert!(shop.admits(&value).await && shop.admits(&issued.access_token).await);
    let ask = |tenant: &str| DeleteTenantRequest { tenant: tenant.to_owned() };
    let gone = shop.operator.tenants().delete_tenant(ask("acme")).await.expect("deleted").into_inner();
    assert_eq!((gone.keys, gone.users), (2, 1));
    assert!(!shop.admits(&value).await && !shop.admits(&issued.access_token).await);
    assert!(shop.admits(&bystander).await);
    assert!(refresh(&shop, &issued.refresh_token).await.is_err());
    assert!(login(&shop, "acme", "ada@example.com").await.is_err());
    assert_eq!(refused(manager.try_key(key("", "live")).await), Code::Unauthenticated);
    let get = GetTenantRequest { tenant: "acme".to_owned() };
    assert_eq!(refused(shop.operator.tenants().get_tenant(get).await), Code::NotFound);
    assert_eq!(refused(shop.operator.keys().get_key(GetKeyRequest { id: made.id }).await), Code::NotFound);
    for name in ["acme", &*gone.id] {
        let again = shop.operator.tenants().delete_tenant(ask(name)).await.expect("again").into_inner();
        assert_eq!((again.id, again.revision, again.keys), (gone.id.clone(), gone.revision, 0));
    }
    let next = shop.operator.tenant("acme", "shop", "").await;
    assert_ne!(next.id, gone.id);
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    let again = shop.operator.tenants().delete_tenant(ask(&gone.id)).await.expect("again").into_inner();
    assert_eq!(again.revision, gone.revision);
    assert!(shop.admits(&value).await, "the tenant that has the slug now is another one");
    let never = "00000000-0000-7000-8000-000000000000";
    assert_eq!(refused(shop.operator.tenants().delete_tenant(ask(never)).await), Code::NotFound);
}

async fn a_tenants_manager_deletes_its_own_keys_and_users_alone(database: Database) {
    let shop = open(database).await;
    let (own, _) = shop.operator.plain_key("acme", "live").await;
    let (foreign, value) = shop.operator.plain_key("bank", "live").await;
    let ada = shop.operator.user(user("bank", ("ada@example.com", PASSWORD), "clerk")).await;
    let (manager, other) = (shop.manager("acme", |_| ()).await, shop.manager("bank", |_| ()).await);
    let revision = delete_key(&manager, &own.id, true).await.expect("its own");
    assert_eq!(delete_key(&manager, &own.id, true).await.expect("again"), revision);
    assert_eq!(refused(delete_key(&other, &own.id, true).await), Code::NotFound);
    assert_eq!(refused(delete_key(&manager, &foreign.id, true).await), Code::NotFound);
    assert_eq!(refused(delete_user(&manager, &ada.id).await), Code::NotFound);
    assert!(shop.admits(&value).await);
    let ask = DeleteTenantRequest { tenant: "acme".to_owned() };
    assert_eq!(refused(manager.tenants().delete_tenant(ask).await), Code::PermissionDenied);
    let ask = DeleteProfileRequest { name: "shop".to_owned(), force: true };
    assert_eq!(refused(manager.profiles().delete_profile(ask).await), Code::PermissionDenied);
    let reader = shop.latchkey.caller(&shop.operator.scoped_key("bank", &["orders.read"]).await.1);
    assert_eq!(refused(delete_key(&reader, &foreign.id, true).await), Code::PermissionDenied);
    delete_user(&other, &ada.id).await.expect("its own user");
}

async fn a_confined_manager_deletes_within_its_bindings_alone(database: Database) {
    let shop = open(database).await;
    let bound = |merchant: &str| {
        let mut ask = key("acme", "live");
        ask.bindings.insert("merchant".to_owned(), merchant.to_owned());
        ask
    };
    let (near, _) = shop.operator.key(bound("m_1")).await;
    let (far, value) = shop.operator.key(bound("m_2")).await;
    let manager =
        shop.manager("acme", |ask| drop(ask.bindings.insert("merchant".to_owned(), "m_1".to_owned()))).await;
    assert_eq!(refused(delete_key(&manager, &far.id, true).await), Code::NotFound);
    assert!(shop.admits(&value).await);
    delete_key(&manager, &near.id, true).await.expect("within its bindings");
    delete_key(&manager, &near.id, true).await.expect("again, by who deleted it");
    delete_key(&shop.operator, &far.id, true).await.expect("deleted");
    assert_eq!(refused(delete_key(&manager, &far.id, true).await), Code::NotFound);
}

async fn a_profile_is_deleted_when_no_tenant_uses_it_or_by_force(database: Database) {
    let shop = open(database).await;
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    let ask = |force| DeleteProfileRequest { name: "shop".to_owned(), force };
    let status = shop.operator.profiles().delete_profile(ask(false)).await.expect_err("it is in use");
    assert_eq!(status.code(), Code::FailedPrecondition);
    let text = status.message();
    assert!(["acme", "bank", "force"].iter().all(|word| text.contains(word)), "{text}");
    assert!(shop.admits(&value).await);
    let gone = shop.operator.profiles().delete_profile(ask(true)).await.expect("by force").into_inner();
    assert_eq!((gone.tenants, gone.keys), (2, 1));
    assert!(!shop.admits(&value).await);
    let again = shop.operator.profiles().delete_profile(ask(false)).await.expect("again").into_inner();
    assert_eq!((again.revision, again.tenants), (gone.revision, 0));
    let applied = shop.operator.apply(SHOP).await.expect("applied again");
    assert!(applied.version > 2, "a version's number is used once: {}", applied.version);
    let _ = shop.operator.tenant("acme", "shop", "").await;
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    assert!(shop.admits(&value).await);
    let never = DeleteProfileRequest { name: "never".to_owned(), force: true };
    assert_eq!(refused(shop.operator.profiles().delete_profile(never).await), Code::NotFound);
}

async fn an_impossible_deletion_is_refused_with_its_cause(database: Database) {
    let shop = open(database).await;
    let ask = DeleteTenantRequest { tenant: "latchkey".to_owned() };
    let status = shop.operator.tenants().delete_tenant(ask).await.expect_err("the operators' own");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("operators"), "{status:?}");
    for nothing in ["", "nobody", "NOT A SLUG"] {
        let ask = DeleteTenantRequest { tenant: nothing.to_owned() };
        assert_eq!(refused(shop.operator.tenants().delete_tenant(ask).await), Code::NotFound, "{nothing}");
        assert_eq!(refused(delete_key(&shop.operator, nothing, true).await), Code::NotFound, "{nothing}");
        assert_eq!(refused(delete_user(&shop.operator, nothing).await), Code::NotFound, "{nothing}");
    }
}

async fn the_audit_log_stays_intact_and_has_no_name_of_a_deleted_object(database: Database) {
    let shop = open(database).await;
    let ada = shop.operator.user(user("acme", ("ada@example.com", PASSWORD), "clerk")).await;
    let mut named = key("acme", "live");
    "ada's laptop".clone_into(&mut named.name);
    let (made, _) = shop.operator.key(named).await;
    delete_user(&shop.operator, &ada.id).await.expect("deleted");
    let ask = DeleteTenantRequest { tenant: "acme".to_owned() };
    let gone = shop.operator.tenants().delete_tenant(ask).await.expect("deleted").into_inner();
    let list = ListAuditEventsRequest { tenant: gone.id.clone(), ..ListAuditEventsRequest::default() };
    let events = shop.operator.audit().list_audit_events(list).await.expect("by its id").into_inner().events;
    let of = |action: &str| events.iter().find(|event| event.action == action).expect("an event");
    assert_eq!((&of("user.delete").target, &of("key.create").target), (&ada.id, &made.id));
    assert_eq!(of("tenant.erase").details["keys"], "1");
    let text = format!("{events:?}");
    assert!(!text.contains("ada@example.com") && !text.contains("laptop"), "{text}");
    let report = shop.operator.audit().verify_audit_log(VerifyAuditLogRequest::default()).await;
    assert!(report.expect("verified").into_inner().intact);
    let list = ListUsersRequest { tenant: gone.id, ..ListUsersRequest::default() };
    assert_eq!(refused(shop.operator.tenants().list_users(list).await), Code::NotFound);
}
