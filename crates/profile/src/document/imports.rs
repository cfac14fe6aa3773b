//! `format` and `hashes` of a kind: keys of another system that are keys of this kind.

use latchkey_core::imported_hash::{HashAlgorithm, HashScheme};
use latchkey_core::key_kind::ImportRules;
use latchkey_core::key_kind::pattern::{DEFAULT_SHORTEST, KeyPattern, LONGEST_VALUE, SHORTEST_VALUE};

use crate::reader::{Section, Text, Value};

/// Largest number of hashes of a kind. Each costs a look-up for a value that is no key.
const MOST_HASHES: usize = 4;

/// Reads the keys of another system that a kind accepts. `own` says that the kind has a format of its own.
pub(super) fn read(section: &mut Section<'_>, own: bool) -> ImportRules {
    let format = section.section("format");
    let only = format.is_some() && !own;
    ImportRules { pattern: format.and_then(pattern), only, hashes: hashes(section) }
}

/// Reads `{ pattern = "…", min = 16, max = 64 }`.
fn pattern(mut section: Section<'_>) -> Option<KeyPattern> {
    let text = section.required_text("pattern");
    let min = section.value("min").and_then(|value| length(&value));
    let max = section.required("max").and_then(|value| length(&value));
    let compiled = text.zip(max).and_then(|(text, max)| {
        let min = min.unwrap_or(DEFAULT_SHORTEST.min(max));
        if min > max {
            section.report(format!("\"min\" is {min}, and more than \"max\", which is {max}"));
            return None;
        }
        KeyPattern::new(text.value, min..=max)
            .map_err(|error| text.report(format!("\"{}\" {error}", text.value)))
            .ok()
    });
    section.close();
    compiled
}

/// Returns a number of characters.
fn length(value: &Value<'_>) -> Option<usize> {
    let count = usize::try_from(value.count()?).unwrap_or(usize::MAX);
    if !(SHORTEST_VALUE..=LONGEST_VALUE).contains(&count) {
        value.report(format!(
            "{count} is not a length of keys: {SHORTEST_VALUE} to {LONGEST_VALUE} characters"
        ));
        return None;
    }
    Some(count)
}

/// Reads `["sha512", "hmac-sha256:NAME"]`.
fn hashes(section: &mut Section<'_>) -> Vec<HashScheme> {
    let mut schemes: Vec<HashScheme> = Vec::new();
    for text in section.texts("hashes") {
        let Some(scheme) = scheme(&text) else { continue };
        if schemes.contains(&scheme) {
            text.report(format!("\"{}\" is in the list twice", text.value));
        } else if schemes.len() == MOST_HASHES {
            text.report(format!("a kind has at most {MOST_HASHES} hashes"));
        } else {
            schemes.push(scheme);
        }
    }
    schemes
}

fn scheme(text: &Text<'_>) -> Option<HashScheme> {
    let (name, secret) = text.value.split_once(':').map_or((text.value, None), |(n, s)| (n, Some(s)));
    let Some(algorithm) = HashAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name) else {
        text.report(format!("\"{}\" is not one of {}", text.value, choices()));
        return None;
    };
    match (algorithm, secret) {
        (HashAlgorithm::Sha256, _) => {
            text.report("\"sha256\" needs no declaration: every kind accepts it");
            None
        }
        (HashAlgorithm::HmacSha256, Some(secret)) if is_name(secret) => {
            Some(HashScheme { secret_name: secret.into(), ..HashScheme::plain(algorithm) })
        }
        (HashAlgorithm::HmacSha256, _) => {
            text.report(format!(
                "\"{}\" needs the name of its secret, as in \"hmac-sha256:old-system\": 1 to 63 letters, digits, \
                 and \"_\", \"-\" or \".\". The secret itself is set by `latchkey profile secret set`",
                text.value
            ));
            None
        }
        (HashAlgorithm::Sha512 | HashAlgorithm::Sha256OfHex, Some(_)) => {
            text.report(format!("{name} has no secret: write \"{name}\""));
            None
        }
        (HashAlgorithm::Sha512 | HashAlgorithm::Sha256OfHex, None) => Some(HashScheme::plain(algorithm)),
    }
}

fn is_name(name: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    (1..=63).contains(&name.len()) && name.bytes().all(valid)
}

fn choices() -> &'static str {
    "sha512, sha256-of-hex, hmac-sha256:NAME (sha256 needs no declaration)"
}
