//! Keys of one value that are stored by different hashes: which one decides, and which imports are refused.

use latchkey_testing::{Database, ProfileBuilder, on_both, with_key};
use sha2::{Digest as _, Sha512};
use tonic::Code;

use crate::bring::{by_hash, by_value, hex, import};
use crate::{SHOP, Shop, refused};

on_both!(a_revoked_key_decides_although_another_key_has_its_value);

/// The shop with tokens, and with secrets that another system stored by SHA-512.
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
