//! Filters and orders of lists of keys, and the bound on the rows that one page reads.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::ports::usage::{KeyUseTotals, UsageBatch};
use latchkey_core::record::{KeyLifecycle, KeyRecord, KeyState};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::usage::UsageStore;
use latchkey_management::ports::{
    AuditAction, EventFilter, KeyFilter, KeyOrder, ListRange, ManagementStore, Position, TimeRange,
};
use uuid::Uuid;

use crate::database::{TestDatabase, audit, key, pairs, tenant};

on_both![
    a_name_is_found_by_a_part_in_any_case,
    a_key_is_found_by_hint_creator_and_scopes,
    keys_are_found_by_last_use,
    keys_are_found_by_expiry_and_creation,
    several_states_are_joined,
    each_order_is_walked_in_both_directions_without_a_gap,
    all_tenants_are_listed_together,
    a_rare_entry_behind_many_is_reached_by_tokens,
    a_key_without_a_row_of_last_use_was_never_used,
];

const NOW: Timestamp = Timestamp(1_763_000_000_000);

async fn listed(database: &TestDatabase, filter: KeyFilter) -> Vec<u128> {
    let filter = KeyFilter { tenant: Some(database.tenant), ..filter };
    let part = database.store.keys(&filter, &ListRange::newest(None, 100)).await.unwrap();
    assert_eq!(part.next, None);
    part.items.into_iter().map(|key| key.id.0.as_u128()).collect()
}

async fn used(database: &TestDatabase, batch: u64, uses: &[(u128, i64)]) {
    let totals = |at| KeyUseTotals { last: Some(Timestamp(at)), ..KeyUseTotals::default() };
    let uses = uses.iter().map(|(id, at)| (KeyId(Uuid::from_u128(*id)), totals(*at))).collect();
    let batch = UsageBatch { number: batch, uses, ..UsageBatch::default() };
    database.store.add("recorder", &batch, NOW).await.unwrap();
}

async fn a_name_is_found_by_a_part_in_any_case(database: TestDatabase) {
    let names = ["ci-Runner", "100%_sure", "GRÜSSE an alle", "日本語", "a\\b", "plain"];
    for (number, name) in (1..).zip(names) {
        database.make(KeyRecord { name: name.into(), ..key(&database, number) }).await;
    }
    let found = async |part: &str| {
        listed(&database, KeyFilter { name: Some(part.into()), ..KeyFilter::default() }).await
    };
    assert_eq!(found("RUNNER").await, [1]);
    assert_eq!(found("ci").await, [1]);
    assert_eq!(found("grüsse").await, [3]);
    assert_eq!(found("本").await, [4]);
    assert_eq!(found("%").await, [2]);
    assert_eq!(found("_").await, [2]);
    assert_eq!(found("\\").await, [5]);
    assert_eq!(found("l").await, [6, 3]);
    assert_eq!(found("nothing").await, Vec::<u128>::new());
}

async fn a_key_is_found_by_hint_creator_and_scopes(database: TestDatabase) {
    let scopes = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    database.make(KeyRecord { hint: "7f3a".into(), scopes: scopes(&["a", "b"]), ..key(&database, 1) }).await;
    database.make(KeyRecord { hint: "7F3A".into(), scopes: scopes(&["a"]), ..key(&database, 2) }).await;
    database
        .make(KeyRecord { created_by: "key_9".into(), scopes: scopes(&["b"]), ..key(&database, 3) })
        .await;
    let filter = KeyFilter::default;
    assert_eq!(listed(&database, KeyFilter { hint: Some("7f3a".into()), ..filter() }).await, [1]);
    assert_eq!(listed(&database, KeyFilter { hint: Some("0000".into()), ..filter() }).await, []);
    assert_eq!(listed(&database, KeyFilter { created_by: Some("key_9".into()), ..filter() }).await, [3]);
    let with = |names: &[&str]| KeyFilter {
        scopes: names.iter().map(|name| (*name).to_owned()).collect(),
        ..KeyFilter::default()
    };
    assert_eq!(listed(&database, with(&["a"])).await, [2, 1]);
    assert_eq!(listed(&database, with(&["a", "b"])).await, [1]);
    assert_eq!(listed(&database, with(&["c"])).await, []);
    let other_names = BTreeMap::from([("c".to_owned(), vec!["b".to_owned(), "d".to_owned()])]);
    let renamed = KeyFilter { other_names, ..with(&["a", "c"]) };
    assert_eq!(listed(&database, renamed).await, [1], "a key that has the scope by another name");
    let both = KeyFilter { hint: Some("7f3a".into()), ..with(&["c"]) };
    assert_eq!(listed(&database, both).await, [], "every condition holds");
}

