//! Creating keys: all or none, and each once.

use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::TenantId;
use latchkey_core::ports::ChangeFeed;
use latchkey_core::record::KeyRecord;
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::{AuditAction, Created, ManagementStore, NewKey};
use uuid::Uuid;

use crate::database::{TestDatabase, at_once, audit, key, new};

on_both![
    each_key_of_a_batch_gets_a_revision_and_all_one_audit_event,
    a_large_batch_is_made_at_once,
    a_value_that_exists_is_refused_by_its_place_and_nothing_is_made,
    a_value_twice_in_a_batch_is_refused_by_its_place,
    a_key_of_an_unknown_tenant_is_refused,
    the_same_call_again_answers_the_key_it_made,
    another_call_with_the_same_idempotency_key_is_refused,
    an_idempotency_key_is_a_tenants_own,
    one_of_fifty_equal_calls_creates_a_key,
];

fn once(record: KeyRecord, name: &str, asked: u8) -> NewKey {
    NewKey { record, idempotency: Some((name.to_owned(), [asked; 32])), imported: false }
}

async fn each_key_of_a_batch_gets_a_revision_and_all_one_audit_event(database: TestDatabase) {
    let batch = (10..13).map(|n| new(key(&database, n))).collect();
    let written = database.store.create_keys(batch, audit(AuditAction::KeyImport)).await.unwrap();
    let revision = |made: &Created| match made {
        Created::New(key) => key.revision,
        Created::Existing(_) => 0,
    };
    assert_eq!(written.value.iter().map(revision).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(written.revision, 4);
    assert_eq!(database.store.revision().await.unwrap(), 4);
    assert_eq!(database.actions().await.len(), 2);
    for made in written.value {
        let Created::New(key) = made else { panic!("the key existed before") };
        assert_eq!(database.store.key(key.id).await.unwrap(), Some(key));
    }
}

async fn a_large_batch_is_made_at_once(database: TestDatabase) {
    let batch = (1_000..2_200).map(|n| new(key(&database, n))).collect();
    let written = database.store.create_keys(batch, audit(AuditAction::KeyImport)).await.unwrap();
    assert_eq!(written.revision, 1_201);
    let changes = database.store.changes(0, 5_000).await.unwrap();
    assert_eq!(changes.len(), 1_201);
    let last = database.store.key(latchkey_core::id::KeyId(Uuid::from_u128(2_199))).await.unwrap().unwrap();
    assert_eq!((last.revision, last.scopes.len()), (1_201, 1));
}

async fn a_value_that_exists_is_refused_by_its_place_and_nothing_is_made(database: TestDatabase) {
    let known = database.make(key(&database, 7)).await;
    let copy = KeyRecord { hash: known.hash, ..key(&database, 9) };
    let batch = vec![new(key(&database, 8)), new(copy)];
    let refused = database.store.create_keys(batch, audit(AuditAction::KeyImport)).await.unwrap_err();
    assert_eq!(
        refused,
        ManagementError::Request(RequestError::AlreadyExists("keys[1] exists already".into()))
    );
    assert_eq!(database.store.key(key(&database, 8).id).await.unwrap(), None);
    assert_eq!(database.store.revision().await.unwrap(), known.revision);
}

async fn a_value_twice_in_a_batch_is_refused_by_its_place(database: TestDatabase) {
    let copy = KeyRecord { hash: key(&database, 8).hash, ..key(&database, 9) };
    let batch = vec![new(key(&database, 8)), new(copy)];
    let refused = database.store.create_keys(batch, audit(AuditAction::KeyImport)).await.unwrap_err();
    assert_eq!(
        refused,
        ManagementError::Request(RequestError::AlreadyExists("keys[1] exists already".into()))
    );
    assert_eq!(database.store.key(key(&database, 8).id).await.unwrap(), None);
}

async fn a_key_of_an_unknown_tenant_is_refused(database: TestDatabase) {
    let orphan = KeyRecord { tenant: TenantId(Uuid::from_u128(404)), ..key(&database, 8) };
    let refused =
        database.store.create_keys(vec![new(orphan)], audit(AuditAction::KeyCreate)).await.unwrap_err();
    assert_eq!(refused, ManagementError::Request(RequestError::no_such("tenant")));
}

async fn the_same_call_again_answers_the_key_it_made(database: TestDatabase) {
    let first = database
        .store
        .create_keys(vec![once(key(&database, 7), "a", 1)], audit(AuditAction::KeyCreate))
        .await
        .unwrap();
    let again = database
        .store
        .create_keys(vec![once(key(&database, 8), "a", 1)], audit(AuditAction::KeyCreate))
        .await
        .unwrap();
    let [Created::New(made)] = first.value.as_slice() else { panic!("not new") };
    assert_eq!(again.value, [Created::Existing(made.clone())]);
    assert_eq!((again.revision, again.changed), (first.revision, false));
    assert_eq!(database.store.revision().await.unwrap(), first.revision);
}

async fn another_call_with_the_same_idempotency_key_is_refused(database: TestDatabase) {
    database
        .store
        .create_keys(vec![once(key(&database, 7), "a", 1)], audit(AuditAction::KeyCreate))
        .await
        .unwrap();
    let other = database
        .store
        .create_keys(vec![once(key(&database, 8), "a", 2)], audit(AuditAction::KeyCreate))
        .await;
    assert!(matches!(other, Err(ManagementError::Request(RequestError::AlreadyExists(_)))), "{other:?}");
    assert_eq!(database.store.key(key(&database, 8).id).await.unwrap(), None);
}

async fn an_idempotency_key_is_a_tenants_own(database: TestDatabase) {
    let other = crate::database::tenant(2, "globex");
    database.store.create_tenant(other.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    database
        .store
        .create_keys(vec![once(key(&database, 7), "a", 1)], audit(AuditAction::KeyCreate))
        .await
        .unwrap();
    let theirs = KeyRecord { tenant: other.id, ..key(&database, 8) };
    let made =
        database.store.create_keys(vec![once(theirs, "a", 2)], audit(AuditAction::KeyCreate)).await.unwrap();
    assert!(matches!(made.value.as_slice(), [Created::New(_)]));
}

async fn one_of_fifty_equal_calls_creates_a_key(database: TestDatabase) {
    let database = Arc::new(database);
    let call = |n: u128| {
        let database = Arc::clone(&database);
        async move {
            let fresh = KeyRecord { hash: KeyHash::of(&format!("fresh {n}")), ..key(&database, n) };
            let made = database
                .store
                .create_keys(vec![once(fresh, "a", 1)], audit(AuditAction::KeyCreate))
                .await
                .unwrap();
            match made.value.into_iter().next().unwrap() {
                Created::New(key) => (true, key.id),
                Created::Existing(key) => (false, key.id),
            }
        }
    };
    let answers = at_once((100..150).map(call)).await;
    assert_eq!(answers.iter().filter(|(new, _)| *new).count(), 1);
    assert!(answers.iter().all(|(_, id)| *id == answers[0].1));
    assert_eq!(database.store.revision().await.unwrap(), 2);
}
