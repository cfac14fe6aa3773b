//! Changing keys by rules.

use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::KeyId;
use latchkey_core::ports::{ChangeFeed, ChangeSubject, KeyStore};
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::{AuditAction, KeyUpdateFn, ManagementStore};
use uuid::Uuid;

use crate::database::{TestDatabase, at_once, audit, key, pairs};

on_both![
    a_change_gets_the_next_revision_and_a_row_of_the_feed,
    scopes_are_changed_with_their_key,
    an_unchanged_key_is_not_written,
    a_refusing_rule_leaves_everything_as_it_was,
    an_unknown_key_is_not_found,
    one_of_two_parallel_revocations_succeeds,
    a_change_after_a_change_sees_its_scopes,
    rotation_changes_the_old_key_and_makes_the_new_one,
    rotation_to_a_value_that_exists_changes_nothing,
];

fn revoke<'a>() -> KeyUpdateFn<'a> {
    Box::new(|key| {
        let lifecycle = key.lifecycle.revoke(Timestamp(9), "leaked".into());
        let lifecycle = lifecycle.map_err(|error| RequestError::FailedPrecondition(error.to_string()))?;
        Ok(KeyRecord { lifecycle, ..key.clone() })
    })
}

async fn a_change_gets_the_next_revision_and_a_row_of_the_feed(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    let rule: KeyUpdateFn<'_> = Box::new(|key| {
        Ok(KeyRecord { name: "renamed".into(), metadata: pairs(&[("a", "b")]), ..key.clone() })
    });
    let written = database.store.change_key(key.id, rule, audit(AuditAction::KeyUpdate)).await.unwrap();
    assert_eq!(written.revision, key.revision + 1);
    assert_eq!(written.value.revision, written.revision);
    assert_eq!(database.store.key(key.id).await.unwrap(), Some(written.value));
    let changes = database.store.changes(key.revision + 1, 10).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].revision, &changes[0].subject), (written.revision, &ChangeSubject::Key(key.hash)));
}

async fn scopes_are_changed_with_their_key(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    for scopes in [vec!["a".into(), "b".into()], vec!["b".into(), "c".into()], Vec::<Box<str>>::new()] {
        let rule: KeyUpdateFn<'_> = Box::new(|key| Ok(KeyRecord { scopes: scopes.clone(), ..key.clone() }));
        database.store.change_key(key.id, rule, audit(AuditAction::KeyUpdate)).await.unwrap();
        let found = database.store.key_by_hash(&key.hash).await.unwrap();
        assert_eq!(found.entry.unwrap().0.scopes, scopes);
    }
}

async fn an_unchanged_key_is_not_written(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    let same: KeyUpdateFn<'_> = Box::new(|key| Ok(key.clone()));
    let written = database.store.change_key(key.id, same, audit(AuditAction::KeyUpdate)).await.unwrap();
    assert_eq!((written.revision, written.changed, written.value), (key.revision, false, key.clone()));
    assert_eq!(database.store.revision().await.unwrap(), key.revision);
    assert_eq!(database.actions().await.len(), 2);
}

async fn a_refusing_rule_leaves_everything_as_it_was(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    let no: KeyUpdateFn<'_> = Box::new(|_| Err(RequestError::FailedPrecondition("no".into())));
    let refused = database.store.change_key(key.id, no, audit(AuditAction::KeyUpdate)).await.unwrap_err();
    assert_eq!(refused, ManagementError::Request(RequestError::FailedPrecondition("no".into())));
    assert_eq!(database.store.key(key.id).await.unwrap(), Some(key.clone()));
    // The lock has been released as well.
    let written = database.store.change_key(key.id, revoke(), audit(AuditAction::KeyRevoke)).await.unwrap();
    assert_eq!(written.revision, key.revision + 1);
}

