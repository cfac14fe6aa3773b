//! Profiles and their versions.

use std::sync::Arc;

use latchkey_core::ports::{ChangeFeed, ChangeSubject};
use latchkey_core::record::ProfileRecord;
use latchkey_management::ports::{ApplyResult, AuditAction, ManagementStore, NewProfileVersion, WriteResult};
use latchkey_store::Store;

use crate::database::{TestDatabase, at_once, audit};

on_both![
    each_new_document_is_the_next_version,
    the_newest_document_is_not_stored_again,
    versions_are_listed_with_author_and_comment_and_without_documents,
    the_newest_version_of_each_profile_is_listed_by_name,
    each_of_twenty_parallel_applications_gets_a_version,
    a_writer_that_was_overtaken_writes_nothing,
];

async fn newest(store: &Store) -> u64 {
    store.profiles().await.unwrap().iter().map(|profile| profile.revision).max().unwrap_or(0)
}

fn version<'a>(name: &'a str, document: &'a str, expected_revision: u64) -> NewProfileVersion<'a> {
    NewProfileVersion { name, document, comment: "a comment", expected_revision }
}

/// Applies a document, and repeats it as often as another process was faster.
pub(crate) async fn apply(store: &Store, name: &str, document: &str) -> WriteResult<ProfileRecord> {
    loop {
        let among = newest(store).await;
        match store
            .apply_profile(version(name, document, among), audit(AuditAction::ProfileApply))
            .await
            .unwrap()
        {
            ApplyResult::Written(written) => return written,
            ApplyResult::Conflict => {}
        }
    }
}

async fn each_new_document_is_the_next_version(database: TestDatabase) {
    let first = apply(&database.store, "luxcore", "one").await;
    let second = apply(&database.store, "luxcore", "two").await;
    let third = apply(&database.store, "luxcore", "one").await;
    assert_eq!([first.value.version, second.value.version, third.value.version], [1, 2, 3]);
    assert_eq!(third.value.applied, audit(AuditAction::ProfileApply).time);
    assert_eq!((third.revision, third.value.revision), (4, 4));
    assert_eq!(
        database.store.changes(4, 10).await.unwrap()[0].subject,
        ChangeSubject::Profile("luxcore".into())
    );
    assert_eq!(database.store.profile("luxcore", Some(2)).await.unwrap(), Some(second.value));
    assert_eq!(database.store.profile("luxcore", None).await.unwrap(), Some(third.value));
    assert_eq!(database.store.profile("luxcore", Some(4)).await.unwrap(), None);
    assert_eq!(database.store.profile("Luxcore", None).await.unwrap(), None);
}

async fn versions_are_listed_with_author_and_comment_and_without_documents(database: TestDatabase) {
    for document in ["one", "two", "three"] {
        apply(&database.store, "luxcore", document).await;
    }
    apply(&database.store, "auxvault", "other").await;
    let listed = database.store.profile_versions("luxcore", None, 2).await.unwrap();
    let seen = |p: &ProfileRecord| (p.version, p.applied_by.to_string(), p.comment.to_string());
    let expected = |version| (version, "operator".to_owned(), "a comment".to_owned());
    assert_eq!(listed.iter().map(seen).collect::<Vec<_>>(), [expected(3), expected(2)]);
    assert!(
        listed.iter().all(|p| p.document.is_empty() && p.applied == audit(AuditAction::ProfileApply).time)
    );
    let rest = database.store.profile_versions("luxcore", Some(2), 2).await.unwrap();
    assert_eq!(rest.iter().map(seen).collect::<Vec<_>>(), [expected(1)]);
    database.sql("UPDATE profiles SET applied_by = NULL, comment = NULL").await;
    let old = database.store.profile("luxcore", Some(1)).await.unwrap().unwrap();
    assert_eq!((&*old.applied_by, &*old.comment), ("", ""), "of an earlier program");
}

async fn the_newest_document_is_not_stored_again(database: TestDatabase) {
    let first = apply(&database.store, "luxcore", "one").await;
    let again = apply(&database.store, "luxcore", "one").await;
    assert_eq!((again.revision, again.changed, again.value), (first.revision, false, first.value));
    assert_eq!(database.store.revision().await.unwrap(), first.revision);
}

async fn the_newest_version_of_each_profile_is_listed_by_name(database: TestDatabase) {
    for (name, document) in [("luxcore", "one"), ("auxvault", "one"), ("luxcore", "two")] {
        apply(&database.store, name, document).await;
    }
    let listed = database.store.profiles().await.unwrap();
    let seen = |p: &ProfileRecord| (p.name.to_string(), p.version, p.document.clone());
    let expected = [("auxvault".into(), 1, "one".into()), ("luxcore".into(), 2, "two".into())];
    assert_eq!(listed.iter().map(seen).collect::<Vec<_>>(), expected);
}

async fn each_of_twenty_parallel_applications_gets_a_version(database: TestDatabase) {
    let one = |number| {
        let store = Arc::clone(&database.store);
        let document = format!("document {number}");
        async move { apply(&store, "luxcore", &document).await.value.version }
    };
    let mut versions = at_once((0..20).map(one)).await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
}

async fn a_writer_that_was_overtaken_writes_nothing(database: TestDatabase) {
    let among = newest(&database.store).await;
    let other = apply(&database.store, "auxvault", "one").await;
    let late = version("luxcore", "one", among);
    let late = database.store.apply_profile(late, audit(AuditAction::ProfileApply)).await.unwrap();
    assert_eq!(late, ApplyResult::Conflict);
    assert_eq!(database.store.profile("luxcore", None).await.unwrap(), None);
    assert_eq!(database.store.revision().await.unwrap(), other.revision);
    let written = apply(&database.store, "luxcore", "one").await;
    assert!(written.revision > other.revision);
}
