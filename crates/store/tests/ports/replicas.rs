//! Rows of replicas: the state that they announce, and the detection of changes by other programs.

use std::time::Duration;

use latchkey_core::ports::{Announcement, ChangeFeed, Replica, ReplicaRow, Replicas};

use crate::database::{TestDatabase, at_once};

on_both![
    a_row_is_read_as_it_was_written,
    a_heartbeat_without_a_row_says_so,
    the_applied_revision_is_written_for_the_present_heartbeat_alone,
    a_row_that_was_altered_announces_nothing,
    a_row_that_another_program_deleted_is_noticed,
    counts_that_another_program_altered_are_not_used,
    an_earlier_release_counts_beside_this_one,
    a_removal_waits_for_a_row_that_stands_still,
    a_challenge_is_answered_by_a_heartbeat,
    a_replica_that_departed_says_so,
    registrations_at_once_are_all_counted,
    a_row_that_is_restored_to_an_earlier_state_has_another_version,
];

const LEASE: Duration = Duration::from_mins(5);

pub(crate) fn replica(id: &str) -> Replica {
    Replica { id: id.into(), name: "127.0.0.1:50051".into(), stable_name: None, host: None }
}

pub(crate) fn announced(revision: u64, beat: u64) -> Announcement {
    Announcement { revision, history: Some([7; 32]), lease: LEASE, beat }
}

async fn only_row(database: &TestDatabase) -> ReplicaRow {
    let mut fleet = database.store.list(0).await.unwrap();
    assert_eq!(fleet.rows.len(), 1, "{fleet:?}");
    fleet.rows.remove(0)
}

async fn a_row_is_read_as_it_was_written(database: TestDatabase) {
    let named = Replica { stable_name: Some("pod-0".into()), host: Some("m1".into()), ..replica("1") };
    database.store.register(&named, &announced(5, 1)).await.unwrap();
    let written = ReplicaRow {
        replica: named.clone(),
        announced: Some(announced(5, 1)),
        beat: 1,
        departed: false,
        challenged: false,
        version: None,
    };
    assert_eq!(ReplicaRow { version: None, ..only_row(&database).await }, written);
    let polled = database.store.poll(Some((&named, &announced(6, 2))), 1, 10).await.unwrap();
    assert!(polled.heartbeat && !polled.fleet.is_incomplete());
    assert_eq!(polled.fleet.revision, database.store.revision().await.unwrap());
    assert_eq!(polled.fleet.longest_lease, LEASE);
    let written = ReplicaRow { announced: Some(announced(6, 2)), beat: 2, ..written };
    let read: Vec<ReplicaRow> =
        polled.fleet.rows.into_iter().map(|row| ReplicaRow { version: None, ..row }).collect();
    assert_eq!(read, [written]);
    assert_eq!(polled.changes, database.store.changes(1, 10).await.unwrap());
}

async fn a_row_that_is_restored_to_an_earlier_state_has_another_version(database: TestDatabase) {
    database.store.register(&replica("1"), &announced(5, 1)).await.unwrap();
    let before = only_row(&database).await;
    assert_eq!(only_row(&database).await, before, "reading changes nothing");
    database.sql("CREATE TABLE older AS SELECT * FROM replicas").await;
    database.store.poll(Some((&replica("1"), &announced(5, 2))), 1, 10).await.unwrap();
    for statement in ["DELETE FROM replicas", "INSERT INTO replicas SELECT * FROM older", "DROP TABLE older"]
    {
        database.sql(statement).await;
    }
    let restored = only_row(&database).await;
    assert_eq!(restored.announced, before.announced, "the row itself shows nothing");
    // The embedded database belongs to one process, so that there is no other replica.
    assert_eq!(restored.version != before.version, before.version.is_some());
}

async fn a_heartbeat_without_a_row_says_so(database: TestDatabase) {
    let polled = database.store.poll(Some((&replica("1"), &announced(1, 1))), 1, 10).await.unwrap();
    assert!(!polled.heartbeat && polled.fleet.rows.is_empty());
}

async fn the_applied_revision_is_written_for_the_present_heartbeat_alone(database: TestDatabase) {
    database.store.register(&replica("1"), &announced(5, 2)).await.unwrap();
    database.store.set_applied(&replica("1"), &announced(9, 1)).await.unwrap();
    assert_eq!(only_row(&database).await.announced, Some(announced(5, 2)), "it was overtaken");
    database.store.set_applied(&replica("1"), &announced(9, 2)).await.unwrap();
    assert_eq!(only_row(&database).await.announced, Some(announced(9, 2)));
}

async fn a_row_that_was_altered_announces_nothing(database: TestDatabase) {
    for (id, column) in [
        ("1", "revision = 1000"),
        ("2", "lease_ms = 1"),
        ("3", "lease_ms = NULL"),
        ("4", "beat = 7"),
        ("5", "history = NULL"),
        ("6", "name = 'there'"),
        ("7", "stable_name = 'pod-0'"),
        ("8", "host = 'm1'"),
        ("9", "checksum = NULL"),
        ("10", "departed = (1 = 1)"),
    ] {
        database.store.register(&replica(id), &announced(5, 1)).await.unwrap();
        database.sql(&format!("UPDATE replicas SET {column} WHERE id = '{id}'")).await;
        let rows = database.store.list(0).await.unwrap().rows;
        let row = rows.iter().find(|row| *row.replica.id == *id).unwrap();
        assert!(row.announced.is_none() && !row.departed, "{column}: {row:?}");
    }
}

