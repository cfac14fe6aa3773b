//! The audit log: reading it back, and detecting changes to it.

use latchkey_core::time::Timestamp;
use latchkey_management::ports::audit::{Anchor, AuditFilter, AuditLog};
use latchkey_management::ports::{AuditAction, AuditEntry, ManagementStore};

use crate::database::{TestDatabase, audit, key, new, tenant};

on_both![
    an_event_comes_back_as_it_was_written,
    events_come_newest_first_and_one_tenants_alone,
    a_span_of_time_begins_with_its_start_and_ends_before_its_end,
    a_long_log_is_checked_in_parts,
    a_line_that_can_not_be_read_is_found_and_hides_no_other,
    an_untouched_log_is_whole,
    a_changed_event_is_found,
    a_deleted_event_is_found,
    exchanged_events_are_found,
    a_log_cut_off_at_its_end_is_found,
    an_event_written_by_hand_is_found,
    an_altered_head_refuses_writes_and_hides_no_event,
];

/// Appends six events.
async fn append_six(database: &TestDatabase) {
    for number in 1..=5 {
        database.make(key(database, number)).await;
    }
    assert_eq!(database.verify().await, Ok(6));
}

async fn an_event_comes_back_as_it_was_written(database: TestDatabase) {
    let entry = AuditEntry { tenant: Some(database.tenant), ..audit(AuditAction::KeyCreate) };
    database.store.create_keys(vec![new(key(&database, 1))], entry.clone()).await.unwrap();
    let [read] = &database.store.events(&AuditFilter::default(), None, 1).await.unwrap().events[..] else {
        panic!("no event")
    };
    assert_eq!((read.sequence, read.time, read.tenant), (2, entry.time, entry.tenant));
    assert_eq!(
        [&read.actor, &read.target, &read.request_id],
        [&entry.actor, &entry.target, &entry.request_id]
    );
    assert_eq!((read.action.as_str(), &read.details), (entry.action.text(), &entry.details));
}

