//! The change feed: without gaps and in commit order.

use std::sync::Arc;

use latchkey_core::error::RequestError;
use latchkey_core::ports::{
    Change, ChangeEffect, ChangeFeed, ChangeSubject, HistoryHash, KeyStore, Replicas as _,
};
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::{AuditAction, KeyUpdateFn, ManagementStore};
use tokio::task::JoinSet;

use crate::database::{TEST_TIMEOUT, TestDatabase, audit, key, new};
use crate::replicas::{announced, replica};

on_both![
    a_follower_sees_every_revision_once_while_many_write,
    a_feed_stops_at_a_gap,
    a_feed_is_read_in_pieces,
    a_feed_loses_its_end_and_nothing_that_is_needed,
    a_change_names_what_it_takes_away,
    every_revision_has_a_history_of_its_own,
    an_answer_that_is_older_than_required_is_refused,
];

const WRITERS: u128 = 20;
const WRITES: u128 = 10;

/// A writer with its own store, as in a process of its own. It creates batches of different sizes, changes keys
/// and rolls transactions back, so that commits overtake each other.
async fn write(database: Arc<TestDatabase>, writer: u128) {
    let store = database.another(TEST_TIMEOUT);
    for write in 0..WRITES {
        let number = 1_000 * (writer + 1) + 10 * write;
        let batch = (0..=(writer % 3)).map(|n| new(key(&database, number + n))).collect();
        store.create_keys(batch, audit(AuditAction::KeyCreate)).await.unwrap();
        let id = key(&database, number).id;
        let no: KeyUpdateFn<'_> = Box::new(|_| Err(RequestError::FailedPrecondition("no".into())));
        store.change_key(id, no, audit(AuditAction::KeyUpdate)).await.unwrap_err();
        let rename: KeyUpdateFn<'_> = Box::new(|key| Ok(KeyRecord { name: "renamed".into(), ..key.clone() }));
        store.change_key(id, rename, audit(AuditAction::KeyUpdate)).await.unwrap();
    }
    store.close().await;
}

async fn a_follower_sees_every_revision_once_while_many_write(database: TestDatabase) {
    let database = Arc::new(database);
    let expected: u128 = 1 + (0..WRITERS).map(|writer| WRITES * (writer % 3 + 2)).sum::<u128>();
    let mut writers: JoinSet<()> = (0..WRITERS).map(|writer| write(Arc::clone(&database), writer)).collect();
    let mut followed: Vec<Change> = Vec::new();
    while followed.len() < usize::try_from(expected).unwrap() {
        let after = followed.last().map_or(0, |change| change.revision);
        let head = database.store.revision().await.unwrap();
        let next = database.store.changes(after + 1, 1_000).await.unwrap();
        let seen = next.last().map_or(after, |change| change.revision);
        assert!(seen >= head, "the head said {head} and the feed ended at {seen}");
        followed.extend(next);
        while let Some(writer) = writers.try_join_next() {
            writer.unwrap();
        }
    }
    writers.join_all().await;
    let revisions: Vec<_> = followed.iter().map(|change| change.revision).collect();
    assert_eq!(revisions, (1..=u64::try_from(expected).unwrap()).collect::<Vec<_>>());
    assert_eq!(u128::from(database.store.revision().await.unwrap()), expected);
    let lines = u64::try_from(1 + 2 * WRITERS * WRITES).unwrap();
    assert_eq!(database.verify().await, Ok(lines));
}

async fn a_feed_stops_at_a_gap(database: TestDatabase) {
    for number in 1..=4 {
        database.make(key(&database, number)).await;
    }
    database.sql("DELETE FROM changes WHERE revision = 3").await;
    let revisions = |changes: Vec<Change>| changes.iter().map(|c| c.revision).collect::<Vec<_>>();
    assert_eq!(revisions(database.store.changes(0, 10).await.unwrap()), [1, 2]);
    assert_eq!(revisions(database.store.changes(2, 10).await.unwrap()), [2]);
    database.sql("DELETE FROM changes WHERE revision = 2").await;
    assert_eq!(revisions(database.store.changes(2, 10).await.unwrap()), Vec::<u64>::new());
    assert_eq!(
        revisions(database.store.changes(3, 10).await.unwrap()),
        [4, 5],
        "the first one may be missing"
    );
}

async fn a_feed_is_read_in_pieces(database: TestDatabase) {
    for number in 1..=4 {
        database.make(key(&database, number)).await;
    }
    let revisions = |changes: Vec<Change>| changes.iter().map(|c| c.revision).collect::<Vec<_>>();
    assert_eq!(revisions(database.store.changes(2, 2).await.unwrap()), [2, 3]);
    assert_eq!(revisions(database.store.changes(5, 2).await.unwrap()), [5]);
    assert_eq!(revisions(database.store.changes(6, 2).await.unwrap()), Vec::<u64>::new());
}

