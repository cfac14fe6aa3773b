//! Signing keys over weeks: the schedule replaces one without a token being denied, and what can't sign is told of
//! before a profile relies on it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_core::ports::Policies;
use latchkey_core::reason::Reason;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_core::token::{Algorithm, SigningKeyRecord};
use latchkey_core::trouble::{Failure, Refusal};
use latchkey_management::ports::tokens::TokenLedger;
use latchkey_management::rotation::{LEAD, PERIOD};
use rand::SeedableRng;

use crate::desk::{Desk, MASTER, OPERATOR, call};
use crate::place::{Place, audit};

on_both!(the_schedule_replaces_a_key_and_denies_nobody, a_key_that_cannot_sign_is_told_of);

const MINUTE: Duration = Duration::from_secs(60);

async fn stages(desk: &Desk) -> Vec<&'static str> {
    let now = desk.clock.now().wall;
    desk.tokens.signing_keys(&OPERATOR).await.unwrap().iter().map(|key| key.stage(now).name()).collect()
}

async fn the_schedule_replaces_a_key_and_denies_nobody(place: Place) {
    let desk = Desk::new(place, "EdDSA").await;
    let policy = Policies::named(&*desk.catalog, "paykore").unwrap();
    let (_, value) = desk.key().await;
    desk.tokens.tend(&policy).await.unwrap();
    assert_eq!(stages(&desk).await, ["signing"]);
    desk.clock.move_on(PERIOD.saturating_sub(MINUTE));
    desk.tokens.tend(&policy).await.unwrap();
    assert_eq!(stages(&desk).await, ["signing"], "not yet");
    desk.clock.move_on(MINUTE);
    desk.tokens.tend(&policy).await.unwrap();
    desk.tokens.tend(&policy).await.unwrap();
    assert_eq!(stages(&desk).await, ["published", "signing"]);
    let published = desk.tokens.jwks().body.matches("\"kid\"").count();
    desk.clock.move_on(LEAD.saturating_sub(Duration::from_millis(1)));
    let last = desk.issue(&value).await.access;
    desk.clock.move_on(Duration::from_millis(1));
    desk.tokens.tend(&policy).await.unwrap();
    assert_eq!((stages(&desk).await, published), (vec!["signing", "retired"], 2));
    let first = desk.issue(&value).await.access;
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(kid(last.reveal()), kid(first.reveal()), "the successor signs");
    for _ in 0..59 {
        for token in [&last, &first] {
            assert_eq!(desk.denied(token.reveal()).await, None);
        }
        desk.clock.move_on(MINUTE);
        desk.tokens.tend(&policy).await.unwrap();
    }
    desk.clock.move_on(MINUTE * 3);
    assert_eq!(desk.denied(last.reveal()).await, Some(Reason::Expired));
    assert_eq!(stages(&desk).await, ["signing", "spent"]);
}

/// A signing key of this material, under this master key, as someone with both might plant it.
async fn plant(desk: &Desk, material: &[u8], master: &[u8; 32]) -> Box<str> {
    let mut random = rand::rngs::StdRng::from_seed([5; 32]);
    let now = desk.clock.now().wall;
    let id = format!("planted-{}-{}", material.len(), master[0]);
    let key = SigningKeyRecord {
        sealed: Sealer::new(master).seal(STANDARD.encode(material).as_bytes(), &id, &mut random).unwrap(),
        id: id.as_str().into(),
        profile: "paykore".into(),
        algorithm: Algorithm::Hs256,
        created: now,
        signs_from: now,
        signs_until: None,
        longest: Duration::from_secs(3_600),
        withdrawn: None,
    };
    let planted = key.clone();
    let rule = Box::new(move |_: &[SigningKeyRecord]| Ok(vec![planted]));
    desk.place.store.change_signing_keys("paykore", (rule, now), audit("signing_key.create")).await.unwrap();
    key.id
}

async fn a_key_that_cannot_sign_is_told_of(place: Place) {
    let desk = Desk::new(place, "HS256").await;
    let policy = Policies::named(&*desk.catalog, "paykore").unwrap();
    let rules = policy.tokens.clone().unwrap();
    assert_eq!(
        desk.tokens.can_sign("paykore", &rules).await,
        Ok(()),
        "a first key is made when it is needed"
    );
    for (material, master) in [([7; 31].as_slice(), MASTER), (&[7; 32], [8; 32])] {
        let id = plant(&desk, material, &master).await;
        let told = desk.tokens.can_sign("paykore", &rules).await.unwrap_err();
        let Failure::Refused(Refusal::Precondition(text)) = told else { panic!("{told:?}") };
        assert!(text.contains(&*id), "{text}");
        assert_eq!(desk.tokens.can_sign("other", &rules).await, Ok(()));
        let _ = desk.tokens.withdraw_signing_key(&OPERATOR, &id, &call()).await.unwrap();
        assert_eq!(desk.tokens.can_sign("paykore", &rules).await, Ok(()));
    }
    let (_, value) = desk.key().await;
    let token = desk.issue(&value).await.access;
    assert_eq!(desk.denied(token.reveal()).await, None, "a fresh key signs in their place");
}
