//! Usage of keys: added once, summed over replicas, and pruned in time.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_core::error::SystemError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::usage::{CallCounts, Hour, HourRange, KeyUseTotals, Minute, UsageBatch};
use latchkey_core::reason::Reason;
use latchkey_core::time::Timestamp;
use latchkey_management::ports::AuditAction;
use latchkey_management::ports::deletion::DeletionStore;
use latchkey_management::ports::usage::{UsageFilter, UsageGroup, UsageLine, UsageStore};
use uuid::Uuid;

use crate::database::{self, TEST_TIMEOUT, TestDatabase, at_once, audit};

on_both![
    batches_of_two_replicas_add_up,
    a_batch_that_was_added_is_left_alone,
    hours_are_chosen_by_their_span,
    last_use_only_ever_moves_on,
    a_report_names_no_tenant_that_is_being_deleted,
    use_of_a_deleted_key_leaves_its_calls_alone,
    ten_replicas_that_add_at_once_lose_nothing,
    old_hours_and_silent_replicas_are_forgotten,
    minutes_are_summed_and_pruned,
    reasons_of_a_newer_version_count_by_their_names,
    use_is_no_change,
];

const NOW: Timestamp = Timestamp(1_763_000_000_000);

fn key(number: u128) -> KeyId {
    KeyId(Uuid::from_u128(number))
}

/// Returns the usage of one hour: numbers of allowed and of rate-limited calls.
fn used(hour: i64, allowed: u64, limited: u64) -> KeyUseTotals {
    let denied = BTreeMap::from([(Reason::RateLimited, limited)]).into_iter().filter(|(_, n)| *n > 0);
    let calls = CallCounts { allowed, denied: denied.collect(), ..CallCounts::default() };
    let last = Some(Timestamp(hour * 3_600_000 + 5));
    KeyUseTotals { last, scopes: ["a".into()].into(), hours: [(Hour(hour), calls)].into() }
}

fn batch(number: u64, uses: impl IntoIterator<Item = (KeyId, KeyUseTotals)>) -> UsageBatch {
    UsageBatch { number, uses: uses.into_iter().collect(), ..UsageBatch::default() }
}

async fn hours(database: &TestDatabase, recorder: &str, id: KeyId) -> (u64, BTreeMap<Hour, CallCounts>) {
    let stored = database.store.hours(recorder, id, HourRange::default()).await.unwrap();
    (stored.batch, stored.hours)
}

async fn batches_of_two_replicas_add_up(database: TestDatabase) {
    assert_eq!(hours(&database, "r1", key(1)).await, (0, BTreeMap::new()));
    database
        .store
        .add("r1", &batch(1, [(key(1), used(7, 3, 1)), (key(2), used(7, 9, 0))]), NOW)
        .await
        .unwrap();
    database.store.add("r2", &batch(1, [(key(1), used(7, 2, 4))]), NOW).await.unwrap();
    database.store.add("r1", &batch(2, [(key(1), used(8, 1, 0))]), NOW).await.unwrap();
    let expected: BTreeMap<Hour, CallCounts> =
        [used(7, 5, 5), used(8, 1, 0)].into_iter().flat_map(|seen| seen.hours).collect();
    assert_eq!(hours(&database, "r1", key(1)).await, (2, expected.clone()));
    assert_eq!(hours(&database, "r2", key(1)).await, (1, expected));
    assert_eq!(hours(&database, "r3", key(3)).await, (0, BTreeMap::new()));
}

async fn a_batch_that_was_added_is_left_alone(database: TestDatabase) {
    let first = batch(1, [(key(1), used(7, 3, 0))]);
    for _ in 0..3 {
        database.store.add("r1", &first, NOW).await.unwrap();
    }
    database.store.add("r1", &batch(2, [(key(1), used(7, 1, 0))]), NOW).await.unwrap();
    database.store.add("r1", &first, NOW).await.unwrap();
    assert_eq!(hours(&database, "r1", key(1)).await, (2, used(7, 4, 0).hours));
}

async fn hours_are_chosen_by_their_span(database: TestDatabase) {
    for hour in 1..=4 {
        let number = u64::try_from(hour).unwrap();
        database.store.add("r1", &batch(number, [(key(1), used(hour, 1, 0))]), NOW).await.unwrap();
    }
    let span = async |from: Option<i64>, last: Option<i64>| {
        let span = HourRange { from: from.map(Hour), last: last.map(Hour) };
        let stored = database.store.hours("r1", key(1), span).await.unwrap();
        assert_eq!(stored.batch, 4, "the batch is returned even without hours");
        stored.hours.into_keys().map(|hour| hour.0).collect::<Vec<_>>()
    };
    assert_eq!(span(Some(2), Some(3)).await, [2, 3]);
    assert_eq!(span(None, Some(1)).await, [1]);
    assert_eq!(span(Some(5), None).await, Vec::<i64>::new());
}