fn times(from: Option<i64>, until: Option<i64>, never: bool) -> EventFilter {
    let time = TimeRange { from: from.map(Timestamp), until: until.map(Timestamp) };
    EventFilter { time, never }
}

async fn keys_are_found_by_last_use(database: TestDatabase) {
    for number in 1..=4 {
        database.make(key(&database, number)).await;
    }
    used(&database, 1, &[(1, 100), (2, 200), (3, 300)]).await;
    used(&database, 2, &[(3, 250)]).await;
    let found = async |last_used| listed(&database, KeyFilter { last_used, ..KeyFilter::default() }).await;
    assert_eq!(found(times(None, None, true)).await, [4]);
    assert_eq!(found(times(None, Some(200), false)).await, [1]);
    assert_eq!(found(times(None, Some(201), true)).await, [4, 2, 1]);
    assert_eq!(found(times(Some(200), None, false)).await, [3, 2]);
    assert_eq!(found(times(Some(300), None, true)).await, [4, 3]);
    assert_eq!(found(times(Some(100), Some(300), false)).await, [2, 1]);
}

async fn keys_are_found_by_expiry_and_creation(database: TestDatabase) {
    for (number, expires) in (1..).zip([Some(100), Some(200), None]) {
        let created = Timestamp(i64::try_from(number).unwrap() * 10);
        let expires = expires.map(Timestamp);
        database.make(KeyRecord { expires, created, ..key(&database, number) }).await;
    }
    let found = async |expires| listed(&database, KeyFilter { expires, ..KeyFilter::default() }).await;
    assert_eq!(found(times(None, None, true)).await, [3]);
    assert_eq!(found(times(None, Some(200), false)).await, [1]);
    assert_eq!(found(times(Some(200), None, false)).await, [2]);
    assert_eq!(found(times(Some(200), None, true)).await, [3, 2]);
    assert_eq!(found(times(None, Some(101), true)).await, [3, 1]);
    let created = TimeRange { from: Some(Timestamp(20)), until: Some(Timestamp(30)) };
    assert_eq!(listed(&database, KeyFilter { created, ..KeyFilter::default() }).await, [2]);
}

async fn several_states_are_joined(database: TestDatabase) {
    let revoked = KeyLifecycle::Revoked { at: Timestamp(1), reason: String::new() };
    database.make(key(&database, 1)).await;
    database.make(KeyRecord { lifecycle: KeyLifecycle::Disabled, ..key(&database, 2) }).await;
    database.make(KeyRecord { lifecycle: revoked, ..key(&database, 3) }).await;
    database.make(KeyRecord { expires: Some(Timestamp(50)), ..key(&database, 4) }).await;
    let all = [KeyState::Active, KeyState::Disabled, KeyState::Revoked, KeyState::Expired];
    for chosen in 1..16 {
        let states: Vec<KeyState> =
            (0..).zip(all).filter(|(bit, _)| chosen & (1 << bit) != 0).map(|(_, state)| state).collect();
        let expected: Vec<u128> = (1..=4).rev().filter(|number| chosen & (1 << (number - 1)) != 0).collect();
        let filter = KeyFilter { states: Some((states.clone(), Timestamp(60))), ..KeyFilter::default() };
        assert_eq!(listed(&database, filter).await, expected, "{states:?}");
    }
}

/// Reads a whole list in pages of two.
async fn walked(database: &TestDatabase, filter: &KeyFilter, order: KeyOrder, descending: bool) -> Vec<u128> {
    let mut range = ListRange { order, descending, after: None, limit: 2 };
    let mut seen = Vec::new();
    loop {
        let part = database.store.keys(filter, &range).await.unwrap();
        assert!(part.items.len() <= 2);
        seen.extend(part.items.into_iter().map(|key| key.id.0.as_u128()));
        match part.next {
            Some(next) => range.after = Some(next),
            None => return seen,
        }
    }
}

