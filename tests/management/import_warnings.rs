//! Warnings of an import.

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::{CreateKeyRequest, ImportKeysRequest, ImportedKey};
use latchkey_testing::{Database, key, on_both};
use sha2::{Digest as _, Sha256, Sha512};

use crate::bring::{NOW_AND_THEN, OTHER, UUID, by_hash, by_value, hex, import, of, open, request};

on_both!(
    warnings_are_about_keys_without_errors_alone,
    a_warning_of_unknown_formats_names_those_of_the_environment,
);

async fn warnings_are_about_keys_without_errors_alone(database: Database) {
    let shop = open(database).await;
    let _ = import(&shop, vec![by_value(UUID)]).await;
    let expired = |value: &str| {
        let expiry = Some(Expiry::ExpireTime(NOW_AND_THEN));
        ImportedKey { key: Some(CreateKeyRequest { expiry, ..key("", "") }), ..by_value(value) }
    };
    let hashed = by_hash("legacy", "sha512", &hex(&Sha512::digest("another value")));
    let keys = vec![expired(UUID), expired(OTHER), hashed.clone(), hashed];
    let ask = ImportKeysRequest { validate_only: true, ..request(keys) };
    let checked = shop.operator.keys().import_keys(ask).await.expect("checked").into_inner();
    assert_eq!(checked.errors.iter().map(|error| error.index).collect::<Vec<_>>(), [0, 3]);
    let warned = checked.warnings.iter().map(|w| (w.index, w.description.split(' ').next().unwrap_or("")));
    assert_eq!(warned.collect::<Vec<_>>(), [(1, "has"), (2, "is")], "of each one key: {checked:?}");
}

async fn a_warning_of_unknown_formats_names_those_of_the_environment(database: Database) {
    let shop = open(database).await;
    let hashed = |environment: &str| {
        let imported = by_hash("secret", "sha256", &hex(&Sha256::digest(environment)));
        let key = CreateKeyRequest { environment: environment.into(), ..imported.key.expect("a key") };
        ImportedKey { key: Some(key), ..of(imported.secret.expect("a hash")) }
    };
    let warnings = import(&shop, vec![hashed("test"), hashed("live")]).await.warnings;
    let formats = warnings.iter().map(|warning| {
        let has = |prefix: &str| warning.description.contains(prefix);
        (warning.index, has("shop_test_"), has("shop_live_"))
    });
    assert_eq!(formats.collect::<Vec<_>>(), [(0, true, false), (1, false, true)], "{warnings:?}");
}
