//! Writes that the database does not store although their statements succeed: triggers that drop rows. Nothing is
//! acknowledged, and nothing of such a write stays.

use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_management::ports::bulk::{BulkChange, BulkStore};
use latchkey_management::ports::deletion::DeletionStore;
use latchkey_management::ports::{AuditAction, KeyUpdateFn, ManagementStore, NewProfileVersion};

use crate::database::{TestDatabase, audit, key, new};

on_both![
    a_revocation_that_is_dropped_is_refused,
    scopes_that_are_kept_or_lost_are_refused,
    a_write_without_its_event_or_change_is_refused,
    a_profile_that_is_dropped_is_refused,
    a_deletion_that_is_dropped_is_refused,
    the_revocation_of_a_key_without_a_row_is_no_success,
];

/// Drops rows that statements write.
async fn drop_rows(database: &TestDatabase, table: &str, statement: &str) {
    if database.is_sqlite() {
        let ignore = "BEGIN SELECT RAISE(IGNORE); END";
        database.sql(&format!("CREATE TRIGGER lost BEFORE {statement} ON {table} {ignore}")).await;
        return;
    }
    let function =
        "CREATE OR REPLACE FUNCTION lost() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
    database.sql(function).await;
    let call = "FOR EACH ROW EXECUTE FUNCTION lost()";
    database.sql(&format!("CREATE TRIGGER lost BEFORE {statement} ON {table} {call}")).await;
}

async fn keep_rows(database: &TestDatabase, table: &str) {
    let of_table = if database.is_sqlite() { String::new() } else { format!(" ON {table}") };
    database.sql(&format!("DROP TRIGGER lost{of_table}")).await;
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(written: Result<T, ManagementError>) {
    match written {
        Err(ManagementError::System(error @ SystemError::Unavailable { .. })) => {
            assert!(error.to_string().contains("a trigger, a rule or row-level security"), "{error}");
        }
        other => panic!("not refused: {other:?}"),
    }
}

async fn revoke_all(database: &TestDatabase, key: &KeyRecord) -> Result<(), ManagementError> {
    let change = BulkChange::Revoke { reason: "an incident".to_owned() };
    let revoked =
        database.store.change_keys(&[key.id], &change, &|_, _| Ok(()), audit(AuditAction::KeyRevoke)).await;
    revoked.map(drop)
}

async fn set_scopes(
    database: &TestDatabase,
    key: &KeyRecord,
    scopes: &[&str],
) -> Result<(), ManagementError> {
    let rule: KeyUpdateFn<'_> = Box::new(|key| {
        Ok(KeyRecord { scopes: scopes.iter().map(|scope| (*scope).into()).collect(), ..key.clone() })
    });
    database.store.change_key(key.id, rule, audit(AuditAction::KeyUpdate)).await.map(drop)
}

async fn a_revocation_that_is_dropped_is_refused(database: TestDatabase) {
    let made = database.make(key(&database, 1)).await;
    drop_rows(&database, "keys", "UPDATE").await;
    assert_refused(revoke_all(&database, &made).await);
    let disable: KeyUpdateFn<'_> =
        Box::new(|key| Ok(KeyRecord { lifecycle: KeyLifecycle::Disabled, ..key.clone() }));
    assert_refused(database.store.change_key(made.id, disable, audit(AuditAction::KeyUpdate)).await);
    keep_rows(&database, "keys").await;
    assert_eq!(database.store.key(made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(database.store.revision().await.unwrap(), made.revision);
    revoke_all(&database, &made).await.unwrap();
}

async fn scopes_that_are_kept_or_lost_are_refused(database: TestDatabase) {
    let made = database.make(KeyRecord { scopes: vec!["a".into(), "b".into()], ..key(&database, 1) }).await;
    for (statement, scopes) in [("DELETE", &["a"][..]), ("INSERT", &["a", "b", "c"][..])] {
        drop_rows(&database, "grants", statement).await;
        assert_refused(set_scopes(&database, &made, scopes).await);
        keep_rows(&database, "grants").await;
        assert_eq!(database.store.key(made.id).await.unwrap(), Some(made.clone()), "{statement}");
    }
    set_scopes(&database, &made, &["a"]).await.unwrap();
}

async fn a_write_without_its_event_or_change_is_refused(database: TestDatabase) {
    let made = database.make(key(&database, 1)).await;
    for (table, statement) in [("audit_events", "INSERT"), ("changes", "INSERT"), ("head", "UPDATE")] {
        drop_rows(&database, table, statement).await;
        assert_refused(revoke_all(&database, &made).await);
        let created = vec![new(key(&database, 2))];
        assert_refused(database.store.create_keys(created, audit(AuditAction::KeyCreate)).await);
        keep_rows(&database, table).await;
        assert_eq!(database.store.key(made.id).await.unwrap(), Some(made.clone()), "{table}");
    }
    revoke_all(&database, &made).await.unwrap();
    let actions = database.actions().await;
    assert_eq!(database.verify().await, Ok(actions.len() as u64));
}

async fn a_profile_that_is_dropped_is_refused(database: TestDatabase) {
    let version = || NewProfileVersion { name: "shop", document: "one", comment: "", expected_revision: 0 };
    drop_rows(&database, "profiles", "INSERT").await;
    assert_refused(database.store.apply_profile(version(), audit(AuditAction::ProfileApply)).await);
    keep_rows(&database, "profiles").await;
    assert_eq!(database.store.profiles().await.unwrap(), []);
}

async fn a_deletion_that_is_dropped_is_refused(database: TestDatabase) {
    let made = database.make(key(&database, 1)).await;
    for (table, statement) in [("keys", "DELETE"), ("deletions", "INSERT")] {
        drop_rows(&database, table, statement).await;
        let deleted = database.store.delete_key(made.id, &|_| Ok(()), audit(AuditAction::KeyDelete)).await;
        assert_refused(deleted);
        keep_rows(&database, table).await;
        assert_eq!(database.store.key(made.id).await.unwrap(), Some(made.clone()), "{table}");
    }
    database.store.delete_key(made.id, &|_| Ok(()), audit(AuditAction::KeyDelete)).await.unwrap();
    // It was selected before it was deleted.
    revoke_all(&database, &made).await.unwrap();
}

async fn the_revocation_of_a_key_without_a_row_is_no_success(database: TestDatabase) {
    let never = key(&database, 7);
    assert_refused(revoke_all(&database, &never).await);
}
