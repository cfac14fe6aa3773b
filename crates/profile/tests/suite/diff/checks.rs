//! Changes of what confines calls and keys: tenants, resources, addresses, lifetimes, audiences and rate classes.

use super::*;

/// Returns the fields, effects and descriptions of the changes between two documents.
#[track_caller]
fn between(old: &str, new: &str) -> Vec<(String, ChangeEffect, String)> {
    let changes = diff(Some(old), new).unwrap_or_else(|errors| panic!("{errors}"));
    changes.into_iter().map(|change| (change.field, change.effect, change.description)).collect()
}

#[test]
fn a_removed_rate_class_denies_calls_that_name_it() {
    let old = SHOP.replace("[rate_limits]\n", "[rate_limits]\nbulk = [{ per = \"key\", rate = \"1/s\" }]\n");
    let changes = between(&old, SHOP);
    let [(field, ChangeEffect::LosesAccess, text)] = changes.as_slice() else { panic!("{changes:#?}") };
    assert!(field == "rate_limits.bulk" && text.contains("the rate class `bulk` is removed"), "{changes:#?}");
}

#[test]
fn the_order_of_sources_is_a_change_where_the_first_one_decides() {
    let listed = "sources = [\"header:x-api-key\", \"header:authorization Bearer\"]";
    let other = "sources = [\"header:authorization Bearer\", \"header:x-api-key\"]";
    assert!(SHOP.contains(listed));
    assert_eq!(between(SHOP, &SHOP.replace(listed, other)), []);
    let first = |sources: &str| SHOP.replace(listed, &format!("{sources}\nconflict = \"first\""));
    let changes = between(&first(listed), &first(other));
    let [(field, ChangeEffect::Other, text)] = changes.as_slice() else { panic!("{changes:#?}") };
    assert!(field == "credential.sources" && text.contains("listed first"), "{changes:#?}");
}
