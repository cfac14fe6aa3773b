//! Tests of keys that another system made: their formats, and the hashes by which they are found.

use super::fixture::GateFixture;
use super::{denial_reason, get_request, reason};
use crate::imported_hash::{HashAlgorithm, HashScheme, HashSecret};
use crate::key_kind::ImportRules;
use crate::key_kind::pattern::KeyPattern;
use crate::policy::Policy;
use crate::ports::{Change, ChangeSubject};
use crate::reason::Reason;
use crate::record::{KeyLifecycle, KeyRecord, KeyState};
use crate::secret::KeyHash;
use crate::time::Timestamp;

const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";

fn scheme(algorithm: HashAlgorithm) -> HashScheme {
    let secret = (algorithm == HashAlgorithm::HmacSha256).then(|| HashSecret::new(b"old secret"));
    HashScheme { secret, ..HashScheme::plain(algorithm) }
}

fn with_hashes(policy: &mut Policy, hashes: Vec<HashScheme>) {
    let pattern = KeyPattern::new("[0-9a-f-]{36}", 36..=36).ok();
    policy.kinds[0].imports = ImportRules { pattern, only: false, hashes };
}

/// Returns a gate whose store has one key, by this hash, and whose kind has these hashes.
fn fixture(hash: KeyHash, hashes: Vec<HashScheme>) -> GateFixture {
    GateFixture::with(|policy| with_hashes(policy, hashes), |key, _| key.hash = hash)
}

#[tokio::test]
async fn a_key_of_a_foreign_format_passes_and_any_other_text_costs_no_lookup() {
    let fixture = fixture(KeyHash::of(UUID), vec![]);
    assert_eq!(denial_reason(&fixture, &get_request(UUID, "/v1/items")).await, None);
    let queries = fixture.queries();
    for other in
        [&UUID.to_uppercase(), &UUID[1..], &format!("{UUID}0"), "550e8400 e29b-41d4-a716-446655440000"]
    {
        let denied = denial_reason(&fixture, &get_request(other, "/v1/items")).await;
        assert_eq!(denied, Some(Reason::InvalidCredential), "{other}");
    }
    assert_eq!(fixture.queries(), queries);
}