async fn an_unknown_key_is_not_found(database: TestDatabase) {
    let nobody = KeyId(Uuid::from_u128(404));
    let refused =
        database.store.change_key(nobody, revoke(), audit(AuditAction::KeyRevoke)).await.unwrap_err();
    assert_eq!(refused, ManagementError::Request(RequestError::not_found("key", &nobody)));
    assert_eq!(database.store.key(nobody).await.unwrap(), None);
}

async fn one_of_two_parallel_revocations_succeeds(database: TestDatabase) {
    for number in 0..10 {
        let key = database.make(key(&database, 100 + number)).await;
        let first = database.store.change_key(key.id, revoke(), audit(AuditAction::KeyRevoke));
        let second = database.store.change_key(key.id, revoke(), audit(AuditAction::KeyRevoke));
        let (first, second) = tokio::join!(first, second);
        assert_ne!(first.is_ok(), second.is_ok());
        let refusal = first.err().or(second.err()).unwrap();
        assert!(
            matches!(refusal, ManagementError::Request(RequestError::FailedPrecondition(_))),
            "{refusal:?}"
        );
        let found = database.store.key_by_hash(&key.hash).await.unwrap();
        assert!(matches!(found.entry.unwrap().0.lifecycle, KeyLifecycle::Revoked { .. }));
    }
}

async fn a_change_after_a_change_sees_its_scopes(database: TestDatabase) {
    let made = database.make(KeyRecord { scopes: Vec::new(), ..key(&database, 7) }).await;
    let add = |scope: &'static str| {
        let store = Arc::clone(&database.store);
        let rule = move |key: &KeyRecord| {
            let mut scopes = key.scopes.clone();
            scopes.push(scope.into());
            scopes.sort_unstable();
            Ok(KeyRecord { scopes, ..key.clone() })
        };
        async move { store.change_key(made.id, Box::new(rule), audit(AuditAction::KeyUpdate)).await.unwrap() }
    };
    let scopes = ["a", "b", "c", "d", "e", "f"];
    at_once(scopes.into_iter().map(add)).await;
    let key = database.store.key(made.id).await.unwrap().unwrap();
    assert_eq!(key.scopes, scopes.map(Box::<str>::from));
}

async fn rotation_changes_the_old_key_and_makes_the_new_one(database: TestDatabase) {
    let old = database.make(key(&database, 7)).await;
    let successor = key(&database, 8);
    let rule = |old: &KeyRecord| {
        let new = KeyRecord { rotated_from: Some(old.id), ..successor.clone() };
        Ok((KeyRecord { rotated_to: Some(new.id), expires: Some(Timestamp(5)), ..old.clone() }, new))
    };
    let written =
        database.store.rotate_key(old.id, Box::new(rule), audit(AuditAction::KeyRotate)).await.unwrap();
    let (replaced, new) = written.value;
    assert_eq!((replaced.revision, new.revision, written.revision), (3, 4, 4));
    assert_eq!((replaced.rotated_to, new.rotated_from), (Some(new.id), Some(replaced.id)));
    assert_eq!(database.store.key(old.id).await.unwrap(), Some(replaced));
    let subjects: Vec<_> =
        database.store.changes(3, 10).await.unwrap().into_iter().map(|c| c.subject).collect();
    assert_eq!(subjects, [ChangeSubject::Key(old.hash), ChangeSubject::Key(new.hash)]);
    assert_eq!(database.store.key(successor.id).await.unwrap(), Some(new));
}

async fn rotation_to_a_value_that_exists_changes_nothing(database: TestDatabase) {
    let old = database.make(key(&database, 7)).await;
    let rule = |old: &KeyRecord| {
        let new = KeyRecord { id: KeyId(Uuid::from_u128(8)), ..old.clone() };
        Ok((KeyRecord { name: "old".into(), ..old.clone() }, new))
    };
    let refused =
        database.store.rotate_key(old.id, Box::new(rule), audit(AuditAction::KeyRotate)).await.unwrap_err();
    assert!(matches!(refused, ManagementError::Request(RequestError::AlreadyExists(_))), "{refused:?}");
    assert_eq!(database.store.key(old.id).await.unwrap(), Some(old));
}
