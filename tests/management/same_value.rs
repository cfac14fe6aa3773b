//! Keys of one value that are stored by different hashes: which one decides, and which imports are refused.

use latchkey_proto::v1::DeleteKeyRequest;
use latchkey_testing::{Database, ProfileBuilder, on_both, with_key};
use sha2::{Digest as _, Sha512};
use tonic::Code;

use crate::bring::{by_hash, by_value, hex, import, request};
use crate::{SHOP, Shop, refused};

on_both!(
    a_revoked_key_decides_although_another_key_has_its_value,
    a_value_is_not_imported_again_when_its_hash_is_no_longer_declared,
);

/// Opens the shop with tokens, and with secrets that another system stored by SHA-512.
async fn open(database: Database) -> Shop {
    let document = format!("{SHOP}\n[jwt]\nissuer = \"https://shop.example.dev\"\naudience = \"shop\"\n");
    let hashes = toml::Value::Array(vec!["sha512".into()]);
    let document = ProfileBuilder::from_document(&document).add("kinds[secret].hashes", hashes).build();
    let (latchkey, operator) = database.setup().open("shop", &document, &["acme", "bank"]).await;
    Shop { latchkey, operator }
}

fn value(digit: &str) -> String {
    format!("shop_live_{}", digit.repeat(64))
}

async fn a_revoked_key_decides_although_another_key_has_its_value(database: Database) {
    let shop = open(database).await;
    let value = value("1");
    let first = import(&shop, vec![by_value(&value)]).await;
    // The hash does not show that it is one of the same value.
    import(&shop, vec![by_hash("secret", "sha512", &hex(&Sha512::digest(&value)))]).await;
    let token = || async { shop.operator.tokens().issue_jwt(with_key(&value)).await };
    assert!(shop.admits(&value).await && token().await.is_ok());
    shop.operator.revoke(&first.keys[0].id).await;
    assert!(!shop.admits(&value).await);
    assert_eq!(refused(token().await), Code::Unauthenticated);
}

async fn a_value_is_not_imported_again_when_its_hash_is_no_longer_declared(database: Database) {
    let shop = open(database).await;
    let (revoked, deleted) = (value("2"), value("3"));
    let by_sha512 = |value: &str| by_hash("secret", "sha512", &hex(&Sha512::digest(value)));
    let keys = import(&shop, vec![by_sha512(&revoked), by_sha512(&deleted)]).await.keys;
    shop.operator.revoke(&keys[0].id).await;
    let delete = DeleteKeyRequest { id: keys[1].id.clone(), force: true };
    shop.operator.keys().delete_key(delete).await.expect("deleted");
    shop.operator.apply(SHOP).await.expect("applied");
    for (value, words) in [(&revoked, "exists already"), (&deleted, "was deleted")] {
        let status = shop.operator.keys().import_keys(request(vec![by_value(value)])).await;
        let status = status.expect_err("it had a key");
        assert_eq!(status.code(), Code::AlreadyExists);
        assert!(status.message().contains(words), "{status:?}");
        assert!(!shop.admits(value).await);
    }
}
