//! Errors for objects that do not exist: each names the object, and none repeats a text that may be a credential.

use latchkey_proto::v1::{
    CreateKeyRequest, DeleteProfileSecretRequest, DeleteTenantRequest, DeleteUserRequest, GetKeyRequest,
    GetProfileRequest, GetTenantRequest, ListProfileSecretsRequest, ListProfileVersionsRequest,
    ListUsersRequest, RevokeKeyRequest, RevokeKeysRequest, RotateSigningKeyRequest, SuspendTenantRequest,
    UpdateUserRequest, User, WithdrawSigningKeyRequest,
};
use latchkey_testing::{Caller, Database, ProfileBuilder, field_mask, key, on_both};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{SHOP, Shop};

on_both!(an_error_names_what_was_not_found, a_text_that_may_be_a_credential_is_not_repeated,);

/// Calls every kind of management RPC with an object of this name, and returns the errors with the object's type.
async fn call_with(caller: &Caller, name: &str) -> Vec<(&'static str, Status)> {
    let (mut keys, mut tenants) = (caller.keys(), caller.tenants());
    let (mut profiles, mut signing) = (caller.profiles(), caller.signing_keys());
    let name = || name.to_owned();
    let key = GetKeyRequest { id: name() };
    let revoke = RevokeKeyRequest { id: name(), reason: String::new() };
    let user = Some(User { id: name(), ..User::default() });
    let user = UpdateUserRequest { user, update_mask: Some(field_mask(&["role"])) };
    let suspend = SuspendTenantRequest { tenant: name(), ..SuspendTenantRequest::default() };
    let users = ListUsersRequest { tenant: name(), ..ListUsersRequest::default() };
    let profile = GetProfileRequest { name: name(), version: 0 };
    let versions = ListProfileVersionsRequest { name: name(), ..ListProfileVersionsRequest::default() };
    let secrets = ListProfileSecretsRequest { profile: name() };
    let rotate = RotateSigningKeyRequest { profile: name(), ..RotateSigningKeyRequest::default() };
    let secret = DeleteProfileSecretRequest { profile: "shop".to_owned(), name: name() };
    let answers = [
        ("key", keys.get_key(key).await.err()),
        ("key", keys.revoke_key(revoke).await.err()),
        ("user", tenants.update_user(user).await.err()),
        ("user", tenants.delete_user(DeleteUserRequest { id: name() }).await.err()),
        ("tenant", tenants.get_tenant(GetTenantRequest { tenant: name() }).await.err()),
        ("tenant", tenants.suspend_tenant(suspend).await.err()),
        ("tenant", tenants.delete_tenant(DeleteTenantRequest { tenant: name() }).await.err()),
        ("tenant", tenants.list_users(users).await.err()),
        ("profile", profiles.get_profile(profile).await.err()),
        ("profile", profiles.list_profile_versions(versions).await.err()),
        ("profile", profiles.list_profile_secrets(secrets).await.err()),
        ("secret", profiles.delete_profile_secret(secret).await.err()),
        ("profile", signing.rotate_signing_key(rotate).await.err()),
        ("signing key", signing.withdraw_signing_key(WithdrawSigningKeyRequest { id: name() }).await.err()),
    ];
    answers.into_iter().map(|(what, status)| (what, status.expect("there is no such object"))).collect()
}

async fn an_error_names_what_was_not_found(database: Database) {
    let shop = Shop::open(database).await;
    let mut named = 0;
    for name in [
        "key_018f00000000700080000000000000aa",
        "user_018f00000000700080000000000000aa",
        "018F0000-0000-7000-8000-0000000000aa",
        "missing-one",
        "Ab0Ab0Ab0Ab0Ab0Ab0Ab0A",
    ] {
        for (what, status) in call_with(&shop.operator, name).await {
            assert_eq!(status.code(), Code::NotFound, "{what}: {status:?}");
            let info = status.get_details_resource_info().expect("the details name the resource");
            assert_eq!(info.resource_type, what);
            if info.resource_name.is_empty() {
                assert!(
                    status.message().starts_with(&format!("no such {what}: the text is not the ")),
                    "{status:?}"
                );
            } else {
                assert_eq!(
                    (info.resource_name.as_str(), status.message()),
                    (name, &*format!("{what} {name:?} was not found"))
                );
                named += 1;
            }
        }
    }
    // Keys, users, tenants by id and slug, profiles, signing keys, and secrets, whose names can be any of these texts.
    assert_eq!(named, 2 + 2 + (4 + 4) + 4 + 1 + 5, "names that were repeated");
}

async fn a_text_that_may_be_a_credential_is_not_repeated(database: Database) {
    let document = ProfileBuilder::from_document(SHOP)
        .set("kinds[secret].prefixes.live", "shop-")
        .set("kinds[secret].prefixes.test", "test-")
        .set("kinds[secret].secret", "hex:16")
        .build();
    let (_latchkey, operator) = database.setup().open("shop", &document, &["acme"]).await;
    let (_, whole) = operator.plain_key("acme", "test").await;
    let publishable = CreateKeyRequest { kind: "publishable".to_owned(), ..key("acme", "live") };
    let (_, publishable) = operator.key(publishable).await;
    let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    for text in [whole.as_str(), publishable.as_str(), jwt, "hunter2 !"] {
        let bulk = RevokeKeysRequest { ids: vec![text.to_owned()], ..RevokeKeysRequest::default() };
        let status = operator.keys().revoke_keys(bulk).await.expect_err("no such key");
        assert!(
            status.message().contains("ids[0]: no such key") && !status.message().contains(text),
            "{status:?}"
        );
        for (what, status) in call_with(&operator, text).await {
            assert_eq!(status.code(), Code::NotFound, "{what}: {status:?}");
            assert!(!status.message().contains(text), "{what}: {status:?}");
            assert_eq!(status.get_details_resource_info().expect("a resource").resource_name, "");
        }
    }
}
