//! Lists of keys: order, pages and filters.

use latchkey_core::record::{KeyLifecycle, KeyRecord, KeyState};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::{AuditAction, KeyFilter, ListRange, ManagementStore, Position};
use uuid::Uuid;

use crate::database::{TestDatabase, audit, key, pairs};

on_both![
    pages_follow_each_other_newest_first,
    another_tenants_keys_are_not_seen,
    kind_and_environment_are_exact,
    a_state_is_what_it_was_at_the_moment,
    bindings_are_matched_among_others,
    a_binding_is_text_and_no_pattern,
    pages_of_filtered_keys_are_full,
];

async fn listed(database: &TestDatabase, filter: KeyFilter) -> Vec<u128> {
    let filter = KeyFilter { tenant: Some(database.tenant), ..filter };
    let keys = database.store.keys(&filter, &ListRange::newest(None, 100)).await.unwrap();
    assert_eq!(keys.next, None);
    keys.items.into_iter().map(|key| key.id.0.as_u128()).collect()
}

async fn pages_follow_each_other_newest_first(database: TestDatabase) {
    for number in [11, 15, 12, 14, 13] {
        database.make(key(&database, number)).await;
    }
    let filter = KeyFilter { tenant: Some(database.tenant), ..KeyFilter::default() };
    let mut range = ListRange::newest(None, 2);
    let mut seen = Vec::new();
    for left in [2, 1, 0] {
        let page = database.store.keys(&filter, &range).await.unwrap();
        seen.extend(page.items.into_iter().map(|key| key.id.0.as_u128()));
        assert_eq!(page.next.is_some(), left > 0);
        range.after = page.next;
    }
    assert_eq!(seen, [15, 14, 13, 12, 11]);
}

async fn another_tenants_keys_are_not_seen(database: TestDatabase) {
    let other = crate::database::tenant(2, "globex");
    database.store.create_tenant(other.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    database.make(KeyRecord { tenant: other.id, ..key(&database, 20) }).await;
    database.make(key(&database, 21)).await;
    assert_eq!(listed(&database, KeyFilter::default()).await, [21]);
}

async fn kind_and_environment_are_exact(database: TestDatabase) {
    database.make(key(&database, 1)).await;
    database.make(KeyRecord { kind: "restricted".into(), ..key(&database, 2) }).await;
    database.make(KeyRecord { environment: "test".into(), ..key(&database, 3) }).await;
    let kind = |kind: &str| KeyFilter { kind: Some(kind.into()), ..KeyFilter::default() };
    let environment = |word: &str| KeyFilter { environments: vec![word.into()], ..KeyFilter::default() };
    assert_eq!(listed(&database, kind("restricted")).await, [2]);
    assert_eq!(listed(&database, kind("Restricted")).await, Vec::<u128>::new());
    assert_eq!(listed(&database, environment("live")).await, [2, 1]);
}

async fn a_state_is_what_it_was_at_the_moment(database: TestDatabase) {
    let expires = Some(Timestamp(100));
    let revoked = KeyLifecycle::Revoked { at: Timestamp(1), reason: String::new() };
    database.make(key(&database, 1)).await;
    database.make(KeyRecord { expires, ..key(&database, 2) }).await;
    database.make(KeyRecord { expires, lifecycle: KeyLifecycle::Disabled, ..key(&database, 3) }).await;
    database.make(KeyRecord { expires, lifecycle: revoked, ..key(&database, 4) }).await;
    let at = |state, now| KeyFilter { states: Some((vec![state], Timestamp(now))), ..KeyFilter::default() };
    for now in [99, 100, 101] {
        let expired = now >= 100;
        let of = |state| listed(&database, at(state, now));
        assert_eq!(of(KeyState::Active).await, if expired { vec![1] } else { vec![2, 1] }, "at {now}");
        assert_eq!(of(KeyState::Disabled).await, if expired { vec![] } else { vec![3] }, "at {now}");
        assert_eq!(of(KeyState::Expired).await, if expired { vec![3, 2] } else { vec![] }, "at {now}");
        assert_eq!(of(KeyState::Revoked).await, [4], "at {now}");
    }
}

fn bound(bindings: &[(&str, &str)]) -> KeyFilter {
    KeyFilter { bindings: pairs(bindings), ..KeyFilter::default() }
}

async fn bindings_are_matched_among_others(database: TestDatabase) {
    database
        .make(KeyRecord { bindings: pairs(&[("merchant", "m_1"), ("store", "s_1")]), ..key(&database, 1) })
        .await;
    database.make(KeyRecord { bindings: pairs(&[("merchant", "m_1")]), ..key(&database, 2) }).await;
    database.make(KeyRecord { bindings: pairs(&[("store", "m_1")]), ..key(&database, 3) }).await;
    database.make(KeyRecord { bindings: pairs(&[("merchant", "M_1")]), ..key(&database, 4) }).await;
    assert_eq!(listed(&database, bound(&[("merchant", "m_1")])).await, [2, 1]);
    assert_eq!(listed(&database, bound(&[("merchant", "m_1"), ("store", "s_1")])).await, [1]);
    assert_eq!(listed(&database, bound(&[("merchant", "m_")])).await, Vec::<u128>::new());
}

async fn a_binding_is_text_and_no_pattern(database: TestDatabase) {
    let odd = [("%", "_"), ("a\\b", "{\"c\":\"d\"}"), ("ü", "☃}")];
    for (number, pair) in (1..).zip(odd) {
        database.make(KeyRecord { bindings: pairs(&[pair]), ..key(&database, number) }).await;
    }
    for (number, pair) in (1..).zip(odd) {
        assert_eq!(listed(&database, bound(&[pair])).await, [number], "{pair:?}");
    }
}

async fn pages_of_filtered_keys_are_full(database: TestDatabase) {
    // One database matches "m_1" and "M_1" alike; every second key is filtered out afterwards.
    for number in 1..=20 {
        let merchant = if number % 2 == 0 { "m_1" } else { "M_1" };
        database
            .make(KeyRecord { bindings: pairs(&[("merchant", merchant)]), ..key(&database, number) })
            .await;
    }
    let range = ListRange::newest(Some(Position::of(Uuid::from_u128(19))), 4);
    let page = database.store.keys(&bound(&[("merchant", "m_1")]), &range).await.unwrap();
    assert!(page.next.is_some());
    assert_eq!(page.items.iter().map(|key| key.id.0.as_u128()).collect::<Vec<_>>(), [18, 16, 14, 12]);
}
