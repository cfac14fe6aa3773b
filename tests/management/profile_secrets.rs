//! Secrets of profiles: keys that another system stored by HMAC-SHA-256.

use latchkey_proto::v1::{
    DeleteProfileRequest, DeleteProfileSecretRequest, ListProfileSecretsRequest, ProfileSecret,
    SetProfileSecretRequest,
};
use latchkey_testing::{Database, ProfileBuilder, on_both};
use tonic::{Code, Status};

use crate::bring::{by_hash, by_value, import, request, violations};
use crate::{SHOP, Shop, refused};

on_both!(keys_pass_by_an_hmac_while_its_secret_is_set, the_secrets_of_a_deleted_profile_are_deleted,);

/// Opens the shop, whose secret keys another system stored by HMAC-SHA-256.
async fn with_hmac(database: Database) -> Shop {
    let document = ProfileBuilder::from_document(SHOP)
        .add("kinds[secret].hashes", toml::Value::Array(vec!["hmac-sha256:old-system".into()]))
        .build();
    let (latchkey, operator) = database.setup().open("shop", &document, &["acme", "bank"]).await;
    Shop { latchkey, operator }
}

async fn set(shop: &Shop, name: &str, secret: &[u8]) -> Result<ProfileSecret, Status> {
    let ask = SetProfileSecretRequest { profile: "shop".into(), name: name.into(), secret: secret.to_vec() };
    Ok(shop.operator.profiles().set_profile_secret(ask).await?.into_inner())
}

async fn keys_pass_by_an_hmac_while_its_secret_is_set(database: Database) {
    let shop = with_hmac(database).await;
    let value = format!("shop_live_{}", "3".repeat(64));
    // HMAC-SHA-256 of the value with the secret "sesame", by `openssl dgst -sha256 -hmac sesame`.
    let digest = "c3147ce4bc8f7a5176ded3f61b09b071f8fd92290752691a409fee1f5714a250";
    let row = || by_hash("secret", "hmac-sha256", digest);
    let found = violations(&shop, vec![row()]).await;
    assert!(found[0].0 == "keys[0].hash.secret" && found[0].1.contains("is not set"), "{found:?}");
    let unknown = set(&shop, "other", b"sesame").await.expect_err("the profile names no such secret");
    assert!(unknown.message().contains("old-system"), "{unknown:?}");
    assert_eq!(set(&shop, "old-system", b"").await.expect_err("empty").code(), Code::InvalidArgument);
    let made = set(&shop, "old-system", b"sesame").await.expect("set");
    assert!(made.name == "old-system" && made.set_time.is_some());
    import(&shop, vec![row()]).await;
    assert!(shop.admits(&value).await);
    let again = shop.operator.keys().import_keys(request(vec![by_value(&value)])).await;
    assert_eq!(refused(again), Code::AlreadyExists, "the value of a key that is known by its HMAC");
    set(&shop, "old-system", b"another").await.expect("replaced");
    assert!(!shop.admits(&value).await, "by another secret, the value has another hash");
    set(&shop, "old-system", b"sesame").await.expect("set again");
    assert!(shop.admits(&value).await);
    let list = ListProfileSecretsRequest { profile: "shop".into() };
    let secrets =
        shop.operator.profiles().list_profile_secrets(list).await.expect("a list").into_inner().secrets;
    assert_eq!(secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["old-system"]);
    let gone = || DeleteProfileSecretRequest { profile: "shop".into(), name: "old-system".into() };
    shop.operator.profiles().delete_profile_secret(gone()).await.expect("deleted");
    assert!(!shop.admits(&value).await);
    assert_eq!(refused(shop.operator.profiles().delete_profile_secret(gone()).await), Code::NotFound);
}

async fn the_secrets_of_a_deleted_profile_are_deleted(database: Database) {
    let shop = with_hmac(database).await;
    let of_shop = || ListProfileSecretsRequest { profile: "shop".into() };
    let none = shop.operator.profiles().list_profile_secrets(of_shop()).await.expect("a list").into_inner();
    assert!(none.secrets.is_empty(), "none is set yet: {none:?}");
    set(&shop, "old-system", b"sesame").await.expect("set");
    let ask = DeleteProfileRequest { name: "shop".into(), force: true };
    shop.operator.profiles().delete_profile(ask).await.expect("deleted");
    assert_eq!(refused(shop.operator.profiles().list_profile_secrets(of_shop()).await), Code::NotFound);
    let all = ListProfileSecretsRequest::default();
    let secrets =
        shop.operator.profiles().list_profile_secrets(all).await.expect("a list").into_inner().secrets;
    assert!(secrets.is_empty(), "{secrets:?}");
}
