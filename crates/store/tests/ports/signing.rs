//! Signing keys over weeks: they are rotated without denying a token, and an unusable one is reported before a
//! profile relies on it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::ports::Policies;
use latchkey_core::reason::Reason;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_core::token::{SigningAlgorithm, SigningKeyRecord};
use latchkey_management::ports::AuditAction;
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::rotation::{PUBLISH_LEAD, ROTATION_PERIOD};
use rand::SeedableRng;

use crate::database::{TestDatabase, audit};
use crate::harness::{Harness, MASTER, OPERATOR, call};

on_both!(the_schedule_replaces_a_key_and_no_token_is_denied, a_key_that_cannot_sign_is_reported);

const MINUTE: Duration = Duration::from_secs(60);

async fn stages(harness: &Harness) -> Vec<&'static str> {
    let now = harness.clock.now().wall;
    harness.tokens.signing_keys(&OPERATOR).await.unwrap().iter().map(|key| key.stage(now).name()).collect()
}

async fn the_schedule_replaces_a_key_and_no_token_is_denied(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let policy = Policies::named(&*harness.catalog, "paykore").unwrap();
    let (_, value) = harness.key().await;
    harness.tokens.maintain_signing_keys(&policy).await.unwrap();
    assert_eq!(stages(&harness).await, ["signing"]);
    harness.clock.move_on(ROTATION_PERIOD.saturating_sub(MINUTE));
    harness.tokens.maintain_signing_keys(&policy).await.unwrap();
    assert_eq!(stages(&harness).await, ["signing"], "no rotation yet");
    harness.clock.move_on(MINUTE);
    harness.tokens.maintain_signing_keys(&policy).await.unwrap();
    harness.tokens.maintain_signing_keys(&policy).await.unwrap();
    assert_eq!(stages(&harness).await, ["published", "signing"]);
    let published = harness.tokens.jwks("").unwrap().body.matches("\"kid\"").count();
    harness.clock.move_on(PUBLISH_LEAD.saturating_sub(Duration::from_millis(1)));
    let last = harness.issue(&value).await.access;
    harness.clock.move_on(Duration::from_millis(1));
    harness.tokens.maintain_signing_keys(&policy).await.unwrap();
    assert_eq!((stages(&harness).await, published), (vec!["signing", "retired"], 2));
    let first = harness.issue(&value).await.access;
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(kid(last.reveal()), kid(first.reveal()), "the successor signs");
    for _ in 0..59 {
        for token in [&last, &first] {
            assert_eq!(harness.denied(token.reveal()).await, None);
        }
        harness.clock.move_on(MINUTE);
        harness.tokens.maintain_signing_keys(&policy).await.unwrap();
    }
    harness.clock.move_on(MINUTE * 3);
    assert_eq!(harness.denied(last.reveal()).await, Some(Reason::Expired));
    assert_eq!(stages(&harness).await, ["signing", "spent"]);
}

/// Inserts a signing key of this material under this master key, as someone with both could.
async fn insert_signing_key(harness: &Harness, material: &[u8], master: &[u8; 32]) -> Box<str> {
    let mut random = rand::rngs::StdRng::from_seed([5; 32]);
    let now = harness.clock.now().wall;
    let id = format!("planted-{}-{}", material.len(), master[0]);
    let key = SigningKeyRecord {
        sealed: Sealer::new(master).seal(STANDARD.encode(material).as_bytes(), &id, &mut random).unwrap(),
        id: id.as_str().into(),
        profile: "paykore".into(),
        algorithm: SigningAlgorithm::Hs256,
        created: now,
        signs_from: now,
        signs_until: None,
        longest_ttl: Duration::from_secs(3_600),
        withdrawn: None,
    };
    let planted = key.clone();
    let rule = Box::new(move |_: &[SigningKeyRecord]| Ok(vec![planted]));
    harness
        .database
        .store
        .change_signing_keys("paykore", rule, now, audit(AuditAction::SigningKeyCreate))
        .await
        .unwrap();
    key.id
}

async fn a_key_that_cannot_sign_is_reported(database: TestDatabase) {
    let harness = Harness::new(database, "HS256").await;
    let policy = Policies::named(&*harness.catalog, "paykore").unwrap();
    let rules = policy.tokens.clone().unwrap();
    assert_eq!(
        harness.tokens.can_sign("paykore", &rules).await,
        Ok(()),
        "the first key is created when it is needed"
    );
    for (material, master) in [([7; 31].as_slice(), MASTER), (&[7; 32], [8; 32])] {
        let id = insert_signing_key(&harness, material, &master).await;
        let error = harness.tokens.can_sign("paykore", &rules).await.unwrap_err();
        let ManagementError::Request(RequestError::FailedPrecondition(text)) = error else {
            panic!("{error:?}")
        };
        assert!(text.contains(&*id), "{text}");
        assert_eq!(harness.tokens.can_sign("other", &rules).await, Ok(()));
        let _ = harness.tokens.withdraw_signing_key(&OPERATOR, &id, &call()).await.unwrap();
        assert_eq!(harness.tokens.can_sign("paykore", &rules).await, Ok(()));
    }
    let (_, value) = harness.key().await;
    let token = harness.issue(&value).await.access;
    assert_eq!(harness.denied(token.reveal()).await, None, "a newly created key signs");
}
