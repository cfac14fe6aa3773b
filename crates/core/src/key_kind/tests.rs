//! Tests of kinds and their formats.

use super::*;

fn kind(encoding: Encoding, checksum: bool) -> KeyKind {
    KeyKind {
        name: "secret".into(),
        default: true,
        prefixes: Prefixes::PerEnvironment(vec![("live".into(), "sk_live_".into())]),
        encoding,
        characters: encoding.characters(32),
        checksum,
        retrievable: false,
        bindings: vec![],
        max_scopes: ScopeSet::default(),
        default_scopes: ScopeSet::default(),
        creates_keys_in: Vec::new(),
        lifetime: LifetimeRules::default(),
        imports: ImportRules::default(),
    }
}

#[test]
fn base62_characters_hold_the_entropy() {
    assert_eq!(Encoding::Base62.characters(32), 43);
    assert_eq!(Encoding::Base62.characters(16), 22);
    assert_eq!(Encoding::Base64Url.characters(32), 43);
}

#[test]
fn a_value_matches_by_prefix_length_and_alphabet() {
    let hex = kind(Encoding::Hex, false);
    let value = format!("sk_live_{}", "a1".repeat(32));
    assert!(hex.matches_format(&value));
    assert!(!hex.matches_format(&value.to_uppercase()) && !hex.matches_format(&value[1..]));
    assert!(!hex.matches_format(&format!("{value}0")) && !hex.matches_format(&value.replace("live", "test")));
    assert!(!hex.matches_format(&value.replace('a', "g")));
}

#[test]
fn a_wrong_checksum_does_not_match() {
    let kind = kind(Encoding::Base62, true);
    let covered = format!("sk_live_{}", "Zz9".repeat(14) + "a");
    let sum = String::from_utf8(checksum(&covered).to_vec()).unwrap();
    assert!(kind.matches_format(&format!("{covered}{sum}")));
    assert!(!kind.matches_format(&format!("{}b{sum}", &covered[..covered.len() - 1])));
}

fn uuids() -> KeyKind {
    let pattern = KeyPattern::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", 36..=36).unwrap();
    let hashes = vec![HashScheme::plain(HashAlgorithm::Sha512)];
    let imports = ImportRules { pattern: Some(pattern), only: true, hashes };
    KeyKind { prefixes: Prefixes::Shared("".into()), imports, ..kind(Encoding::Base62, false) }
}

#[test]
fn a_kind_that_is_imported_only_has_no_format_besides_the_pattern() {
    let uuids = uuids();
    assert!(uuids.matches_format("550e8400-e29b-41d4-a716-446655440000"));
    assert!(!uuids.matches_format(&"a".repeat(43)), "which the kind's own format would be");
    let both = KeyKind {
        imports: ImportRules { only: false, ..uuids.imports.clone() },
        ..kind(Encoding::Hex, false)
    };
    assert!(both.matches_format("550e8400-e29b-41d4-a716-446655440000"));
    assert!(both.matches_format(&format!("sk_live_{}", "a".repeat(64))));
    assert_eq!((uuids.patterns().count(), both.patterns().count()), (1, 2));
}

#[test]
fn imported_hashes_are_computed_for_values_of_the_kind_alone() {
    let uuids = uuids();
    let mut hashes = ImportedHashes::new();
    uuids.add_imported_hashes("something else", &mut hashes);
    assert!(hashes.is_empty());
    let value = "550e8400-e29b-41d4-a716-446655440000";
    uuids.add_imported_hashes(value, &mut hashes);
    uuids.add_imported_hashes(value, &mut hashes);
    assert_eq!(hashes.as_slice(), [uuids.imports.hashes[0].lookup_hash_of(value).unwrap()]);
}

#[test]
fn a_secret_needs_a_name_only_if_there_are_several() {
    let hmac =
        |name: &str| HashScheme { secret_name: name.into(), ..HashScheme::plain(HashAlgorithm::HmacSha256) };
    let mut kind = uuids();
    kind.imports.hashes = vec![hmac("old")];
    let found =
        |kind: &KeyKind, name| kind.hash_scheme(HashAlgorithm::HmacSha256, name).map(|s| s.secret_name);
    assert_eq!((found(&kind, ""), found(&kind, "older")), (Some("old".into()), None));
    kind.imports.hashes.push(hmac("older"));
    assert_eq!((found(&kind, ""), found(&kind, "older")), (None, Some("older".into())));
    assert!(kind.hash_scheme(HashAlgorithm::Sha256, "").is_some());
}
