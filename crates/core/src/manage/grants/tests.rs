//! Each way of handing on more than one has, and the near miss that is allowed.

use std::sync::Arc;

use super::*;
use crate::gate::tests::fixture::policy;
use crate::limit::parse_key_limit;
use crate::memory::Remembered;
use crate::record::fixture::records;
use crate::time::Timestamp;

/// Whether a caller that `narrow` narrows may make the key that `ask` describes.
fn may(narrow: impl FnOnce(&mut KeyRecord), ask: impl FnOnce(&mut KeyRecord)) -> bool {
    let policy = policy();
    let (mut record, tenant) = records();
    let mut wanted = record.clone();
    narrow(&mut record);
    let key = Remembered::key(record, &tenant);
    let caller = Principal::by_key(Arc::new(tenant), key, Some(&policy));
    let grants = Grants::of(&caller, &policy);
    grants.fill(&mut wanted);
    ask(&mut wanted);
    let granted = policy.scopes.known(&wanted.scopes);
    grants.cover(&wanted, &granted).is_ok()
}

fn own_limit(key: &mut KeyRecord, limit: &str) {
    key.limits.0.insert("default".into(), vec![(Per::Key, parse_key_limit(limit).unwrap())]);
}

#[test]
fn a_key_like_ones_own_may_be_made() {
    assert!(may(|_| {}, |_| {}));
}

#[test]
fn scopes_that_one_lacks_cannot_be_granted() {
    assert!(may(|_| {}, |key| key.scopes.clear()));
    assert!(!may(|_| {}, |key| key.scopes.push("admin".into())));
}

#[test]
fn another_environment_cannot_be_granted() {
    assert!(!may(|_| {}, |key| key.environment = "test".into()));
}

#[test]
fn another_environment_is_reached_where_the_document_says_so_and_not_back() {
    let mut kind = policy().kinds[0].clone();
    kind.makes_keys_in = vec![("live".into(), vec!["test".into()])];
    assert!(kind.reaches("live", "test") && kind.reaches("test", "test"));
    assert!(!kind.reaches("test", "live") && !kind.reaches("live", "other"));
}

#[test]
fn a_bound_key_makes_keys_of_the_same_binding_alone() {
    let bind =
        |to: &'static str| move |key: &mut KeyRecord| drop(key.bindings.insert("merchant".into(), to.into()));
    assert!(may(|_| {}, bind("m_1")));
    assert!(may(bind("m_1"), bind("m_1")));
    assert!(!may(bind("m_1"), bind("m_2")));
    assert!(!may(bind("m_1"), |_| {}));
}

#[test]
fn no_key_outlives_its_maker() {
    let at = |ms: i64| move |key: &mut KeyRecord| key.expires = Some(Timestamp(ms));
    assert!(may(at(10), |_| {}), "what is left open is filled in");
    assert!(may(at(10), at(10)) && may(|_| {}, |key| key.expires = None));
    assert!(!may(at(10), at(11)) && !may(at(10), |key| key.expires = None));
}

#[test]
fn networks_only_shrink() {
    let from = |net: &'static str| move |key: &mut KeyRecord| key.networks = vec![net.parse().unwrap()];
    assert!(may(from("192.0.2.0/24"), |_| {}));
    assert!(may(from("192.0.2.0/24"), from("192.0.2.128/25")));
    assert!(!may(from("192.0.2.0/24"), from("192.0.0.0/16")));
    assert!(!may(from("192.0.2.0/24"), |key| key.networks.clear()));
}

#[test]
fn limits_only_shrink() {
    let limit = |text: &'static str| move |key: &mut KeyRecord| own_limit(key, text);
    assert!(may(|_| {}, limit("10/min")) && may(|_| {}, limit("1/10s burst 10")));
    assert!(!may(|_| {}, limit("11/min")) && !may(|_| {}, limit("10/min burst 11")));
    assert!(!may(|_| {}, limit("1/s burst 1")), "a lower burst at a higher rate is more");
    assert!(may(limit("2/min"), |_| {}), "a narrowed maker's keys are as narrow");
    assert!(!may(limit("2/min"), limit("3/min")));
    assert!(!may(limit("2/min"), |key| key.limits.0.clear()), "a limit that is left out is lifted");
}
