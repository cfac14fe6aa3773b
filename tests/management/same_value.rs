//! Keys of one value that are stored by different hashes: what a Check and an issue of tokens decide, and which imports are
//! refused.

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::{CreateKeyRequest, DeleteKeyRequest, ImportKeysRequest, ImportedKey};
use latchkey_testing::{Database, ProfileBuilder, key, on_both, with_key};
use prost_types::Timestamp;
use sha2::{Digest as _, Sha256, Sha512};
use tonic::Code;

use crate::bring::{by_hash, by_value, hex, import, request};
use crate::{SHOP, Shop, refused};

on_both!(
    a_revoked_key_decides_by_whichever_hash_it_is_stored,
    no_deletion_makes_a_denied_value_valid,
    two_keys_in_force_of_one_value_are_both_denied,
    a_value_is_not_imported_again_when_its_hash_is_no_longer_declared,
);

const PAST: Timestamp = Timestamp { seconds: 1_600_000_000, nanos: 0 };

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

fn by_sha256(value: &str) -> ImportedKey {
    by_hash("secret", "sha256", &hex(&Sha256::digest(value)))
}

fn by_sha512(value: &str) -> ImportedKey {
    by_hash("secret", "sha512", &hex(&Sha512::digest(value)))
}

/// Returns whether a Check admits the value; an issue of a token must agree.
async fn admits(shop: &Shop, value: &str) -> bool {
    let admitted = shop.admits(value).await;
    let token = shop.operator.tokens().issue_jwt(with_key(value)).await;
    assert_eq!(
        token.map(drop).map_err(|status| status.code()).err(),
        (!admitted).then_some(Code::Unauthenticated)
    );
    admitted
}

async fn delete(shop: &Shop, id: &str) {
    let ask = DeleteKeyRequest { id: id.to_owned(), force: true };
    shop.operator.keys().delete_key(ask).await.expect("deleted");
}

async fn a_revoked_key_decides_by_whichever_hash_it_is_stored(database: Database) {
    let shop = open(database).await;
    for (digit, revoked_first) in [("1", true), ("2", false)] {
        let value = value(digit);
        let (one, other) = if revoked_first {
            (by_value(&value), by_sha512(&value))
        } else {
            (by_sha512(&value), by_sha256(&value))
        };
        let first = import(&shop, vec![one]).await;
        assert!(admits(&shop, &value).await);
        shop.operator.revoke(&first.keys[0].id).await;
        // The hash does not show that it is one of the same value.
        let mut own = request(vec![other]);
        own.tenant = String::new();
        let manager = shop.manager("acme", |_| ()).await;
        manager.keys().import_keys(own).await.expect("imported");
        assert!(!admits(&shop, &value).await, "revoked first by SHA-256: {revoked_first}");
    }
}

async fn no_deletion_makes_a_denied_value_valid(database: Database) {
    let shop = open(database).await;
    let expired = |imported: ImportedKey| {
        let kind = imported.key.as_ref().map(|key| key.kind.clone()).unwrap_or_default();
        let key = CreateKeyRequest { kind, expiry: Some(Expiry::ExpireTime(PAST)), ..key("", "") };
        ImportedKey { key: Some(key), ..imported }
    };
    let disabled = |imported: ImportedKey| ImportedKey { disabled: true, ..imported };
    // What the first key is, whether it is stored by SHA-256, and whether it was checked before it is deleted.
    for (number, state) in ["revoked", "expired", "disabled", "active"].iter().enumerate() {
        for (place, checked) in [(0, false), (1, true)] {
            let value = value(&format!("{:x}", number * 2 + place));
            let pair = [by_sha256(&value), by_sha512(&value)];
            let (one, other) = (pair[place].clone(), pair[1 - place].clone());
            let one = match *state {
                "expired" => expired(one),
                "disabled" => disabled(one),
                _ => one,
            };
            let first = import(&shop, vec![one]).await.keys[0].id.clone();
            if *state == "revoked" {
                shop.operator.revoke(&first).await;
            }
            import(&shop, vec![other]).await;
            assert!(!checked || !admits(&shop, &value).await, "{state}, {place}");
            delete(&shop, &first).await;
            assert!(!admits(&shop, &value).await, "{state}, {place}: after the deletion");
        }
    }
}

async fn two_keys_in_force_of_one_value_are_both_denied(database: Database) {
    let shop = open(database).await;
    for (digit, tenant) in [("3", "acme"), ("4", "bank")] {
        let value = value(digit);
        import(&shop, vec![by_sha512(&value)]).await;
        assert!(admits(&shop, &value).await);
        let again = shop.operator.keys().import_keys(request(vec![by_value(&value)])).await;
        assert_eq!(refused(again), Code::AlreadyExists, "the value is known, and with it all of its hashes");
        let ask = ImportKeysRequest { tenant: tenant.to_owned(), ..request(vec![by_sha256(&value)]) };
        shop.operator.keys().import_keys(ask).await.expect("imported");
        assert!(!admits(&shop, &value).await, "{tenant}");
    }
}

async fn a_value_is_not_imported_again_when_its_hash_is_no_longer_declared(database: Database) {
    let shop = open(database).await;
    let (revoked, deleted) = (value("2"), value("3"));
    let keys = import(&shop, vec![by_sha512(&revoked), by_sha512(&deleted)]).await.keys;
    shop.operator.revoke(&keys[0].id).await;
    delete(&shop, &keys[1].id).await;
    shop.operator.apply(SHOP).await.expect("applied");
    for (value, words) in [(&revoked, "exists already"), (&deleted, "was deleted")] {
        let status = shop.operator.keys().import_keys(request(vec![by_value(value)])).await;
        let status = status.expect_err("it had a key");
        assert_eq!(status.code(), Code::AlreadyExists);
        assert!(status.message().contains(words), "{status:?}");
        assert!(!shop.admits(value).await);
    }
}
