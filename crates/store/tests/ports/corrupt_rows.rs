//! Rows that were changed by hand: each is an error of its own key, which does not reveal the row's content.

use latchkey_core::error::SystemError;
use latchkey_core::ports::KeyStore;
use latchkey_management::ports::{AuditAction, KeyFilter, ListRange, ManagementStore};

use crate::database::{TestDatabase, audit, key};

on_both![
    a_corrupt_row_fails_only_its_key,
    a_corrupt_tenant_fails_its_keys,
    a_corrupt_key_is_left_out_of_a_full_page,
    a_missing_table_is_a_fault_and_no_outage,
];

/// Invalid assignments to columns. `canary` stands where an error must not repeat the content.
const CORRUPTIONS: [&str; 9] = [
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

async fn a_corrupt_row_fails_only_its_key(database: TestDatabase) {
    let good = database.make(key(&database, 1)).await;
    for (number, corruption) in (2..).zip(CORRUPTIONS) {
        let bad = database.make(key(&database, number)).await;
        database.sql(&format!("UPDATE keys SET {corruption} WHERE id = {}", database.sql_id(bad.id))).await;
        let Err(SystemError::Internal(text)) = database.store.key_by_hash(&bad.hash).await else {
            panic!("{corruption} was read");
        };
        assert!(text.contains(&bad.id.to_string()) && !text.contains("canary"), "{text}");
        assert!(matches!(database.store.key(bad.id).await, Err(SystemError::Internal(_))), "{corruption}");
        assert!(database.store.key_by_hash(&good.hash).await.unwrap().entry.is_some());
    }
    let short = database.make(key(&database, 99)).await;
    let bytes = if database.url.starts_with("sqlite") { "x'00ff'" } else { "'\\x00ff'" };
    database.sql(&format!("UPDATE keys SET hash = {bytes} WHERE id = {}", database.sql_id(short.id))).await;
    assert!(matches!(database.store.key(short.id).await, Err(SystemError::Internal(_))));
}

async fn a_corrupt_tenant_fails_its_keys(database: TestDatabase) {
    let other = crate::database::tenant(2, "globex");
    database.store.create_tenant(other.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    let good =
        database.make(latchkey_core::record::KeyRecord { tenant: other.id, ..key(&database, 1) }).await;
    let bad = database.make(key(&database, 2)).await;
    database.sql("UPDATE tenants SET limits = 'canary' WHERE slug = 'acme'").await;
    assert!(matches!(database.store.key_by_hash(&bad.hash).await, Err(SystemError::Internal(_))));
    assert!(database.store.key_by_hash(&good.hash).await.unwrap().entry.is_some());
}

async fn a_corrupt_key_is_left_out_of_a_full_page(database: TestDatabase) {
    for number in 1..=4 {
        database.make(key(&database, number)).await;
    }
    database
        .sql(&format!("UPDATE keys SET state = 'x' WHERE id = {}", database.sql_id(key(&database, 3).id)))
        .await;
    let filter = KeyFilter { tenant: Some(database.tenant), ..KeyFilter::default() };
    let page = database.store.keys(&filter, &ListRange::newest(None, 2)).await.unwrap().items;
    assert_eq!(page.iter().map(|key| key.id.0.as_u128()).collect::<Vec<_>>(), [4, 2]);
}

async fn a_missing_table_is_a_fault_and_no_outage(database: TestDatabase) {
    database.sql("DROP TABLE grants").await;
    let asked = database.store.key_by_hash(&key(&database, 1).hash).await;
    assert!(matches!(asked, Err(SystemError::Internal(_))), "{asked:?}");
}
