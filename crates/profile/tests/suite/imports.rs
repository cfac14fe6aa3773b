//! Formats in characters, formats of other systems and their hashes.

use latchkey_core::imported_hash::HashAlgorithm;
use latchkey_core::ports::Policies as _;
use latchkey_profile::{Catalog, Profile, profile_conflicts};

use crate::support::profile;

const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";
const UUIDS: &str = r#"format = { pattern = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", max = 36 }"#;

fn document(kind: &str) -> String {
    format!("name = \"p\"\n[[kinds]]\nname = \"secret\"\n{kind}\n")
}

fn mistakes(kind: &str) -> String {
    Profile::compile(&document(kind), 1).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_secret_is_as_long_as_its_bytes_or_its_characters_say() {
    let length = |secret: &str| {
        let profile = profile(&document(&format!("prefix = \"k_\"\nsecret = \"{secret}\"")));
        profile.policy.kinds[0].characters
    };
    assert_eq!((length("base62:32"), length("base62:len=32")), (43, 32));
    assert_eq!((length("hex:16"), length("hex:len=33")), (32, 33));
    assert_eq!((length("base64url:16"), length("base64url:len=22")), (22, 22));
    assert_eq!((length("base62:len=22"), length("base62:len=86"), length("hex:len=128")), (22, 86, 128));
    for (secret, words) in [
        ("base62:len=21", "21 characters; this alphabet needs 22 to 86"),
        ("base62:len=87", "22 to 86"),
        ("hex:len=31", "31 characters; this alphabet needs 32 to 128"),
        ("base64url:len=21", "22 to 86"),
        ("base62:len=", "is not a secret"),
        ("base62:len=+32", "is not a secret"),
        ("base62:length=32", "\"base62:len=32\""),
        ("base62:15", "16 to 64 bytes"),
        ("base32:len=32", "is not a secret"),
    ] {
        let error = mistakes(&format!("prefix = \"k_\"\nsecret = \"{secret}\""));
        assert!(error.contains(words), "{secret}: {error}");
    }
}

#[test]
fn a_kind_with_a_pattern_alone_is_imported_only() {
    let uuids = profile(&document(UUIDS));
    let kind = &uuids.policy.kinds[0];
    assert!(kind.imports.only && kind.default && uuids.policy.accepts_key(UUID));
    assert!(!uuids.policy.accepts_key(&"a".repeat(43)) && !uuids.policy.accepts_key(&UUID.to_uppercase()));
    assert_eq!(uuids.policy.environments.iter().map(|e| &**e).collect::<Vec<_>>(), ["live", "test"]);
    let both =
        profile(&document(&format!("{UUIDS}\nprefix = \"k_\"\nhashes = [\"sha512\", \"hmac-sha256:old\"]")));
    let kind = &both.policy.kinds[0];
    assert!(!kind.imports.only && both.policy.accepts_key(UUID));
    assert!(both.policy.accepts_key(&format!("k_{}", "a".repeat(43))));
    let hashes: Vec<(HashAlgorithm, &str)> =
        kind.imports.hashes.iter().map(|scheme| (scheme.algorithm, &*scheme.secret_name)).collect();
    assert_eq!(hashes, [(HashAlgorithm::Sha512, ""), (HashAlgorithm::HmacSha256, "old")]);
}

#[test]
fn mistakes_of_patterns_and_hashes_say_what_to_write() {
    let format = |fields: &str| format!("format = {{ {fields} }}");
    for (kind, words) in [
        (String::new(), "a kind has either \"prefix\" or \"prefixes\""),
        (format("pattern = \"[0-9a-f]{32}\""), "\"max\" is missing"),
        (format("max = 32"), "\"pattern\" is missing"),
        (format("pattern = \"(\", max = 32"), "is not a regular expression: unclosed group"),
        (format("pattern = \"[0-9]{8}\", max = 32"), "matches no value of 16 to 32"),
        (format("pattern = \"[0-9]{16}\", max = 32"), "53 bits, and at least 64"),
        (format("pattern = \"(a|b){99}{99}{99}\", max = 32"), "is too large"),
        (format("pattern = \"[a-z]+\", max = 4"), "8 to 512 characters"),
        (format("pattern = \"[a-z]+\", max = 9000"), "8 to 512 characters"),
        (format("pattern = \"[a-z]+\", min = 33, max = 32"), "\"min\" is 33"),
        (format("pattern = \"[a-z]+\", max = 32, longest = 3"), "the fields here are: pattern, min, max"),
        (format!("{UUIDS}\nsecret = \"hex:32\""), "need a \"prefix\""),
        (format!("{UUIDS}\nchecksum = true"), "need a \"prefix\""),
        (
            format!("{UUIDS}\nhashes = [\"md5\"]"),
            "\"md5\" is not one of sha512, sha256-of-hex, hmac-sha256:NAME",
        ),
        (format!("{UUIDS}\nhashes = [\"sha256\"]"), "needs no declaration"),
        (format!("{UUIDS}\nhashes = [\"hmac-sha256\"]"), "needs the name of its secret"),
        (format!("{UUIDS}\nhashes = [\"hmac-sha256:my secret\"]"), "needs the name of its secret"),
        (format!("{UUIDS}\nhashes = [\"sha512:old\"]"), "sha512 has no secret"),
        (format!("{UUIDS}\nhashes = [\"sha512\", \"sha512\"]"), "twice"),
        (
            format!(
                "{UUIDS}\nhashes = [\"hmac-sha256:a\", \"hmac-sha256:b\", \"hmac-sha256:c\", \"sha512\", \"sha256-of-hex\"]"
            ),
            "at most 4 hashes",
        ),
    ] {
        let error = mistakes(&kind);
        assert!(error.contains(words), "{kind}: {error}");
    }
}

#[test]
fn profiles_without_hosts_are_distinguished_by_patterns_too() {
    let of = |name: &str, kind: &str| profile(&document(kind).replace("\"p\"", &format!("\"{name}\"")));
    let catalog = Catalog::new();
    catalog.replace_all(vec![
        of("a", UUIDS),
        of("b", "format = { pattern = \"[A-Z0-9]{20,40}\", max = 40 }\nhashes = [\"sha512\"]"),
    ]);
    assert!(catalog.matches_key_format(UUID) && catalog.matches_key_format(&"A".repeat(30)));
    assert!(!catalog.matches_key_format("something-else"));
    assert_eq!(catalog.imported_hashes(&"A".repeat(30)).len(), 1);
    assert!(catalog.imported_hashes(UUID).is_empty(), "the kind of the other profile declares none");
}

#[test]
fn profiles_whose_keys_cannot_be_distinguished_do_not_share_a_host() {
    let of = |name: &str, kind: &str| {
        let document = document(kind).replace("\"p\"", &format!("\"{name}\""));
        format!("{document}\n[[hosts]]\nhost = \"api.example.com\"\n")
    };
    let conflict = |own: &str, other: &str| {
        let other = profile(&of("other", other));
        profile_conflicts(&of("own", own), [&other]).map_err(|errors| errors.to_string())
    };
    assert_eq!(conflict(UUIDS, "prefix = \"k_\""), Ok(()));
    let upper = "format = { pattern = \"[A-Z0-9]{20,40}\", max = 40 }";
    assert_eq!(conflict(UUIDS, upper), Ok(()));
    for (own, other) in [
        (UUIDS, UUIDS),
        (UUIDS, "format = { pattern = \"[0-9a-f-]{30,40}\", max = 40 }"),
        ("prefix = \"k_\"\nsecret = \"hex:16\"", "format = { pattern = \"k_[0-9a-z]{32}\", max = 34 }"),
    ] {
        let error = conflict(own, other).unwrap_err();
        assert!(error.contains("can match"), "{error}");
    }
}

#[test]
fn the_order_of_declared_hashes_does_not_say_which_key_of_a_value_decides() {
    let hashes = |list: &str| {
        let document = format!(
            "name = \"p\"\n[credential]\nsources = [\"header:x-api-key\"]\n[[kinds]]\nname = \"old\"\n\
             format = {{ pattern = \"[0-9a-f]{{32}}\", max = 32 }}\nhashes = {list}\n"
        );
        let profile = Profile::compile(&document, 1).unwrap_or_else(|errors| panic!("{errors}"));
        profile.policy.imported_hashes(&"0f".repeat(16))
    };
    let declared = hashes(r#"["sha512", "sha256-of-hex"]"#);
    assert_eq!(declared.len(), 2);
    assert_eq!(declared, hashes(r#"["sha256-of-hex", "sha512"]"#));
}
