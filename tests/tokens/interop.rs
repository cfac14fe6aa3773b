//! Verification of tokens by other implementations, with the served key set: Envoy's own `jwt_authn`,
//! `PyJWT`, jose.

use std::collections::BTreeSet;

use latchkey_proto::v1;
use latchkey_testing::{
    Caller, Envoy, EnvoySetup, Latchkey, ProfileBuilder, Provider, Request, SHOP, Setup, eventually, key,
    node, python, with_key,
};
use serde_json::{Value, json};

const PYJWT: &str = include_str!("others/pyjwt.py");
const JOSE: &str = include_str!("others/jose.mjs");

/// Algorithms with public keys.
const PUBLIC: [&str; 3] = ["EdDSA", "ES256", "RS256"];

/// A product for each algorithm.
struct InteropFixture {
    latchkey: Latchkey,
    operator: Caller,
}

fn named(algorithm: &str) -> String {
    format!("shop-{}", algorithm.to_lowercase())
}

fn issuer(algorithm: &str) -> String {
    format!("https://{}.example.dev", named(algorithm))
}

impl InteropFixture {
    async fn open() -> Self {
        let document = |algorithm: &str| {
            ProfileBuilder::from_document(SHOP)
                .set("name", named(algorithm))
                .add("jwt.algorithm", algorithm)
                .set("jwt.issuer", issuer(algorithm))
                .build()
        };
        let all = [PUBLIC.as_slice(), &["HS256"]].concat();
        let setup = Setup::default();
        let setup = all.iter().fold(setup, |setup, one| setup.profile(&named(one), &document(one)));
        let latchkey = setup.start();
        let operator = latchkey.operator();
        for algorithm in all {
            let _ = operator.tenant(&format!("of-{}", named(algorithm)), &named(algorithm), "").await;
        }
        Self { latchkey, operator }
    }

    /// Issues a token of an algorithm; returns it and its subject.
    async fn token(&self, algorithm: &str) -> (String, String) {
        let scopes = vec!["items.read".to_owned()];
        let ask = v1::CreateKeyRequest { scopes, ..key(&format!("of-{}", named(algorithm)), "live") };
        let (made, value) = self.operator.key(ask).await;
        let issued = self.latchkey.anonymous().tokens().issue_jwt(with_key(&value)).await;
        (issued.expect("issued").into_inner().access_token, made.id)
    }

    fn question(&self, algorithm: &str, tokens: &[&str]) -> Value {
        json!({
            "jwks": format!(
                "http://127.0.0.1:{}/.well-known/jwks.json?profile={}",
                self.latchkey.http(),
                named(algorithm)
            ),
            "issuer": issuer(algorithm),
            "audience": "shop",
            "algorithms": [algorithm],
            "tokens": tokens,
        })
    }

    async fn signing_key(&self, algorithm: &str, state: &str) -> String {
        let listed = self.operator.signing_keys().list_signing_keys(v1::ListSigningKeysRequest {}).await;
        let keys = listed.expect("listed").into_inner().keys;
        let found = keys.iter().find(|one| one.profile == named(algorithm) && one.state == state);
        found.unwrap_or_else(|| panic!("no {state} key: {keys:?}")).id.clone()
    }

    /// Rotates the signing key. The new key signs when this returns, and tokens of the previous one stay
    /// valid.
    async fn rotate(&self, algorithm: &str) {
        let before = self.signing_key(algorithm, "signing").await;
        let ask = v1::RotateSigningKeyRequest {
            profile: named(algorithm),
            lead: Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 }),
        };
        let _ = self.operator.signing_keys().rotate_signing_key(ask).await.expect("rotated");
        let _ = self.token(algorithm).await;
        assert_ne!(self.signing_key(algorithm, "signing").await, before);
    }

    async fn withdraw(&self, id: String) {
        let ask = v1::WithdrawSigningKeyRequest { id };
        let _ = self.operator.signing_keys().withdraw_signing_key(ask).await.expect("withdrawn");
    }
}

/// Returns the token with one character of its claims changed, and with one character of its signature
/// changed.
fn tampered(token: &str) -> [String; 2] {
    let (head, rest) = token.split_once('.').expect("three parts");
    let (claims, signature) = rest.split_once('.').expect("three parts");
    let change = |text: &str| {
        let (first, second) = text.split_at(text.len() / 2);
        let other = if second.starts_with('A') { 'B' } else { 'A' };
        format!("{first}{other}{}", &second[1..])
    };
    [format!("{head}.{}.{signature}", change(claims)), format!("{head}.{claims}.{}", change(signature))]
}