async fn each_order_is_walked_in_both_directions_without_a_gap(database: TestDatabase) {
    let rows = [("b", Some(300)), ("A", None), ("a", Some(300)), ("c", None), ("B", Some(100)), ("d", None)];
    for (number, (name, expires)) in (1..).zip(rows) {
        let expires = expires.map(Timestamp);
        database.make(KeyRecord { name: name.into(), expires, ..key(&database, number) }).await;
    }
    used(&database, 1, &[(6, 100), (1, 300), (3, 100)]).await;
    let cases = [
        (KeyOrder::Created, vec![1, 2, 3, 4, 5, 6]),
        (KeyOrder::Name, vec![2, 3, 1, 5, 4, 6]),
        (KeyOrder::LastUsed, vec![2, 4, 5, 3, 6, 1]),
        (KeyOrder::Expires, vec![5, 1, 3, 2, 4, 6]),
    ];
    for tenant in [Some(database.tenant), None] {
        let plain = KeyFilter { tenant, ..KeyFilter::default() };
        let kind = KeyFilter { kind: Some(key(&database, 1).kind.into()), ..plain.clone() };
        let few = KeyFilter { states: Some((vec![KeyState::Active], Timestamp(0))), ..plain.clone() };
        for (order, mut expected) in cases.clone() {
            for filter in [&plain, &kind, &few] {
                assert_eq!(walked(&database, filter, order, false).await, expected, "{order:?} {filter:?}");
            }
            expected.reverse();
            for filter in [&plain, &kind, &few] {
                assert_eq!(walked(&database, filter, order, true).await, expected, "{order:?} {filter:?}");
            }
        }
    }
}

async fn all_tenants_are_listed_together(database: TestDatabase) {
    let other = tenant(2, "globex");
    database.store.create_tenant(other.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    database.make(KeyRecord { hint: "7f3a".into(), ..key(&database, 1) }).await;
    database.make(KeyRecord { tenant: other.id, hint: "7f3a".into(), ..key(&database, 2) }).await;
    let found = async |tenant: Option<TenantId>| {
        let filter = KeyFilter { tenant, hint: Some("7f3a".into()), ..KeyFilter::default() };
        walked(&database, &filter, KeyOrder::Created, true).await
    };
    assert_eq!(found(None).await, [2, 1]);
    assert_eq!(found(Some(database.tenant)).await, [1]);
    assert_eq!(found(Some(other.id)).await, [2]);
}

async fn a_rare_entry_behind_many_is_reached_by_tokens(database: TestDatabase) {
    let rare = KeyRecord { name: "needle".into(), bindings: pairs(&[("m", "1")]), ..key(&database, 1) };
    database.make(rare).await;
    // Copies of the row, newer than it: more than one page compares.
    let id = if database.url.starts_with("sqlite") { "randomblob(16)" } else { "CAST(md5(n::text) AS uuid)" };
    let hash = if database.url.starts_with("sqlite") { "randomblob(32)" } else { "sha256(n::text::bytea)" };
    let numbers =
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 25000)";
    let columns = "kind, environment, prefix, hint, networks, limits, metadata, state, created_at, created_by, revision";
    database
        .sql(&format!(
            "INSERT INTO keys (id, hash, tenant_id, name, bindings, {columns}) {numbers} SELECT {id}, {hash}, \
             tenant_id, 'hay', '{{}}', {columns} FROM numbers, keys WHERE keys.name = 'needle'"
        ))
        .await;
    for filter in [
        KeyFilter { name: Some("NEEDLE".into()), ..KeyFilter::default() },
        KeyFilter { bindings: pairs(&[("m", "1")]), ..KeyFilter::default() },
    ] {
        let filter = KeyFilter { tenant: Some(database.tenant), ..filter };
        let first = database.store.keys(&filter, &ListRange::newest(None, 2)).await.unwrap();
        assert!(first.items.is_empty() && first.next.is_some(), "a page ends at its bound");
        let mut pages = BTreeSet::new();
        let mut next = first.next;
        let mut found = Vec::new();
        while let Some(after) = next {
            assert!(pages.insert(after.id), "each page goes on");
            let part = database.store.keys(&filter, &ListRange::newest(Some(after), 2)).await.unwrap();
            found.extend(part.items.into_iter().map(|key| key.id.0.as_u128()));
            next = part.next;
        }
        assert_eq!(found, [1]);
        assert_eq!(pages.len(), 2);
    }
}

async fn a_key_without_a_row_of_last_use_was_never_used(database: TestDatabase) {
    for number in 1..=2 {
        database.make(key(&database, number)).await;
    }
    // As if an earlier version of the program had created the keys.
    database.sql("DELETE FROM key_last_uses").await;
    used(&database, 1, &[(2, 100)]).await;
    let found = async |last_used| listed(&database, KeyFilter { last_used, ..KeyFilter::default() }).await;
    assert_eq!(found(times(Some(100), None, false)).await, [2], "the tenant is known again");
    let uses = database.store.uses(&[KeyId(Uuid::from_u128(1)), KeyId(Uuid::from_u128(2))]).await.unwrap();
    assert_eq!(uses.len(), 1);
    let after = Some(Position::of(Uuid::from_u128(2)));
    let filter = KeyFilter { tenant: Some(database.tenant), ..KeyFilter::default() };
    let part = database.store.keys(&filter, &ListRange::newest(after, 5)).await.unwrap();
    assert_eq!(part.items.len(), 1);
}