#[tokio::test]
async fn a_key_is_found_by_each_hash_that_its_kind_declares() {
    for algorithm in HashAlgorithm::ALL {
        let hash = scheme(algorithm).lookup_hash_of(UUID).unwrap();
        let all = vec![
            scheme(HashAlgorithm::Sha512),
            scheme(HashAlgorithm::Sha256OfHex),
            scheme(HashAlgorithm::HmacSha256),
        ];
        let fixture = fixture(hash, all);
        for policy in [Some(&fixture.policy), None] {
            let verdict = fixture.gate.check(policy, &get_request(UUID, "/v1/items")).await.unwrap();
            assert_eq!(reason(&verdict), None, "{algorithm:?}");
        }
        let queries = fixture.queries();
        assert_eq!(denial_reason(&fixture, &get_request(UUID, "/v1/items")).await, None);
        assert_eq!(fixture.queries(), queries, "{algorithm:?}: a cached key costs no query");
        let credential = crate::check_input::PresentedCredential::of(UUID);
        assert!(fixture.gate.caller(credential, None).await.is_ok(), "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_hash_that_the_kind_does_not_declare_finds_nothing() {
    for algorithm in [HashAlgorithm::Sha512, HashAlgorithm::Sha256OfHex, HashAlgorithm::HmacSha256] {
        let hash = scheme(algorithm).lookup_hash_of(UUID).unwrap();
        // The profile does not declare it, or its secret is not known here.
        for hashes in [vec![], vec![HashScheme::plain(HashAlgorithm::HmacSha256)]] {
            let fixture = fixture(hash, hashes);
            let denied = denial_reason(&fixture, &get_request(UUID, "/v1/items")).await;
            assert_eq!(denied, Some(Reason::InvalidCredential), "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn the_stored_hash_and_the_inner_hash_do_not_pass_as_keys() {
    let inner = "0".repeat(28) + "ba7816bf";
    let hash = scheme(HashAlgorithm::Sha256OfHex).lookup_hash_of(UUID).unwrap();
    let fixture = fixture(hash, vec![scheme(HashAlgorithm::Sha256OfHex)]);
    let denied = denial_reason(&fixture, &get_request(&inner, "/v1/items")).await;
    assert_eq!(denied, Some(Reason::InvalidCredential));
}

#[tokio::test]
async fn a_revocation_of_a_key_with_an_imported_hash_holds_at_once() {
    let hash = scheme(HashAlgorithm::Sha512).lookup_hash_of(UUID).unwrap();
    let fixture = fixture(hash, vec![scheme(HashAlgorithm::Sha512)]);
    assert_eq!(denial_reason(&fixture, &get_request(UUID, "/v1/items")).await, None);
    fixture.store.change(|key, _| {
        key.revision = 2;
        key.lifecycle = KeyLifecycle::Revoked { at: Timestamp(1), reason: String::new() };
    });
    let subject = ChangeSubject::Key(hash);
    fixture.cache.apply(&Change { revision: 2, subject, effect: None, history: None });
    assert_eq!(denial_reason(&fixture, &get_request(UUID, "/v1/items")).await, Some(Reason::Revoked));
}

#[tokio::test]
async fn a_revoked_key_decides_although_another_key_of_the_same_value_is_cached() {
    let hash = scheme(HashAlgorithm::Sha512).lookup_hash_of(UUID).unwrap();
    let fixture = fixture(hash, vec![scheme(HashAlgorithm::Sha512)]);
    assert_eq!(denial_reason(&fixture, &get_request(UUID, "/v1/items")).await, None);
    fixture.store.add(|key| {
        (key.hash, key.revision) = (KeyHash::of(UUID), 2);
        key.lifecycle = KeyLifecycle::Revoked { at: Timestamp(1), reason: String::new() };
    });
    let subject = ChangeSubject::Key(KeyHash::of(UUID));
    fixture.cache.apply(&Change { revision: 2, subject, effect: None, history: None });
    for _ in 0..2 {
        assert_eq!(denial_reason(&fixture, &get_request(UUID, "/v1/items")).await, Some(Reason::Revoked));
        let verdict = fixture.gate.check(None, &get_request(UUID, "/v1/items")).await.unwrap();
        assert_eq!(reason(&verdict), Some(Reason::Revoked));
    }
}

const STATES: [(KeyState, Option<Reason>); 4] = [
    (KeyState::Active, None),
    (KeyState::Disabled, Some(Reason::Disabled)),
    (KeyState::Expired, Some(Reason::Expired)),
    (KeyState::Revoked, Some(Reason::Revoked)),
];

fn set_state(key: &mut KeyRecord, state: KeyState) {
    let revoked = || KeyLifecycle::Revoked { at: Timestamp(1), reason: String::new() };
    (key.lifecycle, key.expires) = match state {
        KeyState::Active => (KeyLifecycle::Active, None),
        KeyState::Disabled => (KeyLifecycle::Disabled, None),
        KeyState::Expired => (KeyLifecycle::Active, Some(Timestamp(1))),
        KeyState::Revoked => (revoked(), None),
    };
}

fn sha512() -> KeyHash {
    scheme(HashAlgorithm::Sha512).lookup_hash_of(UUID).unwrap()
}

/// Returns a gate whose store has a key of the value by SHA-256 and another one by SHA-512, in these states.
fn with_two_keys(one: KeyState, other: KeyState) -> GateFixture {
    let fixture = fixture(KeyHash::of(UUID), vec![scheme(HashAlgorithm::Sha512)]);
    fixture.store.change(|key, _| set_state(key, one));
    fixture.store.add(|key| {
        (key.hash, key.id) = (sha512(), crate::id::KeyId(uuid::Uuid::from_u128(7)));
        set_state(key, other);
    });
    fixture
}

async fn denied(fixture: &GateFixture) -> Option<Reason> {
    denial_reason(fixture, &get_request(UUID, "/v1/items")).await
}

fn delete(fixture: &GateFixture, hash: KeyHash, revision: u64) {
    fixture.store.delete(hash);
    let subject = ChangeSubject::Key(hash);
    fixture.cache.apply(&Change { revision, subject, effect: None, history: None });
}

#[tokio::test]
async fn a_key_that_is_not_in_force_decides_by_whichever_hash_it_is_stored() {
    for (state, reason) in &STATES[1..] {
        for (one, other) in [(*state, KeyState::Active), (KeyState::Active, *state)] {
            let fixture = with_two_keys(one, other);
            for _ in 0..2 {
                assert_eq!(denied(&fixture).await, *reason, "{one:?} {other:?}");
            }
            let credential = crate::check_input::PresentedCredential::of(UUID);
            assert!(fixture.gate.caller(credential, None).await.is_err(), "{one:?} {other:?}");
        }
    }
}

#[tokio::test]
async fn a_value_identifies_none_of_two_keys_in_force_and_the_explanation_names_both() {
    let fixture = with_two_keys(KeyState::Active, KeyState::Active);
    let input = crate::check_input::CheckInput { explain: true, ..get_request(UUID, "/v1/items") };
    for policy in [Some(&fixture.policy), None] {
        let verdict = fixture.gate.check(policy, &input).await.unwrap();
        assert_eq!(reason(&verdict), Some(Reason::InvalidCredential));
        assert!(verdict.context.principal.is_none());
        let steps = &verdict.context.steps;
        let step = steps.iter().find(|step| step.name == "key").unwrap();
        let other = crate::id::KeyId(uuid::Uuid::from_u128(7)).to_string();
        assert!(!step.passed && step.detail.contains(&other), "{step:?}");
    }
}

#[tokio::test]
async fn no_deletion_makes_a_denied_value_valid() {
    let hashes = [KeyHash::of(UUID), sha512()];
    for (one, _) in STATES {
        for (other, _) in STATES {
            for (first, second) in [(hashes[0], hashes[1]), (hashes[1], hashes[0])] {
                for cached in [false, true] {
                    let fixture = with_two_keys(one, other);
                    let case = format!("{one:?} {other:?}, cached: {cached}");
                    assert!(!cached || denied(&fixture).await.is_some(), "{case}");
                    delete(&fixture, first, 2);
                    for _ in 0..2 {
                        assert!(denied(&fixture).await.is_some(), "after one deletion: {case}");
                    }
                    delete(&fixture, second, 3);
                    assert_eq!(denied(&fixture).await, Some(Reason::InvalidCredential), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_results_for_other_hashes_are_cached() {
    for (hashes, expected) in [(vec![], 1), (vec![scheme(HashAlgorithm::Sha512)], 3)] {
        let fixture = fixture(KeyHash::of(UUID), hashes);
        for _ in 0..3 {
            assert_eq!(denied(&fixture).await, None);
            assert_eq!(fixture.queries(), expected);
        }
    }
    let fixture = with_two_keys(KeyState::Active, KeyState::Active);
    delete(&fixture, sha512(), 2);
    assert_eq!(denied(&fixture).await, Some(Reason::InvalidCredential));
    let queries = fixture.queries();
    assert_eq!(denied(&fixture).await, Some(Reason::InvalidCredential));
    assert_eq!(fixture.queries(), queries);
}
