//! Profiles and their versions.

use std::sync::Arc;

use latchkey_core::ports::{Changed, Feed, Ledger};
use latchkey_core::record::ProfileRecord;

use crate::place::{Place, at_once, audit};

on_both![
    each_new_document_is_the_next_version,
    the_newest_document_is_not_stored_again,
    the_newest_version_of_each_profile_is_listed_by_name,
    of_twenty_who_apply_at_once_each_gets_a_version,
];

async fn each_new_document_is_the_next_version(place: Place) {
    let apply =
        |document: &'static str| place.store.apply_profile("luxcore", document, audit("profile.apply"));
    let first = apply("one").await.unwrap();
    let second = apply("two").await.unwrap();
    let third = apply("one").await.unwrap();
    assert_eq!([first.value.version, second.value.version, third.value.version], [1, 2, 3]);
    assert_eq!(third.value.applied, audit("").time);
    assert_eq!((third.revision, third.value.revision), (4, 4));
    assert_eq!(place.store.changes(3, 10).await.unwrap()[0].subject, Changed::Profile("luxcore".into()));
    assert_eq!(place.store.profile("luxcore", Some(2)).await.unwrap(), Some(second.value));
    assert_eq!(place.store.profile("luxcore", None).await.unwrap(), Some(third.value));
    assert_eq!(place.store.profile("luxcore", Some(4)).await.unwrap(), None);
    assert_eq!(place.store.profile("Luxcore", None).await.unwrap(), None);
}

async fn the_newest_document_is_not_stored_again(place: Place) {
    let first = place.store.apply_profile("luxcore", "one", audit("profile.apply")).await.unwrap();
    let again = place.store.apply_profile("luxcore", "one", audit("profile.apply")).await.unwrap();
    assert_eq!((again.revision, again.value), (0, first.value));
    assert_eq!(place.store.revision().await.unwrap(), first.revision);
}

async fn the_newest_version_of_each_profile_is_listed_by_name(place: Place) {
    for (name, document) in [("luxcore", "one"), ("auxvault", "one"), ("luxcore", "two")] {
        place.store.apply_profile(name, document, audit("profile.apply")).await.unwrap();
    }
    let listed = place.store.profiles().await.unwrap();
    let seen = |p: &ProfileRecord| (p.name.to_string(), p.version, p.document.clone());
    let expected = [("auxvault".into(), 1, "one".into()), ("luxcore".into(), 2, "two".into())];
    assert_eq!(listed.iter().map(seen).collect::<Vec<_>>(), expected);
}

async fn of_twenty_who_apply_at_once_each_gets_a_version(place: Place) {
    let apply = |number| {
        let store = Arc::clone(&place.store);
        let document = format!("document {number}");
        async move { store.apply_profile("luxcore", &document, audit("apply")).await.unwrap().value.version }
    };
    let mut versions = at_once((0..20).map(apply)).await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
}
