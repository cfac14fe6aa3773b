//! Rows that someone changed by hand: each is a fault of its own key, and tells nothing that it holds.

use latchkey_core::ports::KeyStore;
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::{KeyFilter, Ledger};

use crate::place::{Place, audit, key};

on_both![
    a_spoiled_row_is_a_fault_for_that_key_only,
    a_spoiled_tenant_is_a_fault_for_its_keys,
    a_spoiled_key_is_left_out_of_a_full_page,
    a_missing_table_is_a_fault_and_no_outage,
];

/// What no row may say. `canary` stands where a fault must not repeat what it found.
const SPOILED: [&str; 9] = [
    "state = 'canary'",
    "state = 'revoked'",
    "state = 'active', revoked_at = 1",
    "bindings = 'canary'",
    "bindings = '{\"a\":1}'",
    "networks = '[\"canary\"]'",
    "limits = '{\"default\":[{\"per\":\"canary\"}]}'",
    "metadata = ''",
    "revision = -1",
];

async fn a_spoiled_row_is_a_fault_for_that_key_only(place: Place) {
    let good = place.make(key(&place, 1)).await;
    for (number, spoiled) in (2..).zip(SPOILED) {
        let bad = place.make(key(&place, number)).await;
        place.sql(&format!("UPDATE keys SET {spoiled} WHERE id = {}", place.sql_id(bad.id))).await;
        let Err(Trouble::Fault(text)) = place.store.key_by_hash(&bad.hash).await else {
            panic!("{spoiled} was read");
        };
        assert!(text.contains(&bad.id.to_string()) && !text.contains("canary"), "{text}");
        assert!(matches!(place.store.key(bad.id).await, Err(Trouble::Fault(_))), "{spoiled}");
        assert!(place.store.key_by_hash(&good.hash).await.unwrap().known.is_some());
    }
    let short = place.make(key(&place, 99)).await;
    let bytes = if place.url.starts_with("sqlite") { "x'00ff'" } else { "'\\x00ff'" };
    place.sql(&format!("UPDATE keys SET hash = {bytes} WHERE id = {}", place.sql_id(short.id))).await;
    assert!(matches!(place.store.key(short.id).await, Err(Trouble::Fault(_))));
}

async fn a_spoiled_tenant_is_a_fault_for_its_keys(place: Place) {
    let other = crate::place::tenant(2, "globex");
    place.store.create_tenant(other.clone(), audit("tenant.create")).await.unwrap();
    let good = place.make(latchkey_core::record::KeyRecord { tenant: other.id, ..key(&place, 1) }).await;
    let bad = place.make(key(&place, 2)).await;
    place.sql("UPDATE tenants SET limits = 'canary' WHERE slug = 'acme'").await;
    assert!(matches!(place.store.key_by_hash(&bad.hash).await, Err(Trouble::Fault(_))));
    assert!(place.store.key_by_hash(&good.hash).await.unwrap().known.is_some());
}

async fn a_spoiled_key_is_left_out_of_a_full_page(place: Place) {
    for number in 1..=4 {
        place.make(key(&place, number)).await;
    }
    place.sql(&format!("UPDATE keys SET state = 'x' WHERE id = {}", place.sql_id(key(&place, 3).id))).await;
    let page = place.store.keys(place.tenant, &KeyFilter::default(), None, 2).await.unwrap();
    assert_eq!(page.iter().map(|key| key.id.0.as_u128()).collect::<Vec<_>>(), [4, 2]);
}

async fn a_missing_table_is_a_fault_and_no_outage(place: Place) {
    place.sql("DROP TABLE grants").await;
    let asked = place.store.key_by_hash(&key(&place, 1).hash).await;
    assert!(matches!(asked, Err(Trouble::Fault(_))), "{asked:?}");
}
