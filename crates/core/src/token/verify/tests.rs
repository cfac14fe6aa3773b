//! Tests of attacks on tokens. Each attack differs in one thing from a token that is valid.

mod table;

use std::time::Duration;

use base64::Engine as _;
use rand::SeedableRng;
use serde_json::{Value, json};

use super::*;
use crate::ports::tokens::SigningKeys;
use crate::seal::Sealer;
use crate::token::key_ring::UnsealedSigningKey;
use crate::token::material::KeyMaterial;
use crate::token::{SigningAlgorithm, SigningKeyRecord};

const NOW: Timestamp = Timestamp(1_000_000);

pub(super) fn record(algorithm: SigningAlgorithm, seed: u8) -> SigningKeyRecord {
    let mut random = rand::rngs::StdRng::from_seed([seed; 32]);
    let material = KeyMaterial::generate(algorithm, &mut random).unwrap();
    let sealer = Sealer::new(&[9; 32]);
    SigningKeyRecord::new("p", &material, NOW, NOW, &sealer, &mut random).unwrap()
}

pub(super) fn key_ring(records: Vec<SigningKeyRecord>) -> KeyRing {
    let stored = SigningKeys { keys: records, revision: 1 };
    let (key_ring, failed) = KeyRing::open(stored, &Sealer::new(&[9; 32]), NOW);
    assert!(failed.is_empty(), "{failed:?}");
    key_ring
}

pub(super) use crate::fuzzing::claims;

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Returns a token of any header and claims with a valid signature of this key.
fn forge(head: &Value, body: &Value, key: &UnsealedSigningKey) -> String {
    let message = format!("{}.{}", encode(head), encode(body));
    let material = key.record.material(&Sealer::new(&[9; 32])).unwrap();
    let algorithm = key.record.algorithm.library();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &material.signer(), algorithm).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_token_of_every_algorithm_is_verified() {
    for algorithm in SigningAlgorithm::ALL {
        let key_ring = key_ring(vec![record(algorithm, 1)]);
        let key = key_ring.signing("p", algorithm, NOW).unwrap();
        let token = key.sign(&claims()).unwrap();
        assert!(looks_like_jwt(&token));
        let read = verify(&token, &key_ring).unwrap();
        assert_eq!((read.claims, &*read.profile), (claims(), "p"));
        let mut broken = token.into_bytes();
        let last = broken.len() - 5;
        broken[last] = if broken[last] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            verify(std::str::from_utf8(&broken).unwrap(), &key_ring).unwrap_err(),
            TokenError::Signature
        );
    }
}

#[test]
fn headers_that_latchkey_never_writes_are_refused() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::EdDsa, 1)]);
    let key = key_ring.iter().next().unwrap();
    let kid = &*key.record.id;
    let good = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid});
    let body = serde_json::to_value(claims()).unwrap();
    assert!(verify(&forge(&good, &body, key), &key_ring).is_ok());
    let with = |name: &str, value: Value| {
        let mut head = good.clone();
        head[name] = value;
        verify(&forge(&head, &body, key), &key_ring).unwrap_err()
    };
    assert_eq!(with("alg", json!("none")), TokenError::Algorithm);
    assert_eq!(with("alg", json!("HS256")), TokenError::Algorithm);
    assert_eq!(with("alg", json!("eddsa")), TokenError::Algorithm);
    assert_eq!(with("kid", json!("other")), TokenError::UnknownKey);
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!(null)),
        ("kid", json!(7)),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("jwk", json!({})),
        ("jku", json!("https://x")),
        ("b64", json!(false)),
    ] {
        assert_eq!(with(name, value), TokenError::Header, "{name}");
    }
    let mut head = good.clone();
    head.as_object_mut().unwrap().remove("kid");
    assert_eq!(verify(&forge(&head, &body, key), &key_ring).unwrap_err(), TokenError::Header);
}

#[test]
fn the_public_key_used_as_a_secret_signs_nothing() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::Rs256, 1)]);
    let key = key_ring.iter().next().unwrap();
    let kid = &*key.record.id;
    let jwks: Value = serde_json::from_str(&key_ring.jwks().body).unwrap();
    let public = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["n"].as_str().unwrap()).unwrap();
    for alg in ["HS256", "RS256"] {
        let head = json!({"alg": alg, "typ": "at+jwt", "kid": kid});
        let message = format!("{}.{}", encode(&head), encode(&serde_json::to_value(claims()).unwrap()));
        let secret = jsonwebtoken::EncodingKey::from_secret(&public);
        let tag = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, jsonwebtoken::Algorithm::HS256);
        assert!(verify(&format!("{message}.{}", tag.unwrap()), &key_ring).is_err());
    }
}

