//! Creation of the first key.

use std::sync::Arc;

use latchkey_core::ports::KeyStore;
use latchkey_core::record::{KeyRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::{AuditAction, KeyFilter, ListRange, ManagementStore};

use crate::database::{TestDatabase, at_once, audit, key, tenant};

on_both![
    one_of_fifty_parallel_starts_creates_the_first_key,
    a_second_start_makes_nothing,
    a_key_that_is_insisted_on_is_made_beside_others_once,
    the_first_key_belongs_to_the_tenant_that_was_there,
];

async fn one_of_fifty_parallel_starts_creates_the_first_key(database: TestDatabase) {
    let database = Arc::new(database);
    let start = |number| {
        let database = Arc::clone(&database);
        async move {
            let operators = tenant(number, "latchkey");
            database
                .store
                .bootstrap_operator(operators, key(&database, number), false, audit(AuditAction::KeyFound))
                .await
                .unwrap()
        }
    };
    let made = at_once((100..150).map(start)).await;
    assert_eq!(made.iter().filter(|written| written.value).count(), 1);
    assert_eq!(made.iter().filter(|written| written.changed).count(), 1);
    assert_eq!(database.store.revision().await.unwrap(), 3);
    let operators = database.store.tenant(&TenantRef::Slug("latchkey".into())).await.unwrap().unwrap();
    let filter = KeyFilter { tenant: Some(operators.id), ..KeyFilter::default() };
    assert_eq!(database.store.keys(&filter, &ListRange::newest(None, 10)).await.unwrap().items.len(), 1);
}

async fn a_second_start_makes_nothing(database: TestDatabase) {
    let start = |number| {
        database.store.bootstrap_operator(
            tenant(9, "latchkey"),
            key(&database, number),
            false,
            audit(AuditAction::KeyFound),
        )
    };
    let first = start(1).await.unwrap();
    assert_eq!((first.value, first.revision), (true, 3));
    let second = start(2).await.unwrap();
    assert_eq!((second.value, second.changed, second.revision), (false, false, 3));
    assert_eq!(database.actions().await.len(), 2);
}

async fn a_key_that_is_insisted_on_is_made_beside_others_once(database: TestDatabase) {
    let start = |number, insist| {
        database.store.bootstrap_operator(
            tenant(9, "latchkey"),
            key(&database, number),
            insist,
            audit(AuditAction::KeyFound),
        )
    };
    assert!(start(1, true).await.unwrap().value);
    assert!(!start(1, true).await.unwrap().value);
    assert!(start(2, true).await.unwrap().value);
    assert!(!start(3, false).await.unwrap().value);
}

async fn the_first_key_belongs_to_the_tenant_that_was_there(database: TestDatabase) {
    let operators = tenant(9, "latchkey");
    database.store.create_tenant(operators.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    let first = KeyRecord { hash: KeyHash::of("first"), tenant: tenant(10, "x").id, ..key(&database, 1) };
    let made = database
        .store
        .bootstrap_operator(tenant(10, "latchkey"), first, false, audit(AuditAction::KeyFound))
        .await
        .unwrap();
    assert_eq!((made.value, made.revision), (true, 3));
    let (key, owner) = database.store.key_by_hash(&KeyHash::of("first")).await.unwrap().entry.unwrap();
    assert_eq!((key.tenant, owner.id, key.revision), (operators.id, operators.id, 3));
}
