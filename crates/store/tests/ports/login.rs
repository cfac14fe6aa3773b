//! Login with a password: every failure costs the same work and returns the same error, and failures of one address
//! lock no other one out.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::login::{LoginVerdict, MAX_FAILURES_OF_ADDRESS, account_id, address_id};
use latchkey_core::time::Clock;
use latchkey_management::password::PlainPassword;
use latchkey_management::ports::AuditAction;
use latchkey_management::ports::tokens::{LoginAttempt, TokenStore};
use latchkey_management::{CallContext, IssueJwt, SetUserPassword, TokenGrant};
use sea_orm::{ConnectionTrait as _, Statement};
use tokio::task::JoinSet;

use crate::database::{TestDatabase, audit};
use crate::harness::{EMAIL, Harness, OPERATOR, PASSWORD, asking, call};

on_both!(
    every_failed_login_costs_the_same_and_returns_the_same_error,
    a_lock_decays_and_success_takes_failures_back,
    failures_of_a_stranger_lock_the_strangers_address_alone,
    a_login_that_is_refused_as_busy_is_no_failure,
    failures_at_once_are_all_counted,
    passwords_of_an_address_count_until_their_work_ends,
    a_new_password_ends_a_lock,
    failures_before_a_user_exists_do_not_lock_it,
    a_password_of_an_earlier_version_is_hashed_again,
    histories_that_say_nothing_are_deleted,
    histories_of_a_flood_are_all_deleted_at_once,
);

const WRONG: &str = "not the password at all";

/// Returns the number of password hashes that a failed sign-in computed, and its error.
async fn failed(harness: &Harness, tenant: &str, email: &str, password: &str) -> (usize, RequestError) {
    let before = harness.workers.0.load(Ordering::SeqCst);
    let failure = harness.sign_in(tenant, email, password).await.unwrap_err();
    let ManagementError::Request(error) = failure else { panic!("{failure:?}") };
    assert_eq!(error, RequestError::InvalidLogin);
    (harness.workers.0.load(Ordering::SeqCst) - before, error)
}

/// Returns an attempt with a wrong password; no password is hashed.
fn wrong(harness: &Harness, email: &str, from: Option<IpAddr>) -> LoginAttempt {
    let account = account_id(&harness.database.tenant.to_string(), email);
    let address = address_id(&account, from);
    LoginAttempt { account, address, correct: false, time: harness.clock.now().wall }
}

