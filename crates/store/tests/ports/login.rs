//! Sign-in with a password: every failure costs the same work and returns the same error.

use std::sync::atomic::Ordering;
use std::time::Duration;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::time::Clock;
use latchkey_core::user::MAX_FAILED_LOGINS;
use latchkey_management::ports::AuditEntry;
use latchkey_management::ports::tokens::TokenStore;

use crate::database::{TestDatabase, audit};
use crate::harness::{EMAIL, Harness, OPERATOR, PASSWORD, call};

on_both!(
    every_failed_login_costs_the_same_and_returns_the_same_error,
    a_lock_decays_and_success_takes_failures_back,
);

const WRONG: &str = "not the password at all";

/// Returns the number of password hashes that a failed sign-in computed, and its error.
async fn failed(harness: &Harness, tenant: &str, email: &str, password: &str) -> (usize, &'static str) {
    let before = harness.workers.0.load(Ordering::SeqCst);
    let failure = harness.sign_in(tenant, email, password).await.unwrap_err();
    let ManagementError::Request(RequestError::Unauthenticated(words)) = failure else {
        panic!("{failure:?}")
    };
    (harness.workers.0.load(Ordering::SeqCst) - before, words)
}

async fn exhaust(harness: &Harness) {
    let time = harness.clock.now().wall;
    for _ in 0..MAX_FAILED_LOGINS {
        harness
            .database
            .store
            .begin_login(harness.database.tenant, EMAIL, AuditEntry { time, ..audit("user.lock") })
            .await
            .unwrap()
            .unwrap();
    }
}

async fn every_failed_login_costs_the_same_and_returns_the_same_error(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let user = harness.user().await;
    let expected = failed(&harness, "acme", EMAIL, WRONG).await;
    assert_eq!(expected.0, 1, "one password is hashed");
    for (tenant, email, password) in [
        ("acme", "eve@example.dev", PASSWORD),
        ("acme", "no address", PASSWORD),
        ("nobody", EMAIL, PASSWORD),
        ("No Tenant", EMAIL, PASSWORD),
        ("acme", EMAIL, ""),
    ] {
        assert_eq!(failed(&harness, tenant, email, password).await, expected, "{tenant} {email}");
    }
    exhaust(&harness).await;
    assert_eq!(failed(&harness, "acme", EMAIL, PASSWORD).await, expected, "locked");
    harness.database.store.reset_failed_logins(user.id).await.unwrap();
    let _ = harness.tokens.disable_user(&OPERATOR, &user.id.to_string(), &call()).await.unwrap();
    assert_eq!(failed(&harness, "acme", EMAIL, PASSWORD).await, expected, "the user is disabled");
}

async fn a_lock_decays_and_success_takes_failures_back(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let _ = harness.user().await;
    exhaust(&harness).await;
    assert!(harness.sign_in("acme", EMAIL, PASSWORD).await.is_err());
    harness.clock.move_on(Duration::from_secs(15 * 60));
    assert!(harness.sign_in("acme", EMAIL, PASSWORD).await.is_ok(), "one failure has expired");
    for _ in 0..2 {
        assert!(harness.sign_in("acme", EMAIL, WRONG).await.is_err());
    }
    assert!(harness.sign_in("acme", EMAIL, PASSWORD).await.is_ok(), "all failures were reset");
}
