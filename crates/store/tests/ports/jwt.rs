//! Access tokens at the gate: a valid one costs no query, and one that Latchkey would never have signed is
//! invalid, even if its author has the signing key.

use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_core::reason::Reason;
use latchkey_core::secret::PlainKey;
use serde_json::{Value, json};

use crate::database::TestDatabase;
use crate::harness::{EMAIL, Harness, PASSWORD, call};

on_both!(a_cached_token_needs_no_query, claims_that_latchkey_never_signs_are_refused);

async fn a_cached_token_needs_no_query(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let (_, value) = harness.key().await;
    let _ = harness.user().await;
    let keys = harness.issue(&value).await.access;
    let users = harness.sign_in("acme", EMAIL, PASSWORD).await.unwrap().access;
    for token in [&keys, &users] {
        assert_eq!(harness.denied(token.reveal()).await, None);
    }
    let before = harness.asked.load(Ordering::SeqCst);
    for _ in 0..100 {
        for token in [&keys, &users] {
            assert_eq!(harness.denied(token.reveal()).await, None);
        }
    }
    assert_eq!(harness.asked.load(Ordering::SeqCst), before);
    let malformed = format!("{}x", keys.reveal());
    assert_eq!(harness.denied(&malformed).await, Some(Reason::InvalidCredential));
    assert_eq!(harness.asked.load(Ordering::SeqCst), before, "a wrong signature costs no query either");
}

/// A valid token's header and claims, and a signer of modified ones with the same key.
struct TokenForger<'a> {
    harness: &'a Harness,
    head: Value,
    claims: Value,
}

impl<'a> TokenForger<'a> {
    fn new(harness: &'a Harness, token: &str) -> Self {
        let part = |n: usize| {
            let part = URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap();
            serde_json::from_slice(&part).unwrap()
        };
        Self { harness, head: part(0), claims: part(1) }
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(head), part(claims));
        let ring = self.harness.cache.key_ring();
        let signer =
            ring.get(self.head["kid"].as_str().unwrap()).unwrap().record.material(&self.harness.sealer);
        let algorithm = jsonwebtoken::Algorithm::EdDSA;
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &signer.unwrap().signer(), algorithm);
        format!("{message}.{}", signature.unwrap())
    }

    fn head(&self, name: &str, value: Value) -> String {
        let mut head = self.head.clone();
        head[name] = value;
        self.sign(&head, &self.claims)
    }

    fn claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        self.sign(&self.head, &claims)
    }

    fn without(&self, name: &str) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        self.sign(&self.head, &claims)
    }
}

async fn claims_that_latchkey_never_signs_are_refused(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let (_, value) = harness.key().await;
    let good = harness.issue(&value).await.access;
    let forger = TokenForger::new(&harness, good.reveal());
    assert_eq!(
        harness.denied(&forger.sign(&forger.head, &forger.claims)).await,
        None,
        "the forger's signature is valid"
    );
    let iat = forger.claims["iat"].as_i64().unwrap();
    let mut forged = vec![
        forger.head("alg", json!("none")),
        forger.head("alg", json!("HS256")),
        forger.head("typ", json!("JWT")),
        forger.head("kid", json!("unknown")),
        forger.head("crit", json!(["exp"])),
        forger.head("jwk", json!({ "kty": "oct", "k": "AAAA" })),
        forger.head("jku", json!("https://evil.example")),
        forger.head("x5c", json!([])),
        forger.head("zip", json!("DEF")),
        forger.head("b64", json!(false)),
        forger.claim("iss", json!("https://evil.example")),
        forger.claim("iss", json!(["https://shop.example.dev"])),
        forger.claim("aud", json!("another")),
        forger.claim("aud", json!(["shop"])),
        forger.claim("aud", json!({ "shop": true })),
        forger.claim("iat", json!(iat + 6)),
        forger.claim("nbf", json!(iat + 6)),
        forger.claim("iat", json!("now")),
        forger.claim("exp", json!(1e300)),
        forger.claim("exp", json!("never")),
        forger.claim("sub", json!("key_00000000000070008000000000000000")),
        forger.claim("sid", json!("fam_00000000000070008000000000000000")),
        forger.claim("tid", json!("00000000-0000-7000-8000-000000000000")),
        forger.claim("scope", json!(["items.read"])),
        forger.claim("admin", json!(true)),
    ];
    let names = ["iss", "aud", "sub", "exp", "iat", "nbf", "jti", "client_id", "sid", "tid", "scope"];
    forged.extend(names.map(|name| forger.without(name)));
    for token in forged {
        assert_eq!(harness.denied(&token).await, Some(Reason::InvalidCredential), "{token}");
    }
    assert_eq!(
        harness.denied(&forger.claim("iat", json!(iat + 5))).await,
        None,
        "the tolerance of clocks is five seconds"
    );
    let over = forger.claim("exp", json!(iat - 5));
    assert_eq!(harness.denied(&over).await, Some(Reason::Expired));
    for forged in [forger.head("crit", json!(["exp"])), forger.claim("sid", json!("fam_x"))] {
        assert_eq!(
            harness.tokens.revoke(&PlainKey::new(forged), &call()).await,
            Ok(0),
            "the token belongs to no family"
        );
    }
    assert_eq!(harness.denied(good.reveal()).await, None);
}

/// Reads the whole file of the embedded database; the other database has the same columns.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_kept_as_hashes_and_sealed() {
    let harness = Harness::new(TestDatabase::sqlite().await, "EdDSA").await;
    let (_, value) = harness.key().await;
    let first = harness.issue(&value).await;
    let second = harness.renew(&first.refresh).await.unwrap();
    let file = harness.database.url.strip_prefix("sqlite:").unwrap();
    let bytes = [file.to_owned(), format!("{file}-wal")].map(|file| std::fs::read(file).unwrap_or_default());
    let kept = String::from_utf8_lossy(&bytes.concat()).into_owned();
    assert!(
        kept.contains("token_families") && kept.contains("items.read"),
        "the file contains the database's text"
    );
    for secret in [&first.refresh, &second.refresh, &first.access, &second.access, &value] {
        let text = secret.reveal();
        for part in [text, &text[4..text.len() - 6]] {
            assert!(!kept.contains(part), "a secret is stored in plain text");
        }
    }
}