/// Returns the number of rows that logins have left.
async fn histories(harness: &Harness) -> i64 {
    let connection = harness.database.store.connection();
    let sql = "SELECT COUNT(*) AS n FROM login_histories";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// Makes attempts from an address until it is locked.
async fn exhaust_from(harness: &Harness, from: Option<IpAddr>) {
    for n in 0..=MAX_FAILURES_OF_ADDRESS {
        let attempt = wrong(harness, EMAIL, from);
        let verdict = harness.database.store.decide_login(&attempt, None).await.unwrap();
        if verdict == LoginVerdict::Locked {
            return;
        }
        assert!(n < MAX_FAILURES_OF_ADDRESS);
    }
}

async fn exhaust(harness: &Harness) {
    exhaust_from(harness, None).await;
}

async fn passwords_of_an_address_count_until_their_work_ends(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let user = harness.user().await;
    let kept = &harness.workers.2;
    *kept.jobs.lock().unwrap() = Some(Vec::new());
    // Begins a login or sets a password, and gives it up when its work waits; returns the error of one that is refused.
    let attempt = async |host: u8, sets: bool| {
        let context = CallContext { address: Some(IpAddr::from([192, 0, 2, host])), ..call() };
        let password = PlainPassword::new(WRONG.to_owned());
        let work = async {
            if sets {
                let ask = SetUserPassword { id: user.id.to_string(), password };
                harness.tokens.set_user_password(&OPERATOR, ask, &context).await.map(drop)
            } else {
                let grant = TokenGrant::Password(EMAIL.to_owned(), password);
                let ask = IssueJwt { tenant: "acme".to_owned(), ..asking(grant) };
                harness.tokens.issue(ask, &context).await.map(drop)
            }
        };
        tokio::select! {
            refused = work => Some(refused.unwrap_err()),
            () = kept.added.notified() => None,
        }
    };
    for [first, second, third] in [[false; 3], [true; 3], [true, true, false], [false, false, true]] {
        assert_eq!((attempt(1, first).await, attempt(1, second).await), (None, None));
        let refused = attempt(1, third).await;
        let busy = matches!(refused, Some(ManagementError::Request(RequestError::ResourceExhausted(_))));
        assert!(busy, "the address has its part of the room: {refused:?}");
        assert_eq!(attempt(2, false).await, None, "another address has room");
        let jobs = std::mem::take(kept.jobs.lock().unwrap().as_mut().unwrap());
        drop(jobs);
    }
    assert_eq!(attempt(1, false).await, None, "the work was discarded");
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
    harness.clock.move_on(Duration::from_secs(15 * 60));
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

fn address(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    IpAddr::from([198, 18, high, low])
}

/// Logs in from an address. Returns false if that is refused.
async fn login_from(harness: &Harness, address: Option<IpAddr>, password: &str) -> bool {
    let grant = TokenGrant::Password(EMAIL.to_owned(), PlainPassword::new(password.to_owned()));
    let ask = IssueJwt { tenant: "acme".to_owned(), ..asking(grant) };
    harness.tokens.issue(ask, &CallContext { address, ..call() }).await.is_ok()
}

async fn failures_of_a_stranger_lock_the_strangers_address_alone(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let _ = harness.user().await;
    let login = |from, password| login_from(&harness, from, password);
    exhaust_from(&harness, Some(address(1))).await;
    assert!(!login(Some(address(1)), PASSWORD).await, "the stranger's address is locked");
    assert!(login(Some(address(2)), PASSWORD).await, "the user's is not");
    // From now on, the second address is known: failures from any number of other addresses do not lock it.
    for number in 10..450 {
        let attempt = wrong(&harness, EMAIL, Some(address(number)));
        let _ = harness.database.store.decide_login(&attempt, None).await.unwrap();
    }
    assert!(!login(Some(address(999)), PASSWORD).await, "guesses from many addresses are bounded");
    assert!(login(Some(address(2)), PASSWORD).await);
    for _ in 0..2 * MAX_FAILURES_OF_ADDRESS {
        let attempt = wrong(&harness, EMAIL, Some(address(2)));
        let _ =
            harness.database.store.decide_login(&attempt, Some(audit(AuditAction::UserLock))).await.unwrap();
    }
    let locks = harness.audited().await.into_iter().filter(|(action, _)| action == "user.lock");
    assert_eq!(locks.count(), 1, "one event for one lock");
}

async fn a_login_that_is_refused_as_busy_is_no_failure(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let _ = harness.user().await;
    harness.workers.1.store(true, Ordering::SeqCst);
    for email in [EMAIL, "eve@example.dev"] {
        for _ in 0..2 * MAX_FAILURES_OF_ADDRESS {
            let refused = harness.sign_in("acme", email, WRONG).await.unwrap_err();
            assert!(matches!(refused, ManagementError::Request(RequestError::ResourceExhausted(_))));
        }
    }
    harness.workers.1.store(false, Ordering::SeqCst);
    assert_eq!(histories(&harness).await, 0, "nothing was counted");
    assert!(harness.sign_in("acme", EMAIL, PASSWORD).await.is_ok());
}

async fn failures_at_once_are_all_counted(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let _ = harness.user().await;
    let mut attempts = JoinSet::new();
    for n in 0..MAX_FAILURES_OF_ADDRESS + 20 {
        let (store, email) =
            (harness.database.store.clone(), if n % 2 == 0 { EMAIL } else { "eve@example.dev" });
        let attempt = wrong(&harness, email, Some(address(1)));
        attempts.spawn(async move {
            loop {
                // A database that is busy for longer than a deadline has not decided.
                if let Ok(verdict) = store.decide_login(&attempt, None).await {
                    break verdict;
                }
            }
        });
    }
    let verdicts = attempts.join_all().await;
    let failures = verdicts.iter().filter(|verdict| **verdict == LoginVerdict::Failure).count();
    assert_eq!(failures, verdicts.len());
    for email in [EMAIL, "eve@example.dev"] {
        for _ in 0..MAX_FAILURES_OF_ADDRESS - 60 {
            let attempt = wrong(&harness, email, Some(address(1)));
            let verdict = harness.database.store.decide_login(&attempt, None).await.unwrap();
            assert_eq!(verdict, LoginVerdict::Failure, "{email}");
        }
        let attempt = wrong(&harness, email, Some(address(1)));
        let verdict = harness.database.store.decide_login(&attempt, None).await.unwrap();
        assert_eq!(verdict, LoginVerdict::Locked, "{email}: an unknown user is counted alike");
    }
}

async fn a_new_password_ends_a_lock(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let user = harness.user().await;
    exhaust(&harness).await;
    assert!(harness.sign_in("acme", EMAIL, PASSWORD).await.is_err());
    let ask = SetUserPassword {
        id: user.id.to_string(),
        password: PlainPassword::new("the sky by day, 1816".into()),
    };
    let _ = harness.tokens.set_user_password(&OPERATOR, ask, &call()).await.unwrap();
    assert!(harness.sign_in("acme", EMAIL, PASSWORD).await.is_err(), "the old password");
    assert!(harness.sign_in("acme", EMAIL, "the sky by day, 1816").await.is_ok());
}

async fn failures_before_a_user_exists_do_not_lock_it(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    exhaust(&harness).await;
    let _ = harness.user().await;
    assert!(harness.sign_in("acme", EMAIL, PASSWORD).await.is_ok());
}

/// A password with a letter and its accent as two code points.
const DECOMPOSED: &str = "the gru\u{308}ne sea, 1815";
/// Hash of [`DECOMPOSED`] as it was sent, which earlier versions stored; made by the library of argon2's authors.
const EARLIER: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$KBxs9Zfr8Jbj6wsia464xMH98cnlKTWSc0r4+8x1uNI";

async fn a_password_of_an_earlier_version_is_hashed_again(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let _ = harness.user().await;
    harness.database.sql(&format!("UPDATE users SET password = '{EARLIER}'")).await;
    assert!(harness.sign_in("acme", EMAIL, "the gr\u{fc}ne sea, 1815").await.is_err(), "not as it was set");
    assert!(harness.sign_in("acme", EMAIL, DECOMPOSED).await.is_ok(), "as it was set");
    assert!(harness.sign_in("acme", EMAIL, "the gr\u{fc}ne sea, 1815").await.is_ok(), "hashed again");
    assert!(harness.sign_in("acme", EMAIL, DECOMPOSED).await.is_ok());
    assert!(harness.sign_in("acme", EMAIL, "the grune sea, 1815").await.is_err());
}

async fn histories_that_say_nothing_are_deleted(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let _ = harness.user().await;
    assert!(harness.sign_in("acme", EMAIL, PASSWORD).await.is_ok());
    for number in 1..=3 {
        let attempt = wrong(&harness, "eve@example.dev", Some(address(number)));
        let _ = harness.database.store.decide_login(&attempt, None).await.unwrap();
    }
    assert_eq!(histories(&harness).await, 5, "three addresses, their account, a login");
    assert_eq!(harness.tokens.prune_logins().await.unwrap(), 0);
    harness.clock.move_on(Duration::from_secs(15 * 60 + 1));
    assert_eq!(harness.tokens.prune_logins().await.unwrap(), 4, "all but the known address");
    harness.clock.move_on(Duration::from_secs(90 * 86_400));
    assert_eq!(harness.tokens.prune_logins().await.unwrap(), 1);
}

async fn histories_of_a_flood_are_all_deleted_at_once(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    for number in 0..260 {
        let attempt = wrong(&harness, &format!("eve{number}@example.dev"), Some(address(number)));
        let _ = harness.database.store.decide_login(&attempt, None).await.unwrap();
    }
    harness.clock.move_on(Duration::from_secs(15 * 60 + 1));
    assert_eq!(harness.tokens.prune_logins().await.unwrap(), 520, "more than one batch");
    assert_eq!(histories(&harness).await, 0);
}
