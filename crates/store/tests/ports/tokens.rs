//! Families, refresh tokens and attempts under contention: one statement decides, on either database.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::login::{LoginVerdict, account_id, address_id};
use latchkey_core::ports::{ChangeFeed, ChangeSubject, KeyStore};
use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::TokenSubject;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::audit::{AuditFilter, AuditLog};
use latchkey_management::ports::tokens::{LoginAttempt, TokenStore};
use latchkey_management::ports::{AuditAction, AuditEntry};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::{NOW, TestDatabase, audit, family, key};

on_both!(
    one_of_fifty_spends_a_token,
    an_ended_family_spends_nothing,
    the_oldest_families_beyond_a_number_are_ended,
    a_large_number_of_families_is_kept_by_some_of_the_starts,
    callers_at_the_same_time_leave_no_more_families_than_allowed,
    at_most_a_hundred_parallel_attempts_are_decided_before_the_lock,
    users_and_families_asked_for_together_are_each_found_or_not
);

fn token(number: u8, family: FamilyId) -> RefreshRecord {
    RefreshRecord { hash: KeyHash([number; 32]), family, scopes: vec!["a".into()], spent: None }
}

fn spent(number: u8) -> Redemption {
    Redemption { at: NOW, successor: Sealed(vec![number]), scopes: vec!["a".into()] }
}

async fn begun(database: &TestDatabase) -> FamilyRecord {
    let made = database.make(key(database, 5)).await;
    let family = family(database, TokenSubject::Key(made.id), 77);
    database
        .store
        .create_family(family.clone(), token(0, family.id), u32::MAX, audit(AuditAction::TokenIssue))
        .await
        .unwrap();
    let found = database.store.family(family.id, "none").await.unwrap();
    let known = found.entry.unwrap();
    assert_eq!(
        (known.record, known.key, found.signing_key_in_force),
        (family.clone(), Some(made.hash), false)
    );
    family
}

async fn one_of_fifty_spends_a_token(database: TestDatabase) {
    let family = begun(&database).await;
    let mut calls = JoinSet::new();
    for number in 1..=50 {
        let (store, id) = (database.store.clone(), family.id);
        calls.spawn(async move {
            let entry = audit(AuditAction::TokenRefresh);
            let done =
                store.redeem_refresh_token(&KeyHash([0; 32]), spent(number), token(number, id), entry).await;
            done.unwrap().then_some(number)
        });
    }
    let winners: Vec<u8> = calls.join_all().await.into_iter().flatten().collect();
    let [winner] = winners[..] else { panic!("{winners:?}") };
    let (first, _) = database.store.refresh_token(&KeyHash([0; 32])).await.unwrap().unwrap();
    assert_eq!(first.spent, Some(spent(winner)));
    for number in 1..=50 {
        let kept = database.store.refresh_token(&KeyHash([number; 32])).await.unwrap();
        assert_eq!(kept.is_some(), number == winner);
    }
    let actions = database.actions().await;
    assert_eq!(actions, ["tenant.create", "key.create", "token.issue", "token.refresh"]);
    assert_eq!(database.verify().await, Ok(4));
}

async fn an_ended_family_spends_nothing(database: TestDatabase) {
    let family = begun(&database).await;
    let ended = database.store.end_family(family.id, NOW, audit(AuditAction::TokenRevoke)).await.unwrap();
    let again = database.store.end_family(family.id, NOW, audit(AuditAction::TokenRevoke)).await.unwrap();
    assert!(ended.changed && !again.changed);
    assert_eq!(again.revision, ended.revision, "a repeated call waits for the same revision");
    let late = (spent(1), token(1, family.id));
    assert!(
        !database
            .store
            .redeem_refresh_token(&KeyHash([0; 32]), late.0, late.1, audit(AuditAction::TokenRefresh))
            .await
            .unwrap()
    );
    assert!(!database.actions().await.contains(&"token.refresh".to_owned()));
    let change = database.store.changes(ended.revision, 1).await.unwrap();
    assert_eq!(change[0].subject, ChangeSubject::Family(family.id));
    // Its access tokens live for a minute.
    let last = NOW.plus(family.ttl);
    assert_eq!(database.store.prune_families(last).await.unwrap(), 0);
    assert_eq!(database.store.prune_families(Timestamp(last.0 + 1)).await.unwrap(), 1);
    assert!(database.store.family_by_id(family.id).await.unwrap().is_none());
}