async fn last_use_only_ever_moves_on(database: TestDatabase) {
    database.make(database::key(&database, 1)).await;
    let denied = KeyUseTotals { last: None, scopes: ["b".into()].into(), ..used(9, 0, 1) };
    for (number, seen) in [(1, used(8, 1, 0)), (2, used(7, 1, 0)), (3, denied)] {
        database.store.add("r1", &batch(number, [(key(1), seen)]), NOW).await.unwrap();
    }
    let uses = database.store.uses(&[key(1), key(2)]).await.unwrap();
    assert_eq!(uses.keys().copied().collect::<Vec<_>>(), [key(1)]);
    assert_eq!(uses[&key(1)].last, Some(Timestamp(8 * 3_600_000 + 5)));
    assert_eq!(uses[&key(1)].scopes, ["a".into(), "b".into()].into());
}

async fn a_report_names_no_tenant_that_is_being_deleted(database: TestDatabase) {
    database.make(database::key(&database, 1)).await;
    database.store.add("r1", &batch(1, [(key(1), used(7, 3, 0))]), NOW).await.unwrap();
    let lines = async |profile: Option<&str>| {
        let which = UsageFilter { profile: profile.map(str::to_owned), ..UsageFilter::default() };
        let lines = database.store.report(&which, UsageGroup::Tenant, 10).await.unwrap();
        let of = |line: UsageLine| (line.tenant_slug, line.profile, line.counts.allowed);
        lines.into_iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(lines(Some("paykore")).await, [("acme".to_owned(), "paykore".to_owned(), 3)]);
    database.store.begin_tenant_deletion(database.tenant, audit(AuditAction::TenantDelete)).await.unwrap();
    assert_eq!(lines(Some("paykore")).await, []);
    assert_eq!(
        lines(None).await,
        [(String::new(), String::new(), 3)],
        "its calls count until they are pruned"
    );
}

async fn use_of_a_deleted_key_leaves_its_calls_alone(database: TestDatabase) {
    for number in [1, 2] {
        database.make(database::key(&database, number)).await;
    }
    let uses = || [(key(1), used(7, 3, 1)), (key(2), used(7, 1, 0))];
    database.store.add("r1", &batch(1, uses()), NOW).await.unwrap();
    database.store.delete_key(key(1), &|_| Ok(()), audit(AuditAction::KeyDelete)).await.unwrap();
    database.store.add("r1", &batch(2, uses()), NOW).await.unwrap();
    let found = database.store.uses(&[key(1), key(2)]).await.unwrap();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [key(2)], "last use and scopes are erased");
    assert_eq!(
        hours(&database, "r1", key(1)).await.1,
        used(7, 6, 2).hours,
        "calls stay until they are pruned"
    );
}

async fn ten_replicas_that_add_at_once_lose_nothing(database: TestDatabase) {
    let many = |n: u128| if n.is_multiple_of(2) { 1..=700 } else { 1..=650_u128 };
    let stores: Vec<_> = (0..10).map(|n| (n, Arc::new(database.another(TEST_TIMEOUT)))).collect();
    let adding = at_once(stores.into_iter().map(|(n, store)| async move {
        for number in 1..=3 {
            let uses = many(n).map(|id| (key(id), used(7, 1, 1)));
            store.add(&format!("r{n}"), &batch(number, uses), NOW).await.unwrap();
        }
    }));
    let _ = adding.await;
    for (id, expected) in [(1, 30), (650, 30), (651, 15), (700, 15)] {
        assert_eq!(hours(&database, "r0", key(id)).await.1, used(7, expected, expected).hours, "{id}");
    }
}

async fn old_hours_and_silent_replicas_are_forgotten(database: TestDatabase) {
    database.make(database::key(&database, 2)).await;
    let uses = (1..=600).map(|id| (key(id), used(7, 1, 0)));
    database.store.add("old", &batch(1, uses), Timestamp(1)).await.unwrap();
    database.store.add("new", &batch(1, [(key(1), used(8, 1, 0))]), NOW).await.unwrap();
    let mut dropped = Vec::new();
    loop {
        match database.store.prune(Hour(8), NOW).await.unwrap() {
            0 => break,
            some => dropped.push(some),
        }
    }
    assert_eq!(dropped, [500, 100], "rows are deleted in batches");
    assert_eq!(hours(&database, "new", key(1)).await, (1, used(8, 1, 0).hours));
    assert_eq!(hours(&database, "old", key(2)).await, (0, BTreeMap::new()));
    assert!(database.store.uses(&[key(2)]).await.unwrap()[&key(2)].last.is_some(), "last use is kept");
}

