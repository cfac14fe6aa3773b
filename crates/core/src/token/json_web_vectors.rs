//! Wycheproof's vectors of JSON Web Signatures: modified and truncated tokens, padding and encoding of signatures,
//! unsigned tokens, embedded keys, and keys of another algorithm.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;

use super::SigningAlgorithm;
use super::key_ring::KeyRing;
use super::verify::{has_valid_signature, verify};

#[derive(Deserialize)]
struct Vectors {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    key: Value,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    jws: String,
    result: String,
}

impl Group {
    fn algorithm(&self) -> SigningAlgorithm {
        let name = self.key["alg"].as_str().unwrap();
        let all = [SigningAlgorithm::Hs256, SigningAlgorithm::Es256, SigningAlgorithm::Rs256];
        all.into_iter().find(|algorithm| algorithm.name() == name).unwrap()
    }

    fn verifier(&self) -> DecodingKey {
        let mut key = self.key.clone();
        // The secret of HS256 is used as it is, and the library requires other fields of such a key.
        if self.algorithm() == SigningAlgorithm::Hs256 {
            let secret = URL_SAFE_NO_PAD.decode(key["k"].as_str().unwrap()).unwrap();
            return DecodingKey::from_secret(&secret);
        }
        key.as_object_mut()
            .unwrap()
            .retain(|name, _| ["kty", "n", "e", "crv", "x", "y"].contains(&name.as_str()));
        DecodingKey::from_jwk(&serde_json::from_value::<Jwk>(key).unwrap()).unwrap()
    }
}

/// Vectors that do not test the property that they name: 367 and 370 are valid tokens, without the padding that makes
/// them invalid, and 372 and 373 are valid for decoders alone that ignore other characters.
const UNCLEAR: [u32; 4] = [367, 370, 372, 373];

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/json_web_signature.json")).unwrap()
}

/// Verifies a token as [`verify`] does for the key that the header names, up to the claims: the header must be JSON in
/// base64url and name the algorithm of the key.
fn is_accepted(token: &str, algorithm: SigningAlgorithm, verifier: &DecodingKey) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else { return false };
    let Some((header, body)) = message.split_once('.') else { return false };
    let (Ok(header), Ok(_)) = (URL_SAFE_NO_PAD.decode(header), URL_SAFE_NO_PAD.decode(body)) else {
        return false;
    };
    let Ok(header) = serde_json::from_slice::<Value>(&header) else { return false };
    header["alg"] == algorithm.name()
        && header.get("jwk").is_none()
        && has_valid_signature(message, signature, algorithm, verifier)
}

#[test]
fn signatures_are_accepted_and_refused_as_the_vectors_say() {
    let (mut valid, mut invalid) = (0, 0);
    for group in vectors().groups {
        let (algorithm, verifier) = (group.algorithm(), group.verifier());
        for Vector { tc_id, comment, jws, result } in &group.tests {
            if UNCLEAR.contains(tc_id) {
                continue;
            }
            let accepted = is_accepted(jws, algorithm, &verifier);
            if result == "valid" {
                assert!(accepted, "vector {tc_id} ({comment}) is valid");
                valid += 1;
            } else {
                assert!(!accepted, "vector {tc_id} ({comment}) is invalid");
                invalid += 1;
            }
        }
    }
    assert!(valid >= 15 && invalid >= 250, "{valid} valid and {invalid} invalid vectors");
}

/// A token that is valid under one key is refused under every key of another algorithm, whose public key an attacker
/// could use as a shared secret.
#[test]
fn a_key_of_another_algorithm_accepts_no_token() {
    let groups = vectors().groups;
    for signed in &groups {
        for other in groups.iter().filter(|other| other.algorithm() != signed.algorithm()) {
            let (algorithm, verifier) = (other.algorithm(), other.verifier());
            for Vector { tc_id, jws, .. } in &signed.tests {
                assert!(!is_accepted(jws, algorithm, &verifier), "vector {tc_id} under {algorithm}");
            }
        }
    }
}

#[test]
fn no_vector_is_an_access_token() {
    for vector in vectors().groups.iter().flat_map(|group| &group.tests) {
        assert!(verify(&vector.jws, &KeyRing::default()).is_err(), "vector {}", vector.tc_id);
    }
}
