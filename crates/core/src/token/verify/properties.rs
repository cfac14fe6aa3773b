//! Properties of verification for arbitrary input: it never panics, and a token that differs from a signed one in any
//! byte is refused.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::tests::{claims, key_ring, record};
use super::*;

/// A key ring with a key of each algorithm but RS256, whose key takes a second to generate, and their tokens.
static SIGNED: LazyLock<(KeyRing, Vec<String>)> = LazyLock::new(|| {
    let algorithms = [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256, SigningAlgorithm::Hs256];
    let key_ring = key_ring(algorithms.map(|algorithm| record(algorithm, 1)).into());
    let tokens = key_ring.iter().map(|key| key.sign(&claims()).unwrap()).collect();
    (key_ring, tokens)
});

/// A change of a text: the place, the number of characters that are removed, and those that are inserted.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, String)>> {
    let inserted = prop_oneof![Just(String::new()), "[A-Za-z0-9_.=-]{1,3}", "\\PC{1,2}"];
    prop::collection::vec((any::<prop::sample::Index>(), 0..4usize, inserted), 1..4)
}

fn changed(text: &str, changes: &[(prop::sample::Index, usize, String)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, removed, inserted) in changes {
        let from = place.index(characters.len() + 1);
        let to = (from + removed).min(characters.len());
        characters.splice(from..to, inserted.chars());
    }
    characters.into_iter().collect()
}

proptest! {
    #[test]
    fn a_changed_token_is_refused(token in any::<prop::sample::Index>(), changes in changes()) {
        let (key_ring, tokens) = &*SIGNED;
        let token = token.get(tokens);
        let text = changed(token, &changes);
        prop_assert_eq!(verify(&text, key_ring).is_ok(), text == *token, "{}", text);
        let _ = (looks_like_jwt(&text), unverified_issuer(&text));
    }

    #[test]
    fn parts_of_any_json_never_panic(
        header in "\\{(\"(alg|typ|kid|crit|jwk)\":(\"(at\\+jwt|EdDSA|none|\\PC{0,4})\"|[0-9]{1,3}|null|\\{\\}),?){0,4}\\}?",
        body in "\\{(\"(iss|sub|exp|iat)\":(\"\\PC{0,4}\"|-?[0-9]{1,30}|null|\\[\\]),?){0,4}\\}?",
        signature in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let token = format!("{}.{}.{}", part(header.as_bytes()), part(body.as_bytes()), part(&signature));
        prop_assert!(verify(&token, &SIGNED.0).is_err());
        let _ = unverified_issuer(&token);
    }

    #[test]
    fn any_text_never_panics(text in "[eyJ.A-Za-z0-9_=-]{0,40}|\\PC{0,40}") {
        prop_assert!(verify(&text, &SIGNED.0).is_err());
        let _ = (looks_like_jwt(&text), unverified_issuer(&text));
    }
}