fn lock() -> AuditEntry {
    AuditEntry { time: NOW, ..audit(AuditAction::UserLock) }
}

pub(crate) fn user(database: &TestDatabase, number: u128, email: &str) -> UserRecord {
    UserRecord {
        id: UserId(Uuid::from_u128(number)),
        tenant: database.tenant,
        email: email.into(),
        role: "clerk".into(),
        bindings: std::collections::BTreeMap::new(),
        environment: Some("test".into()),
        disabled: false,
        generation: 1,
        created: NOW,
        revision: 0,
    }
}

/// Starts a family of a number, which is its identifier as well, at a time.
async fn start(database: &TestDatabase, parent: TokenSubject, number: u8, most: u32, at: Timestamp) {
    let family = FamilyRecord {
        created: at,
        ends: at.plus(Duration::from_secs(600)),
        ..family(database, parent, u128::from(number))
    };
    let first = token(number, family.id);
    database.store.create_family(family, first, most, audit(AuditAction::TokenIssue)).await.unwrap();
}

fn family_id(number: u8) -> FamilyId {
    FamilyId(Uuid::from_u128(u128::from(number)))
}

/// Returns the numbers of the families that have ended.
async fn ended(database: &TestDatabase, numbers: RangeInclusive<u8>) -> Vec<u8> {
    let mut ended = Vec::new();
    for number in numbers {
        let found = database.store.family_by_id(family_id(number)).await.unwrap().unwrap();
        if found.record.ended.is_some() {
            ended.push(number);
        }
    }
    ended
}

async fn the_oldest_families_beyond_a_number_are_ended(database: TestDatabase) {
    let made = database.make(key(&database, 5)).await;
    let (parent, other) =
        (TokenSubject::Key(made.id), TokenSubject::Key(database.make(key(&database, 6)).await.id));
    start(&database, other, 40, 1, NOW).await;
    for number in 1..=5 {
        start(&database, parent, number, 5, NOW).await;
    }
    assert!(ended(&database, 1..=5).await.is_empty());
    let before = database.store.revision().await.unwrap();
    start(&database, parent, 6, 4, NOW).await;
    assert_eq!(ended(&database, 1..=6).await, [1, 2]);
    let changes = database.store.changes(before + 1, 10).await.unwrap();
    let subjects: Vec<_> = changes.into_iter().map(|change| change.subject).collect();
    assert_eq!(subjects, [1, 2].map(family_id).map(ChangeSubject::Family));
    let first = database.store.family_by_id(family_id(1)).await.unwrap().unwrap().record;
    assert_eq!((first.ended, first.ends), (Some(NOW), NOW.plus(first.ttl)));
    start(&database, parent, 7, 4, NOW).await;
    assert_eq!(ended(&database, 1..=7).await, [1, 2, 3], "ended ones do not count");
    let events = database.store.events(&AuditFilter::default(), None, 10).await.unwrap().events;
    let of_ended = events.iter().map(|event| event.details.get("ended").cloned().unwrap_or_default());
    let texts = [family_id(3).to_string(), format!("{} {}", family_id(1), family_id(2)), String::new()];
    assert_eq!(of_ended.take(3).collect::<Vec<_>>(), texts);
    let later = Timestamp(NOW.0 + 600_000);
    start(&database, parent, 8, 1, later).await;
    assert_eq!(ended(&database, 1..=8).await, [1, 2, 3], "the others are over");
    assert!(ended(&database, 40..=40).await.is_empty(), "of another key");
    for number in 9..=21 {
        start(&database, parent, number, 100, later).await;
    }
    start(&database, parent, 22, 1, later).await;
    let behind = TokenSubject::Key(database.make(key(&database, 7)).await.id);
    for number in [51, 50] {
        start(&database, behind, number, 1, NOW).await;
    }
    assert_eq!(
        ended(&database, 50..=51).await,
        [51],
        "a replica whose clock is behind starts no ended family"
    );
    assert_eq!(ended(&database, 8..=22).await, (11..=21).collect::<Vec<_>>(), "not all at once");
}

