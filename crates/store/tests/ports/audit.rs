//! The audit log: what is read back, and what is found out.

use latchkey_core::ports::{AuditEntry, Ledger};
use latchkey_store::AuditState;

use crate::place::{Place, audit, key, new, tenant};

on_both![
    an_event_comes_back_as_it_was_written,
    events_come_newest_first_and_one_tenants_alone,
    an_untouched_log_is_whole,
    a_changed_event_is_found,
    a_deleted_event_is_found,
    exchanged_events_are_found,
    a_log_cut_off_at_its_end_is_found,
    an_event_written_by_hand_is_found,
];

/// A log of six events.
async fn six(place: &Place) {
    for number in 1..=5 {
        place.make(key(place, number)).await;
    }
    assert_eq!(place.store.verify_audit().await.unwrap(), AuditState::Whole { lines: 6 });
}

async fn an_event_comes_back_as_it_was_written(place: Place) {
    let entry = AuditEntry { tenant: Some(place.tenant), ..audit("key.create") };
    place.store.create_keys(vec![new(key(&place, 1))], entry.clone()).await.unwrap();
    let [read] = &place.store.audit_events(None, None, 1).await.unwrap()[..] else { panic!("no event") };
    assert_eq!((read.sequence, read.time, read.tenant), (2, entry.time, entry.tenant));
    assert_eq!(
        [&read.actor, &read.target, &read.request_id],
        [&entry.actor, &entry.target, &entry.request_id]
    );
    assert_eq!((read.action.as_str(), &read.details), (entry.action, &entry.details));
}

async fn events_come_newest_first_and_one_tenants_alone(place: Place) {
    let other = tenant(2, "globex");
    for owner in [Some(place.tenant), Some(other.id), None, Some(place.tenant)] {
        let number = place.store.audit_events(None, None, 10).await.unwrap().len();
        let entry = AuditEntry { tenant: owner, ..audit("key.create") };
        let made = vec![new(key(&place, u128::try_from(number).unwrap()))];
        place.store.create_keys(made, entry).await.unwrap();
    }
    let sequences = async |tenant, before, limit| {
        let events = place.store.audit_events(tenant, before, limit).await.unwrap();
        events.iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(sequences(None, None, 3).await, [5, 4, 3]);
    assert_eq!(sequences(None, Some(3), 3).await, [2, 1]);
    assert_eq!(sequences(Some(place.tenant), None, 10).await, [5, 2]);
    assert_eq!(sequences(Some(other.id), Some(3), 10).await, Vec::<u64>::new());
}

async fn an_untouched_log_is_whole(place: Place) {
    six(&place).await;
}

async fn a_changed_event_is_found(place: Place) {
    six(&place).await;
    for (column, value) in [("actor", "'x'"), ("details", "'{}'"), ("time", "5"), ("action", "''")] {
        let swap = |from: &str, to: &str| {
            format!("UPDATE audit_events SET {column} = {from} WHERE sequence = 4 {to}")
        };
        place.sql("CREATE TABLE kept AS SELECT * FROM audit_events WHERE sequence = 4").await;
        place.sql(&swap(value, "")).await;
        let state = place.store.verify_audit().await.unwrap();
        assert_eq!(state, AuditState::Broken { sequence: 4 }, "{column}");
        place.sql(&swap(&format!("(SELECT {column} FROM kept)"), "")).await;
        place.sql("DROP TABLE kept").await;
        assert_eq!(place.store.verify_audit().await.unwrap(), AuditState::Whole { lines: 6 });
    }
}

async fn a_deleted_event_is_found(place: Place) {
    six(&place).await;
    place.sql("DELETE FROM audit_events WHERE sequence = 3").await;
    assert_eq!(place.store.verify_audit().await.unwrap(), AuditState::Broken { sequence: 3 });
    // Closing the gap doesn't hide it.
    for sequence in 4..=6 {
        place
            .sql(&format!("UPDATE audit_events SET sequence = {} WHERE sequence = {sequence}", sequence - 1))
            .await;
    }
    assert_eq!(place.store.verify_audit().await.unwrap(), AuditState::Broken { sequence: 3 });
}

async fn exchanged_events_are_found(place: Place) {
    six(&place).await;
    for (from, to) in [(2, 99), (5, 2), (99, 5)] {
        place.sql(&format!("UPDATE audit_events SET sequence = {to} WHERE sequence = {from}")).await;
    }
    assert_eq!(place.store.verify_audit().await.unwrap(), AuditState::Broken { sequence: 2 });
}

async fn a_log_cut_off_at_its_end_is_found(place: Place) {
    six(&place).await;
    place.sql("DELETE FROM audit_events WHERE sequence > 4").await;
    assert_eq!(place.store.verify_audit().await.unwrap(), AuditState::Broken { sequence: 5 });
    place.sql("DELETE FROM audit_events").await;
    assert_eq!(place.store.verify_audit().await.unwrap(), AuditState::Broken { sequence: 1 });
}

async fn an_event_written_by_hand_is_found(place: Place) {
    six(&place).await;
    place.sql("DELETE FROM audit_events WHERE sequence = 6").await;
    place
        .sql("INSERT INTO audit_events SELECT 6, time, tenant_id, 'x', action, target, request_id, details, hash FROM audit_events WHERE sequence = 5")
        .await;
    assert_eq!(place.store.verify_audit().await.unwrap(), AuditState::Broken { sequence: 6 });
}
