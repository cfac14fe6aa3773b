//! Writes that share transactions: each has its own answer, and is done entirely or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::{FamilyId, KeyId, TenantId};
use latchkey_core::ports::{ChangeFeed, KeyStore};
use latchkey_core::record::KeyRecord;
use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::TokenSubject;
use latchkey_core::token::refresh::{Redemption, RefreshRecord};
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::ports::{AuditAction, Created, ManagementStore, NewKey};
use latchkey_testing::eventually_async;
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::{NOW, TestDatabase, at_once, audit, family, key, new};

on_both![
    writes_that_arrive_together_share_transactions_in_order,
    a_write_that_cannot_be_done_fails_alone,
    different_writes_share_a_transaction,
    each_token_is_used_once_by_many_callers_of_two_processes,
    a_write_whose_caller_gave_up_before_its_turn_is_not_done,
];

/// Creates the keys concurrently, each with a call of its own. Returns the results by the number of the call.
async fn create(
    database: &TestDatabase,
    keys: impl Iterator<Item = NewKey>,
) -> Vec<(usize, Result<Created, ManagementError>)> {
    let calls = keys.enumerate().map(|(number, key)| {
        let store = Arc::clone(&database.store);
        async move {
            let written = store.create_keys(vec![key], audit(AuditAction::KeyCreate)).await;
            (number, written.map(|mut written| written.value.remove(0)))
        }
    });
    let mut results = at_once(calls).await;
    results.sort_unstable_by_key(|(number, _)| *number);
    results
}

async fn writes_that_arrive_together_share_transactions_in_order(database: TestDatabase) {
    let made = create(&database, (100..200).map(|number| new(key(&database, number)))).await;
    let mut revisions = BTreeSet::new();
    for (_, made) in made {
        let Created::New(made) = made.unwrap() else { panic!("the key existed before") };
        assert_eq!(database.store.key(made.id).await.unwrap().as_ref(), Some(&made));
        revisions.insert(made.revision);
    }
    assert_eq!(revisions, (2..=101).collect());
    assert_eq!(database.store.changes(0, 1_000).await.unwrap().len(), 101);
    assert_eq!(database.verify().await, Ok(101), "each write has an event of its own");
    if database.store.connection().get_database_backend() == DbBackend::Postgres {
        let sql = "SELECT count(DISTINCT xmin::text) FROM keys";
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = database.store.connection().query_one_raw(statement).await.unwrap().unwrap();
        let transactions: i64 = row.try_get_by_index(0).unwrap();
        assert!(transactions < 50, "{transactions} transactions for a hundred keys");
    }
}

async fn a_write_that_cannot_be_done_fails_alone(database: TestDatabase) {
    let known = database.make(key(&database, 7)).await;
    let repeated = |number| NewKey {
        record: key(&database, number),
        idempotency: Some(("once".into(), [1; 32])),
        imported: false,
    };
    let earlier = database.store.create_keys(vec![repeated(8)], audit(AuditAction::KeyCreate)).await.unwrap();
    let Created::New(earlier) = &earlier.value[0] else { panic!("the key existed before") };
    let keys = (20..60).map(|number| match number {
        25 => new(KeyRecord { hash: known.hash, ..key(&database, number) }),
        35 => repeated(number),
        45 => new(KeyRecord { tenant: TenantId(Uuid::from_u128(999)), ..key(&database, number) }),
        _ => new(key(&database, number)),
    });
    for (number, made) in create(&database, keys).await {
        match number + 20 {
            25 => {
                let taken = RequestError::AlreadyExists("keys[0] exists already".into());
                assert_eq!(made.unwrap_err(), ManagementError::Request(taken));
            }
            35 => assert_eq!(made.unwrap(), Created::Existing(earlier.clone())),
            45 => {
                let unknown = RequestError::no_such("tenant");
                assert_eq!(made.unwrap_err(), ManagementError::Request(unknown));
            }
            _ => assert!(matches!(made, Ok(Created::New(_))), "{made:?}"),
        }
    }
    for number in [25, 35, 45] {
        assert_eq!(database.store.key(KeyId(Uuid::from_u128(number))).await.unwrap(), None);
    }
    assert_eq!(database.store.revision().await.unwrap(), 1 + 2 + 37);
    assert_eq!(database.verify().await, Ok(1 + 2 + 37));
}

/// Returns the hash of a token: the n-th of a family.
fn hash(family: FamilyId, n: u8) -> KeyHash {
    KeyHash::of(&format!("{} {n}", family.0))
}

fn token(family: FamilyId, n: u8) -> RefreshRecord {
    RefreshRecord { hash: hash(family, n), family, scopes: vec!["a".into()], spent: None }
}

fn redemption(n: u8) -> Redemption {
    Redemption { at: Timestamp(NOW.0 + i64::from(n)), successor: Sealed(vec![n]), scopes: vec!["a".into()] }
}

