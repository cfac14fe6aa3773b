//! Making keys: all or none, each once.

use std::sync::Arc;

use latchkey_core::id::TenantId;
use latchkey_core::ports::Feed;
use latchkey_core::record::KeyRecord;
use latchkey_core::secret::KeyHash;
use latchkey_core::trouble::{Failure, Refusal};
use latchkey_management::ports::{Ledger, Made, NewKey};
use uuid::Uuid;

use crate::place::{Place, at_once, audit, key, new};

on_both![
    each_key_of_a_batch_gets_a_revision_and_all_one_audit_event,
    a_large_batch_is_made_at_once,
    a_value_that_exists_is_refused_by_its_place_and_nothing_is_made,
    a_value_twice_in_a_batch_is_refused_by_its_place,
    a_key_of_an_unknown_tenant_is_refused,
    the_same_call_again_answers_the_key_it_made,
    another_call_with_the_same_idempotency_key_is_refused,
    an_idempotency_key_is_a_tenants_own,
    of_fifty_equal_calls_one_makes_a_key,
];

fn once(record: KeyRecord, name: &str, asked: u8) -> NewKey {
    NewKey { record, idempotency: Some((name.to_owned(), [asked; 32])) }
}

async fn each_key_of_a_batch_gets_a_revision_and_all_one_audit_event(place: Place) {
    let batch = (10..13).map(|n| new(key(&place, n))).collect();
    let written = place.store.create_keys(batch, audit("key.import")).await.unwrap();
    let revision = |made: &Made| match made {
        Made::New(key) => key.revision,
        Made::Before(_) => 0,
    };
    assert_eq!(written.value.iter().map(revision).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(written.revision, 4);
    assert_eq!(place.store.revision().await.unwrap(), 4);
    assert_eq!(place.actions().await.len(), 2);
    for made in written.value {
        let Made::New(key) = made else { panic!("was there before") };
        assert_eq!(place.store.key(key.id).await.unwrap(), Some(key));
    }
}

async fn a_large_batch_is_made_at_once(place: Place) {
    let batch = (1_000..2_200).map(|n| new(key(&place, n))).collect();
    let written = place.store.create_keys(batch, audit("key.import")).await.unwrap();
    assert_eq!(written.revision, 1_201);
    let changes = place.store.changes(0, 5_000).await.unwrap();
    assert_eq!(changes.len(), 1_201);
    let last = place.store.key(latchkey_core::id::KeyId(Uuid::from_u128(2_199))).await.unwrap().unwrap();
    assert_eq!((last.revision, last.scopes.len()), (1_201, 1));
}

async fn a_value_that_exists_is_refused_by_its_place_and_nothing_is_made(place: Place) {
    let known = place.make(key(&place, 7)).await;
    let copy = KeyRecord { hash: known.hash, ..key(&place, 9) };
    let batch = vec![new(key(&place, 8)), new(copy)];
    let refused = place.store.create_keys(batch, audit("key.import")).await.unwrap_err();
    assert_eq!(refused, Failure::Refused(Refusal::AlreadyExists("keys[1] exists already".into())));
    assert_eq!(place.store.key(key(&place, 8).id).await.unwrap(), None);
    assert_eq!(place.store.revision().await.unwrap(), known.revision);
}

async fn a_value_twice_in_a_batch_is_refused_by_its_place(place: Place) {
    let copy = KeyRecord { hash: key(&place, 8).hash, ..key(&place, 9) };
    let batch = vec![new(key(&place, 8)), new(copy)];
    let refused = place.store.create_keys(batch, audit("key.import")).await.unwrap_err();
    assert_eq!(refused, Failure::Refused(Refusal::AlreadyExists("keys[1] exists already".into())));
    assert_eq!(place.store.key(key(&place, 8).id).await.unwrap(), None);
}

async fn a_key_of_an_unknown_tenant_is_refused(place: Place) {
    let orphan = KeyRecord { tenant: TenantId(Uuid::from_u128(404)), ..key(&place, 8) };
    let refused = place.store.create_keys(vec![new(orphan)], audit("key.create")).await.unwrap_err();
    assert_eq!(refused, Failure::Refused(Refusal::NotFound("tenant")));
}

async fn the_same_call_again_answers_the_key_it_made(place: Place) {
    let first =
        place.store.create_keys(vec![once(key(&place, 7), "a", 1)], audit("key.create")).await.unwrap();
    let again =
        place.store.create_keys(vec![once(key(&place, 8), "a", 1)], audit("key.create")).await.unwrap();
    let [Made::New(made)] = first.value.as_slice() else { panic!("not new") };
    assert_eq!(again.value, [Made::Before(made.clone())]);
    assert_eq!(again.revision, 0);
    assert_eq!(place.store.revision().await.unwrap(), first.revision);
}

async fn another_call_with_the_same_idempotency_key_is_refused(place: Place) {
    place.store.create_keys(vec![once(key(&place, 7), "a", 1)], audit("key.create")).await.unwrap();
    let other = place.store.create_keys(vec![once(key(&place, 8), "a", 2)], audit("key.create")).await;
    assert!(matches!(other, Err(Failure::Refused(Refusal::AlreadyExists(_)))), "{other:?}");
    assert_eq!(place.store.key(key(&place, 8).id).await.unwrap(), None);
}

async fn an_idempotency_key_is_a_tenants_own(place: Place) {
    let other = crate::place::tenant(2, "globex");
    place.store.create_tenant(other.clone(), audit("tenant.create")).await.unwrap();
    place.store.create_keys(vec![once(key(&place, 7), "a", 1)], audit("key.create")).await.unwrap();
    let theirs = KeyRecord { tenant: other.id, ..key(&place, 8) };
    let made = place.store.create_keys(vec![once(theirs, "a", 2)], audit("key.create")).await.unwrap();
    assert!(matches!(made.value.as_slice(), [Made::New(_)]));
}

async fn of_fifty_equal_calls_one_makes_a_key(place: Place) {
    let place = Arc::new(place);
    let call = |n: u128| {
        let place = Arc::clone(&place);
        async move {
            let fresh = KeyRecord { hash: KeyHash::of(&format!("fresh {n}")), ..key(&place, n) };
            let made = place.store.create_keys(vec![once(fresh, "a", 1)], audit("key.create")).await.unwrap();
            match made.value.into_iter().next().unwrap() {
                Made::New(key) => (true, key.id),
                Made::Before(key) => (false, key.id),
            }
        }
    };
    let answers = at_once((100..150).map(call)).await;
    assert_eq!(answers.iter().filter(|(new, _)| *new).count(), 1);
    assert!(answers.iter().all(|(_, id)| *id == answers[0].1));
    assert_eq!(place.store.revision().await.unwrap(), 2);
}