#[test]
fn claims_of_another_form_are_refused() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::EdDsa, 1)]);
    let key = key_ring.iter().next().unwrap();
    let head = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": &*key.record.id});
    let good = serde_json::to_value(claims()).unwrap();
    for name in ["iss", "aud", "sub", "exp", "iat", "nbf", "jti", "client_id", "sid", "tid", "scope"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(name);
        assert_eq!(
            verify(&forge(&head, &body, key), &key_ring).unwrap_err(),
            TokenError::Claims,
            "without {name}"
        );
        body[name] = json!(["x"]);
        assert_eq!(
            verify(&forge(&head, &body, key), &key_ring).unwrap_err(),
            TokenError::Claims,
            "odd {name}"
        );
    }
    for (name, value) in
        [("sub", json!("x")), ("exp", json!("1300")), ("exp", json!(1300.5)), ("more", json!(1))]
    {
        let mut body = good.clone();
        body[name] = value;
        assert_eq!(verify(&forge(&head, &body, key), &key_ring).unwrap_err(), TokenError::Claims, "{name}");
    }
}

#[test]
fn a_value_without_the_format_of_a_token_is_refused() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::EdDsa, 1)]);
    let token = key_ring.iter().next().unwrap().sign(&claims()).unwrap();
    let long = format!("{token}{}", "A".repeat(MAX_TOKEN_BYTES));
    for odd in
        ["", ".", "..", "eyJ", &token[..token.len() / 3], &format!("{token}.x"), &format!("{token}="), &long]
    {
        assert!(verify(odd, &key_ring).is_err(), "{odd}");
    }
    assert!(!looks_like_jwt("sk_live_0123") && !looks_like_jwt("eyJ.a") && !looks_like_jwt("eyJ.a.b.c"));
}

#[test]
fn validity_is_checked_with_five_seconds_of_leeway() {
    let at = |seconds: i64| check_validity_period(&claims(), Timestamp(seconds * 1000));
    assert_eq!((at(994), at(995)), (Err(TokenError::NotYetValid), Ok(())));
    assert_eq!((at(1_304), at(1_305)), (Ok(()), Err(TokenError::Expired)));
    let early = Claims { nbf: 1_200, ..claims() };
    assert_eq!(check_validity_period(&early, Timestamp(1_100_000)), Err(TokenError::NotYetValid));
    let absurd = Claims { exp: i64::MAX, iat: i64::MIN, ..claims() };
    assert_eq!(check_validity_period(&absurd, NOW), Ok(()));
}

#[test]
fn a_withdrawn_or_spent_key_verifies_nothing_and_no_secret_is_published() {
    let mut keys: Vec<_> = SigningAlgorithm::ALL.into_iter().zip(1..).map(|(a, n)| record(a, n)).collect();
    let token =
        key_ring(keys.clone()).signing("p", SigningAlgorithm::EdDsa, NOW).unwrap().sign(&claims()).unwrap();
    assert!(verify(&token, &key_ring(keys.clone())).is_ok());
    keys[0].withdrawn = Some(NOW);
    keys[1].signs_until = Some(Timestamp(0));
    let key_ring = key_ring(keys.clone());
    assert_eq!(verify(&token, &key_ring).unwrap_err(), TokenError::UnknownKey);
    let jwks: Value = serde_json::from_str(&key_ring.jwks().body).unwrap();
    let published = jwks["keys"].as_array().unwrap();
    assert_eq!(published.len(), 1, "RS256 alone: {jwks}");
    assert_eq!((&published[0]["alg"], &published[0]["use"]), (&json!("RS256"), &json!("sig")));
    assert!(published[0].get("d").is_none() && published[0].get("k").is_none());
}

#[test]
fn the_newest_key_whose_signing_time_has_begun_signs() {
    let mut keys = vec![
        record(SigningAlgorithm::EdDsa, 1),
        record(SigningAlgorithm::EdDsa, 2),
        record(SigningAlgorithm::Es256, 3),
    ];
    keys[1].signs_from = NOW.plus(Duration::from_secs(60));
    let key_ring = key_ring(keys.clone());
    assert_eq!(key_ring.signing("p", SigningAlgorithm::EdDsa, NOW).unwrap().record.id, keys[0].id);
    let later = NOW.plus(Duration::from_secs(60));
    assert_eq!(key_ring.signing("p", SigningAlgorithm::EdDsa, later).unwrap().record.id, keys[1].id);
    assert!(key_ring.signing("q", SigningAlgorithm::EdDsa, NOW).is_none());
    assert!(key_ring.get(&keys[1].id).is_some(), "it is published already");
}