async fn a_large_number_of_families_is_kept_by_some_of_the_starts(database: TestDatabase) {
    let made = database.make(key(&database, 5)).await;
    let parent = TokenSubject::Key(made.id);
    start(&database, parent, 1, u32::MAX, NOW).await;
    let (id, numbers) = if database.is_sqlite() {
        let numbers = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) SELECT i FROM n)";
        ("randomblob(16)", numbers)
    } else {
        ("gen_random_uuid()", "generate_series(1, 10001)")
    };
    let others =
        "tenant_id, key_id, user_id, generation, audience, ttl_seconds, created_at, ends_at, ended_at";
    database
        .sql(&format!(
            "INSERT INTO token_families (id, {others}) SELECT {id}, {others} FROM token_families, {numbers} AS numbers"
        ))
        .await;
    start(&database, parent, 101, 10_001, NOW).await;
    assert!(ended(&database, 1..=1).await.is_empty(), "one start of ten applies the limit");
    start(&database, parent, 110, 10_001, NOW).await;
    assert_eq!(ended(&database, 1..=1).await, [1], "the oldest");
    assert!(
        ended(&database, 110..=110).await.is_empty(),
        "one that starts now, although its identifier is small"
    );
    let events = database.store.events(&AuditFilter::default(), None, 1).await.unwrap().events;
    assert_eq!(events[0].details["ended"].split(' ').count(), 3, "of 10,004, all beyond 10,001");
}

async fn callers_at_the_same_time_leave_no_more_families_than_allowed(database: TestDatabase) {
    let mut calls = JoinSet::new();
    let database = Arc::new(database);
    for owner in 0..3_u8 {
        let user = user(&database, u128::from(owner) + 1, &format!("{owner}@example.dev"));
        let (id, entry) = (user.id, audit(AuditAction::UserCreate));
        drop(database.store.create_user(user, PasswordHash("x".into()), entry).await.unwrap());
        for number in 0..20 {
            let database = Arc::clone(&database);
            calls.spawn(async move {
                start(&database, TokenSubject::User(id), 1 + 20 * owner + number, 4, NOW).await;
            });
        }
    }
    calls.join_all().await;
    for owner in 0..3_u8 {
        let numbers = 1 + 20 * owner..=20 + 20 * owner;
        assert_eq!(ended(&database, numbers).await.len(), 16);
    }
    database.verify().await.unwrap();
}

async fn at_most_a_hundred_parallel_attempts_are_decided_before_the_lock(database: TestDatabase) {
    let account = account_id(&database.tenant.to_string(), "ada@example.dev");
    let mut calls = JoinSet::new();
    for _ in 0..120 {
        let store = database.store.clone();
        let address = address_id(&account, None);
        let attempt = LoginAttempt { account, address, correct: false, time: NOW };
        calls.spawn(async move { store.decide_login(&attempt, Some(lock())).await.unwrap() });
    }
    let verdicts = calls.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == LoginVerdict::Failure).count(), 100);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == LoginVerdict::Locked).count(), 20);
    let locks = database.store.events(&AuditFilter::default(), None, 10).await.unwrap().events;
    assert_eq!(locks.iter().filter(|event| event.action == "user.lock").count(), 1, "{locks:?}");
}

async fn users_and_families_asked_for_together_are_each_found_or_not(database: TestDatabase) {
    let mut made = Vec::new();
    for number in 1..=3 {
        let user = user(&database, number, &format!("{number}@example.dev"));
        let written =
            database.store.create_user(user, PasswordHash("x".into()), audit(AuditAction::UserCreate)).await;
        made.push(written.unwrap().value);
    }
    let ids = [3, 8, 1, 2, 9].map(|number| UserId(Uuid::from_u128(number)));
    let found = database.store.users_by_id(&ids).await.into_iter().map(|found| found.unwrap().entry);
    let found: Vec<_> = found.map(|known| known.map(|(user, _)| user)).collect();
    let known = |database: usize| Some(made[database].clone());
    assert_eq!(found, [known(2), None, known(0), known(1), None]);

    let family = begun(&database).await;
    let ids = [FamilyId(Uuid::from_u128(1)), family.id];
    let found: Vec<_> = database.store.families(&ids, "none").await.into_iter().map(Result::unwrap).collect();
    assert!(found[0].entry.is_none() && found[1].entry.as_ref().is_some_and(|known| known.record == family));
    assert!(found.iter().all(|found| !found.signing_key_in_force && found.read_at.revision > 0));
}
