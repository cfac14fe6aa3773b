//! Keys of another system: their formats, their hashes, and the errors of an import.

use latchkey_proto::v1::imported_key::Secret;
use latchkey_proto::v1::{
    CreateKeyRequest, ImportKeysRequest, ImportKeysResponse, ImportedHash, ImportedKey, KeyState,
    RevokeKeyRequest, RotateKeyRequest,
};
use latchkey_testing::{Database, ProfileBuilder, key, on_both};
use prost_types::Timestamp;
use sha2::{Digest as _, Sha256, Sha512};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{SHOP, Shop, refused};

on_both!(
    keys_of_a_foreign_format_pass_and_are_never_created_here,
    keys_pass_by_each_hash_that_their_kind_declares,
    a_revocation_and_a_rotation_hold_for_keys_with_an_imported_hash,
    expired_and_disabled_keys_are_imported_as_they_are,
    a_key_that_could_never_pass_is_refused_with_its_row,
    every_error_of_every_row_is_in_one_answer,
    a_check_of_an_import_stores_nothing,
    a_prefix_that_shows_most_of_the_value_is_refused,
);

pub(crate) const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";
pub(crate) const OTHER: &str = "6fa459ea-ee8a-3ca4-894e-db77e160355e";
pub(crate) const NOW_AND_THEN: Timestamp = Timestamp { seconds: 1_600_000_000, nanos: 0 };

