//! Roles of operators: the calls that a key of each role may make, and that no role gives itself or others more rights.

use latchkey_proto::v1::{
    CreateKeyRequest, DisableUserRequest, GetPublishableKeyRequest, Key, ListKeysRequest, RevokeKeyRequest,
    RotateKeyRequest, UpdateKeyRequest, WhoAmIRequest, WhoAmIResponse,
};
use latchkey_testing::{Caller, Database, field_mask, key, on_both, scoped, user};
use tonic::Code;

use crate::access::{authenticated, call};
use crate::{Shop, refused};

on_both!(
    an_operator_may_call_what_its_role_allows,
    support_takes_access_away_from_tenants_and_not_from_operators,
    support_disables_a_key_and_changes_nothing_else,
    no_role_gives_itself_or_others_more_rights,
    an_admins_key_can_create_keys_of_every_role,
    every_caller_can_ask_who_it_is,
);

/// Calls that read, and return no secret.
const READ: [&str; 17] = [
    "KeyService/GetKey",
    "KeyService/ListKeys",
    "KeyService/GetKeyUsage",
    "TenantService/GetTenant",
    "TenantService/ListTenants",
    "TenantService/ListUsers",
    "ProfileService/GetProfile",
    "ProfileService/DiffProfile",
    "ProfileService/ListProfileVersions",
    "ProfileService/ListProfiles",
    "ProfileService/ListProfileSecrets",
    "AuditService/ListAuditEvents",
    "AuditService/VerifyAuditLog",
    "ShadowService/GetShadowReport",
    "UsageService/GetUsageReport",
    "SigningKeyService/ListSigningKeys",
    "CallerService/WhoAmI",
];
/// Calls by which the role `support` takes access away. `UpdateKey` is for `disabled` alone, and rejects the
/// empty message.
const SUPPORT: [&str; 4] =
    ["KeyService/RevokeKey", "KeyService/RevokeKeys", "KeyService/DisableKeys", "TenantService/DisableUser"];
/// Calls that are rejected or allowed by their content.
const BY_CONTENT: [&str; 1] = ["KeyService/UpdateKey"];

impl Shop {
    /// Returns an operator's key with these scopes, and its value.
    async fn operators_key(&self, scopes: &[&str]) -> (Key, String) {
        self.operator.key(scoped("latchkey", scopes)).await
    }

    async fn with_role(&self, role: &str) -> Caller {
        self.latchkey.caller(&self.operators_key(&[role]).await.1)
    }
}

fn revoke(id: &str) -> RevokeKeyRequest {
    RevokeKeyRequest { id: id.to_owned(), ..RevokeKeyRequest::default() }
}

fn update(id: &str, fields: &[&str], change: impl FnOnce(&mut Key)) -> UpdateKeyRequest {
    let mut key = Key { id: id.to_owned(), ..Key::default() };
    change(&mut key);
    UpdateKeyRequest { key: Some(key), update_mask: Some(field_mask(fields)) }
}

async fn an_operator_may_call_what_its_role_allows(database: Database) {
    let shop = Shop::open(database).await;
    for (scopes, support, admin) in [
        (&["latchkey.read"][..], false, false),
        (&["latchkey.support"][..], true, false),
        (&["latchkey.read", "latchkey.support"][..], true, false),
        (&["latchkey.admin"][..], true, true),
        (&["latchkey.admin", "latchkey.read"][..], true, true),
    ] {
        let value = shop.operators_key(scopes).await.1;
        for method in authenticated().filter(|method| !(support && BY_CONTENT.contains(method))) {
            let allowed = admin || READ.contains(&method) || (support && SUPPORT.contains(&method));
            let code = call(shop.latchkey.grpc(), method, Some(&value)).await;
            assert_eq!(code != Code::PermissionDenied, allowed, "{scopes:?} {method}: {code:?}");
        }
    }
}

async fn support_takes_access_away_from_tenants_and_not_from_operators(database: Database) {
    let shop = Shop::open(database).await;
    let support = shop.with_role("latchkey.support").await;
    let (made, value) = shop.operator.key(scoped("acme", &["orders.read"])).await;
    assert!(shop.admits(&value).await);
    assert!(support.keys().revoke_key(revoke(&made.id)).await.is_ok());
    assert!(!shop.admits(&value).await);
    for role in ["latchkey.admin", "latchkey.support", "latchkey.read"] {
        let (other, value) = shop.operators_key(&[role]).await;
        let status = support.keys().revoke_key(revoke(&other.id)).await.expect_err("support may not");
        assert_eq!(status.code(), Code::PermissionDenied, "{role}");
        assert!(status.message().contains("latchkey.admin"), "{}", status.message());
        let disable = update(&other.id, &["disabled"], |key| key.disabled = true);
        assert_eq!(refused(support.keys().update_key(disable).await), Code::PermissionDenied, "{role}");
        assert!(shop.latchkey.caller(&value).keys().list_keys(ListKeysRequest::default()).await.is_ok());
    }
    let ask = DisableUserRequest { id: "user_00000000000070008000000000000000".to_owned() };
    assert_eq!(refused(support.tenants().disable_user(ask).await), Code::NotFound);
    let made = support.tenants().create_user(user("acme", ("e@x.dev", "the sea at night"), "clerk")).await;
    assert_eq!(refused(made), Code::PermissionDenied);
}