async fn different_writes_share_a_transaction(database: TestDatabase) {
    let owner = database.make(key(&database, 5)).await.id;
    let families: Vec<_> =
        (1_000..1_020).map(|number| family(&database, TokenSubject::Key(owner), number)).collect();
    let mut calls: JoinSet<()> = JoinSet::new();
    for (number, family) in (0_u32..).zip(families.clone()) {
        let (store, another) = (Arc::clone(&database.store), Arc::clone(&database.store));
        let new = new(key(&database, 5_000 + u128::from(number)));
        calls.spawn(async move {
            let id = family.id;
            store
                .create_family(family, token(id, 0), u32::MAX, audit(AuditAction::TokenIssue))
                .await
                .unwrap();
            let (first, entry) = (hash(id, 0), audit(AuditAction::TokenRefresh));
            let used = store.redeem_refresh_token(&first, redemption(1), token(id, 1), entry).await;
            assert!(used.unwrap());
        });
        calls.spawn(async move {
            drop(another.create_keys(vec![new], audit(AuditAction::KeyCreate)).await.unwrap());
        });
    }
    calls.join_all().await;
    for family in families {
        let (first, _) = database.store.refresh_token(&hash(family.id, 0)).await.unwrap().unwrap();
        assert_eq!(first.spent, Some(redemption(1)));
        let (second, of) = database.store.refresh_token(&hash(family.id, 1)).await.unwrap().unwrap();
        assert_eq!((second.spent, of.record), (None, family));
    }
    assert_eq!(database.store.revision().await.unwrap(), 22, "tokens change nothing that replicas cache");
    assert_eq!(database.verify().await, Ok(2 + 3 * 20));
}

async fn each_token_is_used_once_by_many_callers_of_two_processes(database: TestDatabase) {
    let owner = database.make(key(&database, 5)).await.id;
    let other = Arc::new(database.another(crate::database::TEST_TIMEOUT));
    let families = [1_001, 1_002, 1_003].map(|number| family(&database, TokenSubject::Key(owner), number));
    for family in &families {
        let start = database.store.create_family(
            family.clone(),
            token(family.id, 0),
            u32::MAX,
            audit(AuditAction::TokenIssue),
        );
        start.await.unwrap();
    }
    let calls = (0..60_u8).map(|number| {
        let store = if number % 2 == 0 { &database.store } else { &other };
        let (store, id) = (Arc::clone(store), families[usize::from(number) % 3].id);
        async move {
            let (successor, entry) = (token(id, 1 + number), audit(AuditAction::TokenRefresh));
            let used =
                store.redeem_refresh_token(&hash(id, 0), redemption(1 + number), successor, entry).await;
            (id, 1 + number, used.unwrap())
        }
    });
    let used: Vec<_> = at_once(calls).await.into_iter().filter(|(_, _, used)| *used).collect();
    assert_eq!(used.iter().map(|(id, ..)| *id).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(used.len(), 3, "{used:?}");
    for (id, number, _) in used {
        let (first, _) = database.store.refresh_token(&hash(id, 0)).await.unwrap().unwrap();
        assert_eq!(first.spent, Some(redemption(number)), "the answer is the winner's");
        assert!(database.store.refresh_token(&hash(id, number)).await.unwrap().is_some());
    }
    other.close().await;
}

async fn a_write_whose_caller_gave_up_before_its_turn_is_not_done(database: TestDatabase) {
    let blocker = database.store.connection().begin().await.unwrap();
    blocker.execute_unprepared("UPDATE head SET id = id").await.unwrap();
    let mut calls = JoinSet::new();
    let mut start = |number: u128| {
        let (store, new) = (Arc::clone(&database.store), new(key(&database, number)));
        calls
            .spawn(async move { store.create_keys(vec![new], audit(AuditAction::KeyCreate)).await.map(drop) })
    };
    // The first one has a transaction of its own, which waits.
    for number in [10, 11] {
        start(number);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // The next ones wait in the queue when they are given up.
    let (twelfth, _, fourteenth) = (start(12), start(13), start(14));
    tokio::time::sleep(Duration::from_secs(1)).await;
    twelfth.abort();
    fourteenth.abort();
    let given_up = async || (twelfth.is_finished() && fourteenth.is_finished()).then_some(());
    eventually_async("both calls are given up", given_up).await;
    blocker.commit().await.unwrap();
    while let Some(done) = calls.join_next().await {
        assert!(done.map_or_else(|error| error.is_cancelled(), |created| created.is_ok()));
    }
    for (number, there) in [(10, true), (11, true), (12, false), (13, true), (14, false)] {
        let found = database.store.key_by_hash(&key(&database, number).hash).await.unwrap();
        assert_eq!(found.entry.is_some(), there, "{number}");
    }
}