async fn a_row_that_another_program_deleted_is_noticed(database: TestDatabase) {
    for id in ["1", "2"] {
        database.store.register(&replica(id), &announced(5, 1)).await.unwrap();
    }
    assert!(!database.store.list(0).await.unwrap().is_incomplete());
    database.sql("DELETE FROM replicas WHERE id = '1'").await;
    assert!(database.store.list(0).await.unwrap().is_incomplete());
    database.store.accept_count().await.unwrap();
    assert!(!database.store.list(0).await.unwrap().is_incomplete());
    database.store.register(&replica("3"), &announced(5, 1)).await.unwrap();
    assert!(!database.store.list(0).await.unwrap().is_incomplete(), "the count goes on");
}

async fn counts_that_another_program_altered_are_not_used(database: TestDatabase) {
    database.store.register(&replica("1"), &announced(5, 1)).await.unwrap();
    database.store.register(&replica("2"), &announced(5, 1)).await.unwrap();
    for (number, fault) in (10..).zip([
        "UPDATE fleet SET removals = 1",
        "UPDATE fleet SET removals = removals + 1 WHERE id = 1",
        "UPDATE fleet SET longest_lease_ms = 1",
        "UPDATE fleet SET longest_lease_ms = 1 WHERE id = 1",
        "UPDATE fleet SET registrations = 2, removals = 0, longest_lease_ms = 1",
        "DELETE FROM fleet WHERE id = 1",
        "DELETE FROM fleet",
    ]) {
        database.sql(fault).await;
        let fleet = database.store.list(0).await.unwrap();
        assert!(fleet.is_incomplete() && fleet.longest_lease.is_zero(), "{fault}: {fleet:?}");
        database.store.register(&replica(&number.to_string()), &announced(5, 1)).await.unwrap();
        assert!(
            database.store.list(0).await.unwrap().is_incomplete(),
            "{fault}: a registration repairs nothing"
        );
        database.store.accept_count().await.unwrap();
        let fleet = database.store.list(0).await.unwrap();
        assert!(!fleet.is_incomplete() && fleet.longest_lease >= LEASE, "{fault}: {fleet:?}");
        assert!(database.store.remove(&number.to_string(), 1).await.unwrap());
        assert!(!database.store.list(0).await.unwrap().is_incomplete(), "{fault}: the count goes on");
    }
}

async fn an_earlier_release_counts_beside_this_one(database: TestDatabase) {
    database.store.register(&replica("1"), &announced(5, 1)).await.unwrap();
    // The statements of a registration and of a removal by that release.
    for statement in [
        "UPDATE fleet SET registrations = registrations + 1, removals = removals + 0, longest_lease_ms = \
         CASE WHEN longest_lease_ms < 5 THEN 5 ELSE longest_lease_ms END",
        "UPDATE fleet SET removals = removals + 1",
    ] {
        database.sql(statement).await;
    }
    let fleet = database.store.list(0).await.unwrap();
    assert!(!fleet.is_incomplete() && fleet.longest_lease == LEASE, "{fleet:?}");
    database.sql("DELETE FROM fleet WHERE id = 2").await;
    assert!(!database.store.list(0).await.unwrap().is_incomplete(), "a database of that release has no copy");
    database.store.register(&replica("2"), &announced(5, 1)).await.unwrap();
    database.sql("UPDATE fleet SET registrations = 9, removals = 7 WHERE id = 1").await;
    assert!(database.store.list(0).await.unwrap().is_incomplete(), "the copy was made");
}

async fn a_removal_waits_for_a_row_that_stands_still(database: TestDatabase) {
    database.store.register(&replica("1"), &announced(5, 2)).await.unwrap();
    assert!(!database.store.remove("1", 1).await.unwrap(), "the replica has sent a heartbeat since");
    assert!(database.store.remove("1", 2).await.unwrap());
    assert!(!database.store.remove("1", 2).await.unwrap());
    let fleet = database.store.list(0).await.unwrap();
    assert!(fleet.rows.is_empty() && !fleet.is_incomplete());
}

async fn a_challenge_is_answered_by_a_heartbeat(database: TestDatabase) {
    database.store.register(&replica("1"), &announced(5, 1)).await.unwrap();
    database.store.challenge("1").await.unwrap();
    let asked = only_row(&database).await;
    assert!(asked.challenged && asked.announced == Some(announced(5, 1)), "a question alters nothing");
    database.store.set_applied(&replica("1"), &announced(6, 1)).await.unwrap();
    assert!(only_row(&database).await.challenged);
    let polled = database.store.poll(Some((&replica("1"), &announced(6, 2))), 1, 10).await.unwrap();
    assert!(!polled.fleet.rows[0].challenged);
}

async fn a_replica_that_departed_says_so(database: TestDatabase) {
    database.store.register(&replica("1"), &announced(5, 1)).await.unwrap();
    database.store.depart(&replica("1"), 2).await.unwrap();
    let row = only_row(&database).await;
    assert!(row.departed && row.beat == 2, "{row:?}");
    let newest = row.announced.unwrap();
    assert_eq!((newest.revision, newest.lease), (i64::MAX.unsigned_abs(), Duration::ZERO));
    assert!(!database.store.list(0).await.unwrap().is_incomplete());
}

async fn registrations_at_once_are_all_counted(database: TestDatabase) {
    let register = |number: u64| {
        let store = database.store.clone();
        async move { store.register(&replica(&number.to_string()), &announced(1, 1)).await }
    };
    let done = at_once((0..20).map(register)).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let fleet = database.store.list(0).await.unwrap();
    assert_eq!((fleet.rows.len(), fleet.is_incomplete()), (20, false));
}
