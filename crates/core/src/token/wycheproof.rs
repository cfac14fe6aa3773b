//! Test vectors of Project Wycheproof, run through the call that verifies tokens: known attacks on signatures
//! and on their parsers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use wycheproof::TestResult;

fn verified(key: &DecodingKey, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    let signature = URL_SAFE_NO_PAD.encode(signature);
    jsonwebtoken::crypto::verify(&signature, message, key, algorithm).unwrap_or(false)
}

/// Compares a result with its vector. Returns 1 if the vector counts, and 0 if both results are acceptable.
fn check_vector(id: usize, result: TestResult, verified: bool) -> usize {
    match result {
        TestResult::Valid => assert!(verified, "vector {id} is valid"),
        TestResult::Invalid => assert!(!verified, "vector {id} is invalid"),
        TestResult::Acceptable => return 0,
    }
    1
}

#[test]
fn eddsa_vectors_hold() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut checked = 0;
    for group in &set.test_groups {
        let key = DecodingKey::from_ed_der(&group.key.pk);
        for test in &group.tests {
            checked +=
                check_vector(test.tc_id, test.result, verified(&key, Algorithm::EdDSA, &test.msg, &test.sig));
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn es256_vectors_hold() {
    let name = wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256P1363;
    let set = wycheproof::ecdsa::TestSet::load(name).unwrap();
    let mut checked = 0;
    for group in &set.test_groups {
        let key = DecodingKey::from_ec_der(&group.key.key);
        for test in &group.tests {
            checked +=
                check_vector(test.tc_id, test.result, verified(&key, Algorithm::ES256, &test.msg, &test.sig));
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn rs256_vectors_hold() {
    let name = wycheproof::rsa_pkcs1_verify::TestName::Rsa3072Sha256;
    let set = wycheproof::rsa_pkcs1_verify::TestSet::load(name).unwrap();
    let mut checked = 0;
    for group in &set.test_groups {
        let key = DecodingKey::from_rsa_der(&group.asn_key);
        for test in &group.tests {
            checked +=
                check_vector(test.tc_id, test.result, verified(&key, Algorithm::RS256, &test.msg, &test.sig));
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn hs256_vectors_hold() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut checked = 0;
    // A JWT's tag is never truncated, so the vectors of shorter tags do not apply.
    for group in set.test_groups.iter().filter(|g| g.tag_size == 256) {
        for test in &group.tests {
            let key = DecodingKey::from_secret(&test.key);
            checked +=
                check_vector(test.tc_id, test.result, verified(&key, Algorithm::HS256, &test.msg, &test.tag));
        }
    }
    assert!(checked > 80, "{checked}");
}