async fn a_library_verifies(judge: impl Fn(&Value) -> Value) {
    let fixture = InteropFixture::open().await;
    for algorithm in PUBLIC {
        let (old, subject) = fixture.token(algorithm).await;
        fixture.rotate(algorithm).await;
        let (new, other) = fixture.token(algorithm).await;
        let [claims, signature] = tampered(&old);
        let foreign = PUBLIC.iter().find(|one| **one != algorithm).expect("another");
        let foreign = fixture.token(foreign).await.0;
        let output = judge(&fixture.question(algorithm, &[&old, &new, &claims, &signature, &foreign]));
        assert_eq!(output[0]["subject"], subject.as_str(), "{algorithm}: {output}");
        assert_eq!(output[1]["subject"], other.as_str(), "{algorithm}: {output}");
        for wrong in 2..5 {
            assert!(output[wrong]["error"].is_string(), "{algorithm}: {output}");
        }
        fixture.withdraw(fixture.signing_key(algorithm, "retired").await).await;
        let output = judge(&fixture.question(algorithm, &[&old, &new]));
        assert!(output[0]["error"].is_string(), "{algorithm}: a withdrawn key verifies: {output}");
        assert_eq!(output[1]["subject"], other.as_str(), "{algorithm}: {output}");
    }
    // A shared secret is not published: the key set has no key for it.
    let (token, _) = fixture.token("HS256").await;
    let output = judge(&fixture.question("HS256", &[&token]));
    assert!(output[0]["error"].is_string(), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pyjwt_verifies_our_tokens_and_no_others() {
    a_library_verifies(|ask| python(PYJWT, ask)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jose_verifies_our_tokens_and_no_others() {
    a_library_verifies(|ask| node(JOSE, ask)).await;
}

/// Returns the identifiers of the keys in a key set.
fn key_ids(set: &Value) -> BTreeSet<String> {
    let keys = set["keys"].as_array().expect("a key set");
    keys.iter().map(|key| key["kid"].as_str().expect("a key has an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_of_a_profile_has_its_keys_and_no_others() {
    let fixture = InteropFixture::open().await;
    let mut all = BTreeSet::new();
    for algorithm in PUBLIC {
        let (token, _) = fixture.token(algorithm).await;
        fixture.rotate(algorithm).await;
        let path = format!("/.well-known/jwks.json?profile={}", named(algorithm));
        let page = fixture.latchkey.page(&path);
        assert_eq!((page.status, page.header("cache-control")), (200, Some("public, max-age=300")));
        let own = key_ids(&page.json());
        assert_eq!(own.len(), 2, "{algorithm}: the old key and the new one");
        assert!(own.is_disjoint(&all), "{algorithm}: {own:?}");
        all.extend(own);
        let ask = v1::GetJwksRequest { profile: named(algorithm) };
        let called = fixture.latchkey.anonymous().tokens().get_jwks(ask).await.expect("served");
        assert_eq!(called.into_inner().jwks, page.body);
        for other in PUBLIC.iter().filter(|other| **other != algorithm) {
            let check = v1::CheckRequest {
                credential: token.clone(),
                profile: named(other),
                ..v1::CheckRequest::default()
            };
            let answer = fixture.latchkey.anonymous().check(check).await;
            assert_eq!(answer.reason(), v1::Reason::InvalidCredential, "{algorithm} at {other}");
        }
    }
    assert_eq!(key_ids(&fixture.latchkey.page("/.well-known/jwks.json").json()), all);
    let _ = fixture.token("HS256").await;
    let page = fixture.latchkey.page(&format!("/.well-known/jwks.json?profile={}", named("HS256")));
    assert_eq!((page.status, key_ids(&page.json()).len()), (200, 0), "a secret is not published");
    assert_eq!(fixture.latchkey.page("/.well-known/jwks.json?profile=nobodys").status, 404);
    let unknown = v1::GetJwksRequest { profile: "nobodys".to_owned() };
    let refused = fixture.latchkey.anonymous().tokens().get_jwks(unknown).await.expect_err("unknown");
    assert_eq!(refused.code(), tonic::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_own_filter_distinguishes_the_tokens_of_two_profiles_by_their_key_sets() {
    let fixture = InteropFixture::open().await;
    let (red, _) = fixture.token("EdDSA").await;
    let (blue, _) = fixture.token("ES256").await;
    // The key set of one profile does not verify the tokens of another one, even where its issuer is expected.
    let provider =
        |of: &str| Provider { profile: named("EdDSA"), issuer: issuer(of), audience: "shop".to_owned() };
    let jwt_authn = Some((fixture.latchkey.http(), vec![provider("EdDSA"), provider("ES256")]));
    let envoy = Envoy::start(fixture.latchkey.grpc(), &EnvoySetup { jwt_authn, ..EnvoySetup::default() });
    let status = |token: &str| {
        let header = format!("Bearer {token}");
        envoy.send(&Request::get("api.shop.dev", "/v1/items").header("authorization", header)).status
    };
    eventually("Envoy has the key set", || (status(&red) == 200).then_some(()));
    for _ in 0..10 {
        assert_eq!(status(&blue), 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_own_filter_verifies_our_tokens_and_no_others() {
    let fixture = InteropFixture::open().await;
    let provider = |algorithm| Provider {
        profile: named(algorithm),
        issuer: issuer(algorithm),
        audience: "shop".to_owned(),
    };
    let providers = PUBLIC.map(provider).to_vec();
    let jwt_authn = Some((fixture.latchkey.http(), providers));
    let envoy = Envoy::start(fixture.latchkey.grpc(), &EnvoySetup { jwt_authn, ..EnvoySetup::default() });
    let status = |token: &str| {
        let header = format!("Bearer {token}");
        envoy.send(&Request::get("api.shop.dev", "/v1/items").header("authorization", header)).status
    };
    let comes_to = |token: &str, expected: u16| {
        let what = format!("Envoy answers {expected}");
        eventually(&what, || (status(token) == expected).then_some(()));
    };
    assert_eq!(envoy.send(&Request::get("api.shop.dev", "/v1/items")).status, 401);
    for algorithm in PUBLIC {
        let (old, _) = fixture.token(algorithm).await;
        comes_to(&old, 200);
        for wrong in tampered(&old) {
            assert_eq!(status(&wrong), 401, "{algorithm}");
        }
        fixture.rotate(algorithm).await;
        let (new, _) = fixture.token(algorithm).await;
        // Envoy reads the key set again when its copy is a second old.
        comes_to(&new, 200);
        assert_eq!(status(&old), 200, "{algorithm}: what a retired key has signed is good");
        fixture.withdraw(fixture.signing_key(algorithm, "retired").await).await;
        comes_to(&old, 401);
        comes_to(&new, 200);
    }
    let (secret, _) = fixture.token("HS256").await;
    assert_eq!(status(&secret), 401, "nobody else has the secret");
}
