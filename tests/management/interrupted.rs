//! Deletions of tenants that were interrupted before everything was erased: the results of calls about such a tenant,
//! and the calls that erase the rest.

use latchkey_proto::v1::{
    DeleteKeyRequest, DeleteProfileRequest, DeleteUserRequest, DisableUserRequest, GetKeyRequest,
    RevokeKeyRequest,
};
use latchkey_testing::{Database, on_both, user};
use tonic::Code;

use crate::deletion::{PASSWORD, open};
use crate::{Shop, refused};

on_both!(
    a_profile_is_deleted_with_what_is_left_of_its_tenants,
    keys_and_users_of_a_tenant_that_has_ended_are_not_found,
);

/// Ends a tenant as the first step of its deletion does, and erases nothing.
fn end(shop: &Shop, slug: &str) {
    let _ = shop.latchkey.sql(&format!(
        "INSERT INTO deletions (id, kind, tenant_id, slug, actor, deleted_at, revision) \
         SELECT id, 'tenant', id, slug, 'operator', 0, (SELECT revision FROM head) FROM tenants WHERE slug = '{slug}'; \
         UPDATE tenants SET slug = 'deleted:{slug}', display_name = '', suspended = true WHERE slug = '{slug}'"
    ));
}

/// Returns the numbers of tenants that have ended and are not removed, and of users.
fn left(shop: &Shop) -> (String, String) {
    let count = |what: &str| shop.latchkey.sql(&format!("SELECT count(*) FROM {what}"));
    (count("tenants WHERE slug LIKE 'deleted:%'"), count("users"))
}

async fn a_profile_is_deleted_with_what_is_left_of_its_tenants(database: Database) {
    let shop = open(database).await;
    let delete = async |force| {
        let ask = DeleteProfileRequest { name: "shop".to_owned(), force };
        shop.operator.profiles().delete_profile(ask).await.map(tonic::Response::into_inner)
    };
    shop.operator.plain_key("acme", "live").await;
    shop.operator.user(user("acme", ("ada@example.com", PASSWORD), "clerk")).await;
    end(&shop, "acme");
    assert_eq!(refused(delete(false).await), Code::FailedPrecondition, "bank uses it");
    assert_eq!(left(&shop), ("1".to_owned(), "1".to_owned()), "a refused call erases nothing");
    let gone = delete(true).await.expect("by force");
    assert_eq!((gone.tenants, gone.keys, gone.users), (2, 1, 1));
    assert_eq!(left(&shop), ("0".to_owned(), "0".to_owned()));
    shop.operator.apply(crate::SHOP).await.expect("applied again");
    let _ = shop.operator.tenant("acme", "shop", "").await;
    shop.operator.plain_key("acme", "live").await;
    end(&shop, "acme");
    let gone = delete(false).await.expect("no tenant that lives uses it");
    assert_eq!((gone.tenants, gone.keys), (1, 1));
    assert_eq!(left(&shop).0, "0");
}

async fn keys_and_users_of_a_tenant_that_has_ended_are_not_found(database: Database) {
    let shop = open(database).await;
    let (made, _) = shop.operator.plain_key("acme", "live").await;
    let ada = shop.operator.user(user("acme", ("ada@example.com", PASSWORD), "clerk")).await;
    end(&shop, "acme");
    let (mut keys, mut tenants) = (shop.operator.keys(), shop.operator.tenants());
    let id = || made.id.clone();
    let found = keys.get_key(GetKeyRequest { id: id() }).await;
    assert_eq!(refused(found), Code::NotFound);
    let revoked = keys.revoke_key(RevokeKeyRequest { id: id(), reason: String::new() }).await;
    assert_eq!(refused(revoked), Code::NotFound);
    let deleted = keys.delete_key(DeleteKeyRequest { id: id(), force: true }).await;
    assert_eq!(refused(deleted), Code::NotFound);
    let disabled = tenants.disable_user(DisableUserRequest { id: ada.id.clone() }).await;
    assert_eq!(refused(disabled), Code::NotFound);
    let deleted = tenants.delete_user(DeleteUserRequest { id: ada.id }).await;
    assert_eq!(refused(deleted), Code::NotFound);
}