async fn support_disables_a_key_and_changes_nothing_else(database: Database) {
    let shop = Shop::open(database).await;
    let support = shop.with_role("latchkey.support").await;
    let (made, value) = shop.operator.key(scoped("acme", &["orders.read"])).await;
    let disable = update(&made.id, &["disabled"], |key| key.disabled = true);
    assert!(support.keys().update_key(disable).await.expect("support disables").into_inner().disabled);
    assert!(!shop.admits(&value).await);
    for (fields, disabled) in [
        (&["disabled"][..], false),
        (&["name"][..], true),
        (&["disabled", "name"][..], true),
        (&["scopes"][..], true),
        (&["expire_time"][..], true),
        (&[][..], true),
    ] {
        let ask = update(&made.id, fields, |key| {
            (key.disabled, key.name) = (disabled, "other".to_owned());
        });
        assert_eq!(refused(support.keys().update_key(ask).await), Code::PermissionDenied, "{fields:?}");
    }
}

async fn no_role_gives_itself_or_others_more_rights(database: Database) {
    let shop = Shop::open(database).await;
    let (tenants, _) = shop.operator.key(scoped("acme", &["orders.read"])).await;
    for role in ["latchkey.read", "latchkey.support"] {
        let (mut own, value) = shop.operators_key(&[role]).await;
        let caller = shop.latchkey.caller(&value);
        for scope in ["latchkey.read", "latchkey.support", "latchkey.admin"] {
            let wish = caller.try_key(scoped("latchkey", &[scope])).await;
            assert_eq!(refused(wish), Code::PermissionDenied, "{role} {scope}");
        }
        assert_eq!(refused(caller.try_key(key("acme", "live")).await), Code::PermissionDenied, "{role}");
        for id in [&own.id, &tenants.id] {
            let ask = RotateKeyRequest { id: id.clone(), ..RotateKeyRequest::default() };
            assert_eq!(refused(caller.keys().rotate_key(ask).await), Code::PermissionDenied, "{role}");
        }
        let ask = GetPublishableKeyRequest { tenant: "acme".to_owned(), ..Default::default() };
        assert_eq!(refused(caller.keys().get_publishable_key(ask).await), Code::PermissionDenied, "{role}");
        own.scopes = vec!["latchkey.admin".to_owned()];
        let ask = UpdateKeyRequest { key: Some(own), update_mask: Some(field_mask(&["scopes"])) };
        assert_eq!(refused(caller.keys().update_key(ask).await), Code::PermissionDenied, "{role}");
    }
}

async fn an_admins_key_can_create_keys_of_every_role(database: Database) {
    let shop = Shop::open(database).await;
    let admin = shop.with_role("latchkey.admin").await;
    for role in ["latchkey.read", "latchkey.support", "latchkey.admin"] {
        let made = admin.try_key(scoped("latchkey", &[role])).await.expect("an admin covers every role");
        assert_eq!(made.0.scopes, [role]);
    }
    let unknown = CreateKeyRequest { scopes: vec!["latchkey.root".to_owned()], ..key("latchkey", "live") };
    assert_eq!(refused(admin.try_key(unknown).await), Code::InvalidArgument);
}

async fn every_caller_can_ask_who_it_is(database: Database) {
    let shop = Shop::open(database).await;
    let ask = async |value: &str| -> WhoAmIResponse {
        let caller = shop.latchkey.caller(value);
        caller.callers().who_am_i(WhoAmIRequest {}).await.expect("a valid credential").into_inner()
    };
    let (made, value) = shop.operators_key(&["latchkey.support"]).await;
    let who = ask(&value).await;
    assert_eq!((who.subject_id, who.role.as_str(), who.operator), (made.id, "support", true));
    assert_eq!(who.scopes, ["latchkey.read", "latchkey.support"]);
    let (made, value) = shop.operator.key(scoped("acme", &["orders.read"])).await;
    let who = ask(&value).await;
    assert_eq!((who.subject_id.as_str(), who.role.as_str(), who.operator), (made.id.as_str(), "", false));
    assert_eq!((who.tenant_slug.as_str(), who.subject_type.as_str()), ("acme", "key"));
    assert_eq!((who.scopes, who.environment), (vec!["orders.read".to_owned()], "live".to_owned()));
    let _ = shop.operator.revoke(&made.id).await;
    let denied = shop.latchkey.caller(&value).callers().who_am_i(WhoAmIRequest {}).await;
    assert_eq!(refused(denied), Code::Unauthenticated);
}
