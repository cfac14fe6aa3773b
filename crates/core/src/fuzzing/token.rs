//! Target of the verification of JWTs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::ports::tokens::SigningKeys;
use crate::seal::Sealer;
use crate::time::Timestamp;
use crate::token::material::KeyMaterial;
use crate::token::{
    Claims, KeyRing, SigningAlgorithm, SigningKeyRecord, check_validity_period, looks_like_jwt,
    unverified_issuer, verify,
};

const NOW: Timestamp = Timestamp(1_000_000);

/// A key ring, and the tokens that its keys signed. The keys are the same in every run, so that the corpus can have
/// the tokens; keys of the other algorithms can't be made from a seed.
static SIGNED: LazyLock<(KeyRing, Vec<String>)> = LazyLock::new(|| {
    let mut random = StdRng::from_seed([5; 32]);
    let sealer = Sealer::new(&[9; 32]);
    let keys = [SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256].map(|algorithm| {
        let material = KeyMaterial::generate(algorithm, &mut random).expect("a seed makes a key");
        SigningKeyRecord::new("p", &material, NOW, NOW, &sealer, &mut random).expect("a key can be sealed")
    });
    let (key_ring, failed) = KeyRing::open(SigningKeys { keys: keys.into(), revision: 1 }, &sealer, NOW);
    assert!(failed.is_empty());
    let mut tokens: Vec<String> =
        key_ring.iter().map(|key| key.sign(&claims()).expect("a key signs")).collect();
    tokens.sort();
    (key_ring, tokens)
});

/// Claims of a token that is valid at [`NOW`].
pub(crate) fn claims() -> Claims {
    Claims {
        iss: "https://p".into(),
        aud: "p".into(),
        sub: "key_0000000000007000800000000000000a".into(),
        exp: 1_300,
        iat: 1_000,
        nbf: 1_000,
        jti: "j".into(),
        client_id: "key_0000000000007000800000000000000a".into(),
        sid: "fam_0000000000007000800000000000000b".into(),
        tid: "00000000-0000-7000-8000-00000000000c".into(),
        env: Some("live".into()),
        scope: "a b".into(),
        role: None,
        bindings: BTreeMap::new(),
    }
}

/// Verifies a text as a token, in which `H0`, `C0` and `S0` stand for the header, claims and signature of the first signed
/// token, and `H1`, `C1` and `S1` for those of the second. A text of two lines is a header and claims, which are signed
/// with a valid signature first; in such a header, `KEY` stands for the identifier of the key.
///
/// # Panics
///
/// Panics if a token is accepted that no key signed, or whose header or claims are not those of an access token.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (key_ring, tokens) = &*SIGNED;
    let token = with_parts(text, tokens);
    let signed = tokens.contains(&token);
    assert_eq!(verify(&token, key_ring).is_ok(), signed, "{token}");
    if signed {
        assert!(looks_like_jwt(&token) && unverified_issuer(&token).as_deref() == Some("https://p"));
    }
    if let Some((header, claims)) = text.split_once('\n') {
        signed_by_a_key(header, claims);
    }
}

fn with_parts(text: &str, tokens: &[String]) -> String {
    let mut text = text.to_owned();
    for (index, token) in tokens.iter().enumerate() {
        for (name, part) in ["H", "C", "S"].iter().zip(token.split('.')) {
            text = text.replace(&format!("{name}{index}"), part);
        }
    }
    text
}

fn signed_by_a_key(header: &str, claims: &str) {
    let (key_ring, _) = &*SIGNED;
    let key = key_ring.iter().find(|key| key.record.algorithm == SigningAlgorithm::Hs256);
    let key = key.expect("one key has this algorithm");
    let header = header.replace("KEY", &key.record.id);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(claims));
    let material = key.record.material(&Sealer::new(&[9; 32])).expect("the key is sealed with this one");
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &material.signer(), jsonwebtoken::Algorithm::HS256);
    let token = format!("{message}.{}", signature.expect("a key signs"));
    let _ = unverified_issuer(&token);
    let Ok(verified) = verify(&token, key_ring) else { return };
    let header: Value = serde_json::from_str(&header).expect("an accepted header is JSON");
    let expected = serde_json::json!({ "alg": "HS256", "typ": "at+jwt", "kid": &*key.record.id });
    assert_eq!(header, expected);
    let sent: Value = serde_json::from_str(claims).expect("accepted claims are JSON");
    assert_claims(&sent, &verified.claims);
    let _ = check_validity_period(&verified.claims, NOW);
}

/// Checks that the parsed claims equal those that were sent. Optional claims may be sent as `null`, and
/// bindings as an empty map.
fn assert_claims(sent: &Value, read: &Claims) {
    let written = serde_json::to_value(read).expect("claims are JSON");
    let (Some(sent), Some(written)) = (sent.as_object(), written.as_object()) else {
        panic!("claims are an object")
    };
    assert!(written.iter().all(|(name, value)| sent.get(name) == Some(value)), "{sent:?} and {written:?}");
    let mut more = sent.iter().filter(|(name, _)| !written.contains_key(*name));
    assert!(
        more.all(|(_, value)| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty))
    );
}