async fn events_come_newest_first_and_one_tenants_alone(database: TestDatabase) {
    let other = tenant(2, "globex");
    for owner in [Some(database.tenant), Some(other.id), None, Some(database.tenant)] {
        let number = database.store.events(&AuditFilter::default(), None, 10).await.unwrap().events.len();
        let entry = AuditEntry { tenant: owner, ..audit(AuditAction::KeyCreate) };
        let made = vec![new(key(&database, u128::try_from(number).unwrap()))];
        database.store.create_keys(made, entry).await.unwrap();
    }
    let sequences = async |tenant, before, limit| {
        let filter = AuditFilter { tenant, ..AuditFilter::default() };
        let events = database.store.events(&filter, before, limit).await.unwrap().events;
        events.iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(sequences(None, None, 3).await, [5, 4, 3]);
    assert_eq!(sequences(None, Some(3), 3).await, [2, 1]);
    assert_eq!(sequences(Some(database.tenant), None, 10).await, [5, 2]);
    assert_eq!(sequences(Some(other.id), Some(3), 10).await, Vec::<u64>::new());
}

async fn an_untouched_log_is_whole(database: TestDatabase) {
    append_six(&database).await;
}

async fn a_changed_event_is_found(database: TestDatabase) {
    append_six(&database).await;
    for (column, value) in [("actor", "'x'"), ("details", "'{}'"), ("time", "5"), ("action", "''")] {
        let swap = |from: &str, to: &str| {
            format!("UPDATE audit_events SET {column} = {from} WHERE sequence = 4 {to}")
        };
        database.sql("CREATE TABLE kept AS SELECT * FROM audit_events WHERE sequence = 4").await;
        database.sql(&swap(value, "")).await;
        let state = database.verify().await;
        assert_eq!(state, Err(4), "{column}");
        database.sql(&swap(&format!("(SELECT {column} FROM kept)"), "")).await;
        database.sql("DROP TABLE kept").await;
        assert_eq!(database.verify().await, Ok(6));
    }
}

async fn a_deleted_event_is_found(database: TestDatabase) {
    append_six(&database).await;
    database.sql("DELETE FROM audit_events WHERE sequence = 3").await;
    assert_eq!(database.verify().await, Err(3));
    // Renumbering the events to close the gap does not hide the change.
    for sequence in 4..=6 {
        database
            .sql(&format!("UPDATE audit_events SET sequence = {} WHERE sequence = {sequence}", sequence - 1))
            .await;
    }
    assert_eq!(database.verify().await, Err(3));
}

async fn exchanged_events_are_found(database: TestDatabase) {
    append_six(&database).await;
    for (from, to) in [(2, 99), (5, 2), (99, 5)] {
        database.sql(&format!("UPDATE audit_events SET sequence = {to} WHERE sequence = {from}")).await;
    }
    assert_eq!(database.verify().await, Err(2));
}

async fn a_log_cut_off_at_its_end_is_found(database: TestDatabase) {
    append_six(&database).await;
    database.sql("DELETE FROM audit_events WHERE sequence > 4").await;
    assert_eq!(database.verify().await, Err(5));
    database.sql("DELETE FROM audit_events").await;
    assert_eq!(database.verify().await, Err(1));
}

async fn an_event_written_by_hand_is_found(database: TestDatabase) {
    append_six(&database).await;
    database.sql("DELETE FROM audit_events WHERE sequence = 6").await;
    database
        .sql("INSERT INTO audit_events SELECT 6, time, tenant_id, 'x', action, target, request_id, details, hash FROM audit_events WHERE sequence = 5")
        .await;
    assert_eq!(database.verify().await, Err(6));
}

async fn a_span_of_time_begins_with_its_start_and_ends_before_its_end(database: TestDatabase) {
    for (number, time) in [(1, 1_000), (2, 2_000), (3, 3_000)] {
        let entry = AuditEntry { time: Timestamp(time), ..audit(AuditAction::KeyCreate) };
        database.store.create_keys(vec![new(key(&database, number))], entry).await.unwrap();
    }
    let within = async |from: Option<i64>, until: Option<i64>| {
        let (from, until) = (from.map(Timestamp), until.map(Timestamp));
        let filter = AuditFilter { from, until, ..AuditFilter::default() };
        let events = database.store.events(&filter, None, 10).await.unwrap().events;
        events.iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(within(Some(1_000), Some(3_000)).await, [3, 2]);
    assert_eq!(within(None, Some(2_000)).await, [2]);
    assert_eq!(within(Some(2_001), None).await, [4, 1], "the tenant's own event is recent");
}

async fn a_long_log_is_checked_in_parts(database: TestDatabase) {
    for number in 1..=1_200 {
        let key = key(&database, number);
        database.store.create_keys(vec![new(key)], audit(AuditAction::KeyCreate)).await.unwrap();
    }
    let first = database.store.check(Anchor::START, 1_201, Timestamp(i64::MAX)).await.unwrap();
    assert_eq!((first.valid.len(), first.broken), (1_000, None));
    assert_eq!(database.verify().await, Ok(1_201));
    database.sql("DELETE FROM audit_events WHERE sequence = 1100").await;
    assert_eq!(database.verify().await, Err(1_100));
}

async fn a_line_that_can_not_be_read_is_found_and_hides_no_other(database: TestDatabase) {
    append_six(&database).await;
    database.sql("UPDATE audit_events SET details = 'no object' WHERE sequence = 5").await;
    let events = database.store.events(&AuditFilter::default(), None, 10).await.unwrap().events;
    assert_eq!(events.len(), 6);
    assert_eq!(database.verify().await, Err(5));
}

#[tokio::test]
async fn an_event_with_a_value_of_another_type_is_listed_and_hides_no_other() {
    let database = TestDatabase::sqlite().await;
    append_six(&database).await;
    for (column, value) in [("time", "'x'"), ("tenant_id", "x'01'"), ("actor", "CAST(x'ff' AS TEXT)")] {
        database.sql(&format!("UPDATE audit_events SET {column} = {value} WHERE sequence = 5")).await;
        let events = database.store.events(&AuditFilter::default(), None, 10).await.unwrap().events;
        let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, [6, 5, 4, 3, 2, 1], "{column}");
        assert!(events[1].details["unreadable_columns"].contains(column), "{column}: {:?}", events[1]);
        assert_eq!(database.verify().await, Err(5), "{column}");
    }
}

#[tokio::test]
async fn an_event_with_the_same_bytes_in_another_type_is_found() {
    let database = TestDatabase::sqlite().await;
    let entry = AuditEntry { tenant: Some(database.tenant), ..audit(AuditAction::KeyCreate) };
    database.store.create_keys(vec![new(key(&database, 1))], entry).await.unwrap();
    assert_eq!(database.verify().await, Ok(2));
    for (column, own, other) in
        [("tenant_id", "BLOB", "TEXT"), ("hash", "BLOB", "TEXT"), ("actor", "TEXT", "BLOB")]
    {
        for (kind, expected) in [(other, Err(2)), (own, Ok(2))] {
            let value = format!("CAST({column} AS {kind})");
            database.sql(&format!("UPDATE audit_events SET {column} = {value} WHERE sequence = 2")).await;
            assert_eq!(database.verify().await, expected, "{column} as {kind}");
        }
    }
}

async fn an_altered_head_refuses_writes_and_hides_no_event(database: TestDatabase) {
    append_six(&database).await;
    let bytes = if database.is_sqlite() { "x'00'" } else { "'\\x00'" };
    let largest = format!("audit_sequence = {}", i64::MAX);
    for alteration in ["audit_sequence = -5".to_owned(), largest, format!("audit_hash = {bytes}")] {
        database.sql("CREATE TABLE kept AS SELECT * FROM head").await;
        database.sql(&format!("UPDATE head SET {alteration}")).await;
        assert_eq!(database.store.head().await, Ok(None), "{alteration}");
        let new = vec![new(key(&database, 9))];
        let refused = database.store.create_keys(new, audit(AuditAction::KeyCreate)).await.unwrap_err();
        assert!(refused.to_string().contains("audit log"), "{alteration}: {refused}");
        let events = database.store.events(&AuditFilter::default(), None, 10).await.unwrap().events;
        assert_eq!(events.len(), 6, "{alteration}");
        let columns =
            "audit_sequence = (SELECT audit_sequence FROM kept), audit_hash = (SELECT audit_hash FROM kept)";
        database.sql(&format!("UPDATE head SET {columns}")).await;
        database.sql("DROP TABLE kept").await;
        assert_eq!(database.verify().await, Ok(6));
    }
}