/// The shop, and a kind for UUIDs that another system made.
pub(crate) async fn open(database: Database) -> Shop {
    let legacy = "[[kinds]]\nname = \"legacy\"\n\
                  format = { pattern = \"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\", max = 36 }\n\
                  hashes = [\"sha512\", \"sha256-of-hex\"]\ndefault_scopes = [\"orders.read\"]\n[[scopes]]\n";
    let document = SHOP.replacen("[[scopes]]\n", legacy, 1);
    // The changed document is valid TOML.
    let document = ProfileBuilder::from_document(&document).build();
    let (latchkey, operator) = database.setup().open("shop", &document, &["acme", "bank"]).await;
    Shop { latchkey, operator }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

pub(crate) fn of(secret: Secret) -> ImportedKey {
    ImportedKey { secret: Some(secret), key: Some(key("", "")), ..ImportedKey::default() }
}

pub(crate) fn by_value(value: &str) -> ImportedKey {
    of(Secret::Value(value.to_owned()))
}

pub(crate) fn by_hash(kind: &str, algorithm: &str, digest: &str) -> ImportedKey {
    let hash = ImportedHash { algorithm: algorithm.into(), digest: digest.into(), secret: String::new() };
    let key = Some(CreateKeyRequest { kind: kind.into(), ..key("", "") });
    ImportedKey { key, ..of(Secret::Hash(hash)) }
}

pub(crate) fn request(keys: Vec<ImportedKey>) -> ImportKeysRequest {
    ImportKeysRequest { tenant: "acme".to_owned(), keys, validate_only: false }
}

pub(crate) async fn import(shop: &Shop, keys: Vec<ImportedKey>) -> ImportKeysResponse {
    shop.operator.keys().import_keys(request(keys)).await.expect("imported").into_inner()
}

/// Returns the violations of an import that is refused.
pub(crate) async fn violations(shop: &Shop, keys: Vec<ImportedKey>) -> Vec<(String, String)> {
    let status: Status = shop.operator.keys().import_keys(request(keys)).await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().expect("violations").field_violations;
    violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

async fn keys_of_a_foreign_format_pass_and_are_never_created_here(database: Database) {
    let shop = open(database).await;
    let imported = import(&shop, vec![by_value(UUID)]).await;
    let made = &imported.keys[0];
    assert_eq!((made.kind.as_str(), made.prefix.as_str(), made.hint.as_str()), ("legacy", "", "0000"));
    assert!(imported.warnings.is_empty(), "{imported:?}");
    assert!(shop.admits(UUID).await && !shop.admits(OTHER).await && !shop.admits(&UUID.to_uppercase()).await);
    let ask = CreateKeyRequest { kind: "legacy".into(), ..key("acme", "live") };
    assert_eq!(refused(shop.operator.keys().create_key(ask).await), Code::InvalidArgument);
    let rotate = RotateKeyRequest { id: made.id.clone(), overlap: None, expiry: None };
    assert_eq!(refused(shop.operator.keys().rotate_key(rotate).await), Code::FailedPrecondition);
    assert!(shop.admits(UUID).await);
}

async fn keys_pass_by_each_hash_that_their_kind_declares(database: Database) {
    let shop = open(database).await;
    assert!(!shop.admits(UUID).await, "unknown, and now remembered as such");
    let sha512 = hex(&Sha512::digest(UUID));
    let twice = hex(&Sha256::digest(hex(&Sha256::digest(OTHER))));
    let imported =
        import(&shop, vec![by_hash("legacy", "sha512", &sha512), by_hash("legacy", "sha256-of-hex", &twice)]);
    assert_eq!(imported.await.warnings.len(), 1, "their format is unknown");
    assert!(shop.admits(UUID).await && shop.admits(OTHER).await);
    let again = shop.operator.keys().import_keys(request(vec![by_value(UUID)])).await;
    assert_eq!(refused(again), Code::AlreadyExists, "the value of a key that is known by another hash");
    assert!(!shop.admits(&hex(&Sha256::digest(OTHER))).await);
    let own = format!("shop_live_{}", "7".repeat(64));
    import(&shop, vec![by_hash("secret", "SHA-256", &hex(&Sha256::digest(&own)).to_uppercase())]).await;
    assert!(shop.admits(&own).await);
}

async fn a_revocation_and_a_rotation_hold_for_keys_with_an_imported_hash(database: Database) {
    let shop = Shop::open(database).await;
    let document = ProfileBuilder::from_document(SHOP)
        .add("kinds[secret].hashes", toml::Value::Array(vec!["sha512".into()]))
        .build();
    shop.operator.apply(&document).await.expect("applied");
    let value = format!("shop_live_{}", "8".repeat(64));
    let imported = import(&shop, vec![by_hash("secret", "sha512", &hex(&Sha512::digest(&value)))]).await;
    assert!(shop.admits(&value).await);
    let rotate = RotateKeyRequest { id: imported.keys[0].id.clone(), overlap: None, expiry: None };
    let rotated = shop.operator.keys().rotate_key(rotate).await.expect("rotated").into_inner();
    assert!(!shop.admits(&value).await && shop.admits(&rotated.secret).await);
    let other = format!("shop_live_{}", "9".repeat(64));
    let imported = import(&shop, vec![by_hash("secret", "sha512", &hex(&Sha512::digest(&other)))]).await;
    assert!(shop.admits(&other).await);
    shop.operator
        .keys()
        .revoke_key(RevokeKeyRequest { id: imported.keys[0].id.clone(), ..Default::default() })
        .await
        .expect("revoked");
    assert!(!shop.admits(&other).await);
}

async fn expired_and_disabled_keys_are_imported_as_they_are(database: Database) {
    use latchkey_proto::v1::create_key_request::Expiry;
    let shop = open(database).await;
    let mut expired = by_value(UUID);
    expired.key.as_mut().expect("a key").expiry = Some(Expiry::ExpireTime(NOW_AND_THEN));
    let disabled = ImportedKey { disabled: true, ..by_value(OTHER) };
    let imported = import(&shop, vec![expired, disabled]).await;
    assert_eq!([imported.keys[0].state(), imported.keys[1].state()], [KeyState::Expired, KeyState::Disabled]);
    assert_eq!(imported.keys[0].expire_time, Some(NOW_AND_THEN));
    assert_eq!(imported.warnings[0].field, "keys[0].key.expire_time");
    assert!(!shop.admits(UUID).await && !shop.admits(OTHER).await);
    let ask = CreateKeyRequest { expiry: Some(Expiry::ExpireTime(NOW_AND_THEN)), ..key("acme", "live") };
    assert_eq!(refused(shop.operator.keys().create_key(ask).await), Code::InvalidArgument, "as before");
}

async fn a_key_that_could_never_pass_is_refused_with_its_row(database: Database) {
    let shop = open(database).await;
    let good = hex(&Sha512::digest(UUID));
    let prefix = |prefix: &str| ImportedKey { prefix: prefix.into(), ..by_hash("legacy", "sha512", &good) };
    let named = |secret: &str| ImportedHash {
        algorithm: "sha512".into(),
        digest: good.clone(),
        secret: secret.into(),
    };
    for (wrong, field, words) in [
        (by_value("not-of-any-kind"), "value", "has the format of no kind of the profile"),
        (by_hash("secret", "sha512", &good), "hash.algorithm", "hashes = [\"sha512\"]"),
        (by_hash("legacy", "md5", &good), "hash.algorithm", "sha256, sha512, sha256-of-hex, hmac-sha256"),
        (by_hash("legacy", "hmac-sha256", &good), "hash.algorithm", "hmac-sha256:NAME"),
        (
            by_hash("legacy", "sha512", &good[..64]),
            "hash.digest",
            "64 bytes, in 128 hexadecimal digits or 86 base64",
        ),
        (by_hash("legacy", "sha512", ""), "hash.digest", "64 bytes"),
        (
            ImportedKey { key: by_hash("legacy", "", "").key, ..of(Secret::Hash(named("x"))) },
            "hash.secret",
            "no secret",
        ),
        (of(Secret::Sha256(vec![1; 48])), "sha256", "write hexadecimal digits to `hash.digest`"),
        (prefix("zz"), "prefix", "can't begin a key of the kind \"legacy\""),
        (
            ImportedKey { prefix: "550f".into(), ..by_value(UUID) },
            "prefix",
            "is not what the value begins with",
        ),
        (ImportedKey { hint: "0001".into(), ..by_value(UUID) }, "hint", "is not what the value ends with"),
        (by_hash("publishable", "sha256", &good[..64]), "hash", "the value is needed"),
    ] {
        let found = violations(&shop, vec![by_value(OTHER), wrong]).await;
        let path = format!("keys[1].{field}");
        assert!(found.iter().any(|(at, text)| *at == path && text.contains(words)), "{field}: {found:?}");
        assert!(!shop.admits(OTHER).await);
    }
    let known = import(&shop, vec![prefix("550e")]).await;
    assert!(known.warnings.is_empty() && known.keys[0].prefix == "550e" && shop.admits(UUID).await);
}

async fn every_error_of_every_row_is_in_one_answer(database: Database) {
    let shop = open(database).await;
    import(&shop, vec![by_value(UUID)]).await;
    let unknown = CreateKeyRequest { scopes: vec!["nonsense".into()], ..key("", "live") };
    let late = Timestamp { seconds: i64::MAX, nanos: 0 };
    let rows = vec![
        by_value("nothing"),
        ImportedKey { key: Some(unknown), ..by_value(OTHER) },
        by_value(UUID),
        by_value(OTHER),
        ImportedKey { create_time: Some(late), ..by_value(OTHER) },
    ];
    let found = violations(&shop, rows).await;
    let rows: Vec<&str> =
        found.iter().map(|(field, _)| field.split(']').next().unwrap_or_default()).collect();
    assert_eq!(rows, ["keys[0", "keys[1", "keys[2", "keys[4"], "{found:?}");
    let status = shop
        .operator
        .keys()
        .import_keys(request(vec![by_value(UUID), by_value(OTHER), by_value(OTHER)]))
        .await;
    let status = status.expect_err("refused");
    assert_eq!(status.code(), Code::AlreadyExists);
    assert_eq!(status.message(), "keys[0] exists already; keys[2] has the value of keys[1]");
    let manager = shop.manager("acme", |_| ()).await;
    let strong = CreateKeyRequest { scopes: vec!["orders.write".into()], ..key("", "live") };
    let strong = ImportedKey { key: Some(strong), ..by_value(OTHER) };
    let own = ImportKeysRequest { tenant: String::new(), ..request(vec![by_value(OTHER), strong]) };
    let status = manager.keys().import_keys(own).await.expect_err("refused");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(
        status.message().starts_with("keys[1] can't be imported: the caller lacks orders.write"),
        "{status:?}"
    );
}

async fn a_check_of_an_import_stores_nothing(database: Database) {
    let shop = open(database).await;
    let ask = |keys| ImportKeysRequest { validate_only: true, ..request(keys) };
    let rows = vec![by_value(UUID), by_value("nothing"), by_value(UUID)];
    let checked = shop.operator.keys().import_keys(ask(rows)).await.expect("checked").into_inner();
    assert_eq!(
        (checked.keys.len(), checked.keys[0].kind.as_str(), checked.keys[0].id.as_str()),
        (1, "legacy", "")
    );
    let errors: Vec<(i32, &str)> = checked.errors.iter().map(|e| (e.index, e.field.as_str())).collect();
    assert_eq!(errors, [(1, "keys[1].value"), (2, "keys[2]")]);
    assert!(!shop.admits(UUID).await);
    let imported = import(&shop, vec![by_value(UUID)]).await;
    assert!(imported.errors.is_empty() && shop.admits(UUID).await);
}

async fn a_prefix_that_shows_most_of_the_value_is_refused(database: Database) {
    let shop = open(database).await;
    let own = format!("shop_live_{}", "7".repeat(64));
    let secrets = |prefix: &str, value: &str, kind: &str| {
        let plain = by_hash(kind, "sha256", &hex(&Sha256::digest(value)));
        [
            by_value(value),
            ImportedKey { key: plain.key.clone(), ..of(Secret::Sha256(Sha256::digest(value).to_vec())) },
            plain,
        ]
        .map(|key| ImportedKey { prefix: prefix.into(), ..key })
    };
    for (prefix, value, kind) in [
        (UUID, UUID, "legacy"),
        (&UUID[..15], UUID, "legacy"),
        (&own, &own, "secret"),
        (&own[..34], &own, "secret"),
    ] {
        for key in secrets(prefix, value, kind) {
            let found = violations(&shop, vec![key]).await;
            let [(field, text)] = found.as_slice() else { panic!("{found:?}") };
            assert!(field == "keys[0].prefix" && text.contains("at most half"), "{found:?}");
            assert!(!text.contains(prefix), "{text}");
        }
    }
    let none = ImportedKey { prefix: format!("{UUID}0"), ..secrets("", UUID, "legacy")[1].clone() };
    let found = violations(&shop, vec![none]).await;
    assert!(!format!("{found:?}").contains(UUID), "a value is not repeated: {found:?}");
    let [one, two, three] = secrets(&own[..33], &own, "secret");
    for key in [one, two, three] {
        let ask = ImportKeysRequest { validate_only: true, ..request(vec![key]) };
        let checked = shop.operator.keys().import_keys(ask).await.expect("checked").into_inner();
        assert!(checked.errors.is_empty(), "{checked:?}");
    }
}
