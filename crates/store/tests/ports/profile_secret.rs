//! Secrets that profiles name.

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::ports::ChangeFeed;
use latchkey_core::record::ProfileSecretRecord;
use latchkey_core::seal::Sealed;
use latchkey_core::time::Timestamp;
use latchkey_management::ports::deletion::DeletionStore;
use latchkey_management::ports::{AuditAction, ManagementStore};

use crate::database::{TestDatabase, audit};
use crate::profile::apply;

on_both!(
    a_secret_replaces_the_one_of_its_name,
    a_repeated_deletion_waits_for_a_revision_that_is_not_older,
    no_secret_outlives_its_profile,
    a_server_that_is_behind_gives_no_secrets,
);

fn secret(profile: &str, sealed: u8) -> ProfileSecretRecord {
    ProfileSecretRecord {
        profile: profile.into(),
        name: "old".into(),
        sealed: Sealed(vec![sealed]),
        set: Timestamp(5_000),
    }
}

async fn set(database: &TestDatabase, secret: ProfileSecretRecord) -> Result<u64, ManagementError> {
    Ok(database.store.set_profile_secret(secret, audit(AuditAction::ProfileSetSecret)).await?.revision)
}

async fn a_secret_replaces_the_one_of_its_name(database: TestDatabase) {
    apply(&database.store, "p", "a document").await;
    apply(&database.store, "q", "a document").await;
    set(&database, secret("p", 1)).await.unwrap();
    set(&database, secret("q", 2)).await.unwrap();
    set(&database, secret("p", 3)).await.unwrap();
    assert_eq!(database.store.profile_secrets().await.unwrap(), [secret("p", 3), secret("q", 2)]);
}

async fn a_repeated_deletion_waits_for_a_revision_that_is_not_older(database: TestDatabase) {
    apply(&database.store, "p", "a document").await;
    set(&database, secret("p", 1)).await.unwrap();
    let delete = || database.store.delete_profile_secret("p", "old", audit(AuditAction::ProfileDeleteSecret));
    let first = delete().await.unwrap();
    let again = delete().await.unwrap();
    assert!(first.value && !again.value);
    assert!(again.revision >= first.revision && first.revision > 0);
}

async fn no_secret_outlives_its_profile(database: TestDatabase) {
    apply(&database.store, "p", "a document").await;
    set(&database, secret("p", 1)).await.unwrap();
    database.store.delete_profile("p", audit(AuditAction::ProfileDelete)).await.unwrap();
    assert!(database.store.profile_secrets().await.unwrap().is_empty());
    let late = set(&database, secret("p", 2)).await.unwrap_err();
    assert_eq!(late, ManagementError::Request(RequestError::not_found("profile", "p")));
    apply(&database.store, "p", "another document").await;
    assert!(database.store.profile_secrets().await.unwrap().is_empty());
}

async fn a_server_that_is_behind_gives_no_secrets(database: TestDatabase) {
    apply(&database.store, "p", "a document").await;
    let revision = set(&database, secret("p", 1)).await.unwrap();
    database.store.require_revision(revision);
    assert_eq!(database.store.profile_secrets().await.unwrap(), [secret("p", 1)]);
    database.store.require_revision(revision + 1);
    assert!(database.store.profile_secrets().await.is_err());
}
