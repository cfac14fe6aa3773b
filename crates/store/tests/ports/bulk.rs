//! Changes of many keys in one transaction.

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::KeyId;
use latchkey_core::ports::{ChangeEffect, ChangeFeed, ChangeSubject};
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::seal::Sealed;
use latchkey_management::ports::bulk::{BulkChange, BulkStore, ChangedKeys};
use latchkey_management::ports::{AuditAction, ManagementStore, NewKey};

use crate::database::{NOW, TestDatabase, audit, key, new};

on_both![
    each_key_gets_its_revision_its_change_and_its_event,
    a_refused_key_keeps_the_whole_batch,
    a_batch_that_changes_nothing_has_a_revision_to_wait_for,
    disabled_keys_keep_their_sealed_values,
];

fn revoked() -> BulkChange {
    BulkChange::Revoke { reason: "an incident".to_owned() }
}

async fn made(database: &TestDatabase, count: u128) -> Vec<KeyId> {
    let sealed = |number| KeyRecord { sealed: Some(Sealed(vec![1, 2, 3])), ..key(database, number) };
    let keys: Vec<NewKey> = (100..100 + count).map(|number| new(sealed(number))).collect();
    let ids = keys.iter().map(|key| key.record.id).collect();
    let _ = database.store.create_keys(keys, audit(AuditAction::KeyImport)).await.unwrap();
    ids
}

async fn each_key_gets_its_revision_its_change_and_its_event(database: TestDatabase) {
    let ids = made(&database, 40).await;
    let before = database.store.revision().await.unwrap();
    let done = database
        .store
        .change_keys(&ids, &revoked(), &|_, _| Ok(()), audit(AuditAction::KeyRevoke))
        .await
        .unwrap();
    assert_eq!(done.value, ChangedKeys { changed: 40, unchanged: 0 });
    assert_eq!(done.revision, before + 40);
    let changes = database.store.changes(before + 1, 100).await.unwrap();
    assert_eq!(changes.last().unwrap().history, done.history);
    for (id, change) in ids.iter().zip(&changes) {
        let key = database.store.key(*id).await.unwrap().unwrap();
        assert_eq!((key.revision, &key.sealed), (change.revision, &None));
        assert_eq!(key.lifecycle, KeyLifecycle::Revoked { at: NOW, reason: "an incident".to_owned() });
        assert_eq!(change.subject, ChangeSubject::Key(key.hash));
        assert_eq!(change.effect, Some(ChangeEffect::Revoked));
    }
    let actions = database.actions().await;
    assert_eq!(actions.iter().filter(|action| *action == "key.revoke").count(), 40);
    assert_eq!(database.verify().await, Ok(actions.len() as u64));
}

async fn a_refused_key_keeps_the_whole_batch(database: TestDatabase) {
    let ids = made(&database, 3).await;
    let last = ids[2];
    let check = |before: &KeyRecord, _: &KeyRecord| {
        if before.id == last { Err(RequestError::not_found("key", &last)) } else { Ok(()) }
    };
    let refused = database
        .store
        .change_keys(&ids, &revoked(), &check, audit(AuditAction::KeyRevoke))
        .await
        .unwrap_err();
    assert_eq!(refused, ManagementError::Request(RequestError::not_found("key", &last)));
    for id in ids {
        assert_eq!(database.store.key(id).await.unwrap().unwrap().lifecycle, KeyLifecycle::Active);
    }
}

async fn a_batch_that_changes_nothing_has_a_revision_to_wait_for(database: TestDatabase) {
    let ids = made(&database, 3).await;
    let change = || {
        database.store.change_keys(&ids, &BulkChange::Disable, &|_, _| Ok(()), audit(AuditAction::KeyUpdate))
    };
    let first = Box::pin(change()).await.unwrap();
    let again = Box::pin(change()).await.unwrap();
    assert_eq!((again.changed, again.value), (false, ChangedKeys { changed: 0, unchanged: 3 }));
    assert_eq!((again.revision, again.history), (first.revision, first.history));
}

async fn disabled_keys_keep_their_sealed_values(database: TestDatabase) {
    let ids = made(&database, 2).await;
    let gone = |keys: &[KeyId]| keys.to_vec();
    let _ = database
        .store
        .change_keys(&gone(&ids[..1]), &revoked(), &|_, _| Ok(()), audit(AuditAction::KeyRevoke))
        .await
        .unwrap();
    let done = database
        .store
        .change_keys(&ids, &BulkChange::Disable, &|_, _| Ok(()), audit(AuditAction::KeyUpdate))
        .await
        .unwrap();
    assert_eq!(done.value, ChangedKeys { changed: 1, unchanged: 1 });
    let read = database.store.keys_by_id(&ids).await.unwrap();
    let of = |id: KeyId| read.iter().find(|key| key.id == id).unwrap();
    assert_eq!(
        (&of(ids[1]).lifecycle, &of(ids[1]).sealed),
        (&KeyLifecycle::Disabled, &Some(Sealed(vec![1, 2, 3])))
    );
    assert!(matches!(of(ids[0]).lifecycle, KeyLifecycle::Revoked { .. }));
}