async fn a_feed_loses_its_end_and_nothing_that_is_needed(database: TestDatabase) {
    for number in 1..=9 {
        database.make(key(&database, number)).await;
    }
    let newest = database.store.revision().await.unwrap();
    // Returns the first row that still exists.
    let oldest = async || {
        for at in 1..=newest {
            let found = database.store.changes(at, 1).await.unwrap();
            if found.first().is_some_and(|change| change.revision == at) {
                return at;
            }
        }
        newest + 1
    };
    assert_eq!(database.store.prune_feed(newest).await.unwrap(), 0, "all rows are among the newest");
    assert_eq!(database.store.prune_feed(7).await.unwrap(), newest - 7);
    assert_eq!(oldest().await, newest - 6);
    let here = |id: &str, revision| (replica(id), announced(revision, 1));
    for (replica, announced) in [here("1", newest - 4), here("2", newest - 6)] {
        database.store.register(&replica, &announced).await.unwrap();
    }
    let kept = "the row at a replica's revision stays, which it compares its history with";
    assert_eq!(database.store.prune_feed(2).await.unwrap(), 0, "{kept}");
    database.store.depart(&replica("2"), 2).await.unwrap();
    assert_eq!(
        database.store.prune_feed(2).await.unwrap(),
        2,
        "rows that a replica which has not departed has not applied stay"
    );
    assert_eq!(oldest().await, newest - 4);
    assert_eq!(database.store.prune_feed(2).await.unwrap(), 0);
    assert_eq!(database.store.revision().await.unwrap(), newest);
    database.make(key(&database, 10)).await;
    assert_eq!(database.store.changes(newest + 1, 10).await.unwrap().len(), 1, "the feed continues");
}

async fn a_change_names_what_it_takes_away(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    let rename: KeyUpdateFn<'_> = Box::new(|key| Ok(KeyRecord { name: "renamed".into(), ..key.clone() }));
    let disable: KeyUpdateFn<'_> =
        Box::new(|key| Ok(KeyRecord { lifecycle: KeyLifecycle::Disabled, ..key.clone() }));
    let revoke: KeyUpdateFn<'_> = Box::new(|key| {
        let lifecycle = key.lifecycle.revoke(Timestamp(9), String::new());
        let lifecycle = lifecycle.map_err(|_| RequestError::no_such("key"))?;
        Ok(KeyRecord { lifecycle, ..key.clone() })
    });
    for rule in [rename, disable, revoke] {
        database.store.change_key(key.id, rule, audit(AuditAction::KeyUpdate)).await.unwrap();
    }
    let changes = database.store.changes(key.revision, 10).await.unwrap();
    assert!(changes.iter().all(|change| change.subject == ChangeSubject::Key(key.hash)));
    let effects: Vec<_> = changes.into_iter().map(|change| change.effect).collect();
    assert_eq!(effects, [None, None, Some(ChangeEffect::Disabled), Some(ChangeEffect::Revoked)]);
}

async fn every_revision_has_a_history_of_its_own(database: TestDatabase) {
    for number in 1..=4 {
        database.make(key(&database, number)).await;
    }
    let histories = database.store.history(5, 10).await.unwrap();
    assert_eq!(histories.iter().map(|(revision, _)| *revision).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    let distinct: std::collections::BTreeSet<HistoryHash> = histories.iter().map(|(_, hash)| *hash).collect();
    assert_eq!(distinct.len(), 5);
    assert_eq!(database.store.history(3, 2).await.unwrap(), histories[2..4]);
    let changes = database.store.changes(1, 10).await.unwrap();
    let shown = changes.iter().rev().map(|change| (change.revision, change.history.unwrap()));
    assert_eq!(shown.collect::<Vec<_>>(), histories);
}

async fn an_answer_that_is_older_than_required_is_refused(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    let head = database.store.revision().await.unwrap();
    database.store.require_revision(head);
    assert!(database.store.key_by_hash(&key.hash).await.unwrap().entry.is_some());
    let (_, history) = database.store.history(head, 1).await.unwrap()[0];
    assert!(database.store.has_history(&history).await.unwrap());
    database.store.require_revision(head + 1);
    assert!(database.store.key_by_hash(&key.hash).await.is_err(), "the server is behind");
    // The old primary of a failover has what the new one lost.
    assert!(database.store.has_history(&history).await.is_err(), "the server is behind");
    assert!(database.store.list(head + 1).await.is_err());
    assert!(database.store.list(head).await.is_ok());
    database.store.require_revision(head);
    assert!(database.store.key_by_hash(&key.hash).await.is_ok());
}
