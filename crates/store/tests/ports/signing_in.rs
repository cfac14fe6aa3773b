//! Signing in with a password: whoever fails fails after the same work and hears the same words.

use std::sync::atomic::Ordering;
use std::time::Duration;

use latchkey_core::time::Clock;
use latchkey_core::trouble::{Failure, Refusal};
use latchkey_core::user::MOST_FAILURES;
use latchkey_management::ports::AuditEntry;
use latchkey_management::ports::tokens::TokenLedger;

use crate::desk::{Desk, EMAIL, OPERATOR, PASSWORD, call};
use crate::place::{Place, audit};

on_both!(
    whoever_fails_fails_after_the_same_work_and_hears_the_same,
    a_lock_decays_and_success_takes_failures_back,
);

const WRONG: &str = "not the password at all";

/// How much was worked out for one who failed, and what was said.
async fn failed(desk: &Desk, (tenant, email, password): (&str, &str, &str)) -> (usize, &'static str) {
    let before = desk.workers.0.load(Ordering::SeqCst);
    let failure = desk.sign_in(tenant, email, password).await.unwrap_err();
    let Failure::Refused(Refusal::Unauthenticated(words)) = failure else { panic!("{failure:?}") };
    (desk.workers.0.load(Ordering::SeqCst) - before, words)
}

async fn exhaust(desk: &Desk) {
    let time = desk.clock.now().wall;
    for _ in 0..MOST_FAILURES {
        desk.place
            .store
            .attempt(desk.place.tenant, EMAIL, AuditEntry { time, ..audit("user.lock") })
            .await
            .unwrap()
            .unwrap();
    }
}

async fn whoever_fails_fails_after_the_same_work_and_hears_the_same(place: Place) {
    let desk = Desk::new(place, "EdDSA").await;
    let user = desk.user().await;
    let expected = failed(&desk, ("acme", EMAIL, WRONG)).await;
    assert_eq!(expected.0, 1, "one password is hashed");
    for who in [
        ("acme", "eve@example.dev", PASSWORD),
        ("acme", "no address", PASSWORD),
        ("nobody", EMAIL, PASSWORD),
        ("No Tenant", EMAIL, PASSWORD),
        ("acme", EMAIL, ""),
    ] {
        assert_eq!(failed(&desk, who).await, expected, "{who:?}");
    }
    exhaust(&desk).await;
    assert_eq!(failed(&desk, ("acme", EMAIL, PASSWORD)).await, expected, "locked");
    desk.place.store.forgive(user.id).await.unwrap();
    let _ = desk.tokens.disable_user(&OPERATOR, &user.id.to_string(), &call()).await.unwrap();
    assert_eq!(failed(&desk, ("acme", EMAIL, PASSWORD)).await, expected, "switched off");
}

async fn a_lock_decays_and_success_takes_failures_back(place: Place) {
    let desk = Desk::new(place, "EdDSA").await;
    let _ = desk.user().await;
    exhaust(&desk).await;
    assert!(desk.sign_in("acme", EMAIL, PASSWORD).await.is_err());
    desk.clock.move_on(Duration::from_secs(15 * 60));
    assert!(desk.sign_in("acme", EMAIL, PASSWORD).await.is_ok(), "one failure has faded");
    for _ in 0..2 {
        assert!(desk.sign_in("acme", EMAIL, WRONG).await.is_err());
    }
    assert!(desk.sign_in("acme", EMAIL, PASSWORD).await.is_ok(), "all were taken back");
}