async fn minutes_are_summed_and_pruned(database: TestDatabase) {
    for number in 1..=2 {
        database.make(database::key(&database, number)).await;
    }
    let in_minute = |number, minute, uses: Vec<(KeyId, KeyUseTotals)>| UsageBatch {
        minute: Some(Minute(minute)),
        ..batch(number, uses)
    };
    let first = in_minute(1, 500, vec![(key(1), used(7, 3, 1)), (key(2), used(7, 1, 0))]);
    for _ in 0..2 {
        database.store.add("r1", &first, NOW).await.unwrap();
    }
    database.store.add("r2", &in_minute(1, 500, vec![(key(1), used(7, 2, 0))]), NOW).await.unwrap();
    database.store.add("r1", &in_minute(2, 501, vec![(key(1), used(7, 1, 0))]), NOW).await.unwrap();
    database.store.add("r1", &batch(3, [(key(1), used(7, 9, 0))]), NOW).await.unwrap();
    let read = async |first: i64, key: Option<KeyId>| {
        let which = UsageFilter { key, minutes: Some(Minute(first)), ..UsageFilter::default() };
        let lines = database.store.report(&which, UsageGroup::Minute, 0).await.unwrap();
        let of = |line: UsageLine| {
            (line.minute.map_or(0, |minute| minute.0), line.counts.allowed, line.counts.total())
        };
        lines.into_iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(read(500, None).await, [(500, 6, 7), (501, 1, 1)]);
    assert_eq!(read(501, None).await, [(501, 1, 1)]);
    assert_eq!(read(500, Some(key(2))).await, [(500, 1, 1)]);
    let top = UsageFilter { minutes: Some(Minute(500)), ..UsageFilter::default() };
    let top = database.store.report(&top, UsageGroup::Key, 1).await.unwrap();
    assert_eq!((top[0].key, top[0].counts.total()), (Some(key(1)), 7));
    assert_eq!(hours(&database, "r1", key(1)).await.1, used(7, 15, 1).hours, "each call is in its hour");
    assert_eq!(database.store.prune_minutes(Minute(501)).await.unwrap(), 3);
    assert_eq!(database.store.prune_minutes(Minute(501)).await.unwrap(), 0);
    assert_eq!(read(0, None).await, [(501, 1, 1)]);
}

async fn reasons_of_a_newer_version_count_by_their_names(database: TestDatabase) {
    database.make(database::key(&database, 1)).await;
    let uses = UsageBatch { minute: Some(Minute(500)), ..batch(1, [(key(1), used(7, 3, 2))]) };
    database.store.add("r1", &uses, NOW).await.unwrap();
    for table in ["key_usage", "key_usage_minutes"] {
        database.sql(&format!("UPDATE {table} SET reason = 'QUOTA_2' WHERE reason = 'RATE_LIMITED'")).await;
    }
    database.store.add("r1", &batch(2, [(key(1), used(7, 0, 4))]), NOW).await.unwrap();
    let counts = hours(&database, "r1", key(1)).await.1.remove(&Hour(7)).unwrap();
    assert_eq!(counts.denials().collect::<Vec<_>>(), [("RATE_LIMITED", 4), ("QUOTA_2", 2)]);
    assert_eq!(counts.total(), 9);
    for group in [UsageGroup::Hour, UsageGroup::Key, UsageGroup::Tenant, UsageGroup::Profile] {
        let lines = database.store.report(&UsageFilter::default(), group, 10).await.unwrap();
        assert_eq!(lines.iter().map(|line| &line.counts).collect::<Vec<_>>(), [&counts], "{group:?}");
    }
    let recent = UsageFilter { minutes: Some(Minute(500)), ..UsageFilter::default() };
    let recent = database.store.report(&recent, UsageGroup::Minute, 0).await.unwrap();
    assert_eq!(recent[0].counts.denials().collect::<Vec<_>>(), [("QUOTA_2", 2)]);
    let mut twice = counts.clone();
    twice.add(&counts);
    assert_eq!((twice.total(), twice.unknown["QUOTA_2"]), (18, 4));
    // Text that is no name of a reason is a fault of the database, and no error repeats it.
    database.sql("UPDATE key_usage SET reason = 'canary 1' WHERE reason = 'QUOTA_2'").await;
    let fault = database.store.hours("r1", key(1), HourRange::default()).await;
    let Err(SystemError::Internal(text)) = fault else { panic!("{fault:?}") };
    assert!(text.contains("reason") && !text.contains("canary"), "{text}");
}

async fn use_is_no_change(database: TestDatabase) {
    let before = database.store.revision().await.unwrap();
    database.store.add("r1", &batch(1, [(key(1), used(7, 3, 0))]), NOW).await.unwrap();
    assert_eq!(database.store.revision().await.unwrap(), before);
    assert_eq!(database.actions().await, ["tenant.create"]);
}
