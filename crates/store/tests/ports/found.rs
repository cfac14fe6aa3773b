//! The first key.

use std::sync::Arc;

use latchkey_core::ports::{Feed, KeyStore};
use latchkey_core::record::{KeyRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::{KeyFilter, Ledger};

use crate::place::{Place, at_once, audit, key, tenant};

on_both![
    of_fifty_who_start_at_once_one_makes_the_first_key,
    a_second_start_makes_nothing,
    a_key_that_is_insisted_on_is_made_beside_others_once,
    the_first_key_belongs_to_the_tenant_that_was_there,
];

async fn of_fifty_who_start_at_once_one_makes_the_first_key(place: Place) {
    let place = Arc::new(place);
    let start = |number| {
        let place = Arc::clone(&place);
        async move {
            let operators = tenant(number, "latchkey");
            place.store.found(operators, key(&place, number), false, audit("key.found")).await.unwrap()
        }
    };
    let made = at_once((100..150).map(start)).await;
    assert_eq!(made.iter().filter(|written| written.value).count(), 1);
    assert_eq!(made.iter().filter(|written| written.revision > 0).count(), 1);
    assert_eq!(place.store.revision().await.unwrap(), 3);
    let operators = place.store.tenant(&TenantRef::Slug("latchkey".into())).await.unwrap().unwrap();
    assert_eq!(place.store.keys(operators.id, &KeyFilter::default(), None, 10).await.unwrap().len(), 1);
}

async fn a_second_start_makes_nothing(place: Place) {
    let start = |number| place.store.found(tenant(9, "latchkey"), key(&place, number), false, audit("found"));
    let first = start(1).await.unwrap();
    assert_eq!((first.value, first.revision), (true, 3));
    let second = start(2).await.unwrap();
    assert_eq!((second.value, second.revision), (false, 0));
    assert_eq!(place.actions().await.len(), 2);
}

async fn a_key_that_is_insisted_on_is_made_beside_others_once(place: Place) {
    let start =
        |number, insist| place.store.found(tenant(9, "latchkey"), key(&place, number), insist, audit("f"));
    assert!(start(1, true).await.unwrap().value);
    assert!(!start(1, true).await.unwrap().value);
    assert!(start(2, true).await.unwrap().value);
    assert!(!start(3, false).await.unwrap().value);
}

async fn the_first_key_belongs_to_the_tenant_that_was_there(place: Place) {
    let operators = tenant(9, "latchkey");
    place.store.create_tenant(operators.clone(), audit("tenant.create")).await.unwrap();
    let first = KeyRecord { hash: KeyHash::of("first"), tenant: tenant(10, "x").id, ..key(&place, 1) };
    let made = place.store.found(tenant(10, "latchkey"), first, false, audit("key.found")).await.unwrap();
    assert_eq!((made.value, made.revision), (true, 3));
    let (key, owner) = place.store.key_by_hash(&KeyHash::of("first")).await.unwrap().known.unwrap();
    assert_eq!((key.tenant, owner.id, key.revision), (operators.id, operators.id, 3));
}
