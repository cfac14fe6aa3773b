//! Tests of the limits that a caller can grant.

use super::*;

#[test]
fn limits_only_shrink() {
    let limit = |text: &'static str| move |key: &mut KeyRecord| own_limit(key, text);
    assert!(can_create(|_| {}, limit("10/min")) && can_create(|_| {}, limit("1/10s burst 4")));
    assert!(!can_create(|_| {}, limit("11/min")) && !can_create(|_| {}, limit("10/min burst 11")));
    assert!(!can_create(|_| {}, limit("1/10s burst 5")), "5 at once and 6 refilled are 11 in a minute");
    assert!(can_create(limit("10/min burst 10"), limit("1/10s burst 10")));
    assert!(!can_create(|_| {}, limit("1/s burst 1")), "a lower burst at a higher rate exceeds the limit");
    assert!(can_create(limit("2/min"), |_| {}), "the keys of a restricted caller are restricted too");
    assert!(!can_create(limit("2/min"), limit("3/min")));
    assert!(!can_create(limit("2/min"), |key| key.limits.0.clear()), "leaving out a limit would lift it");
}

#[test]
fn a_smaller_rate_with_another_period_is_no_smaller_limit() {
    let limit = |text: &'static str| move |key: &mut KeyRecord| own_limit(key, text);
    assert!(!can_create(limit("6/6s"), limit("5/5s")), "10 calls within six seconds");
    assert!(can_create(limit("6/6s"), limit("3/3s")) && can_create(limit("6/6s"), limit("6/min")));
    assert!(!can_create(|_| {}, limit("9/59s")), "the class has 10/min");
    let narrowed = |from, to| {
        let before = move |key: &mut KeyRecord| {
            with_admin(key);
            own_limit(key, from);
        };
        change(|_| {}, before, limit(to))
    };
    assert!(is_denied(&narrowed("10/10s", "6/6s")) && is_denied(&narrowed("60/min", "59/59s")));
    assert_eq!(narrowed("60/min", "30/30s"), Ok(()));
}

#[test]
fn a_limit_that_replaces_several_keeps_all_of_them() {
    let limit = |text: &'static str| {
        move |key: &mut KeyRecord| {
            key.limits.0.insert("report".into(), vec![(BucketOwner::Key, parse_key_limit(text).unwrap())]);
        }
    };
    assert!(!can_create(|_| {}, limit("10/min")), "it would lift the limit of a day");
    assert!(!can_create(|_| {}, limit("100/d")), "it would lift the limit of a minute");
    assert!(can_create(|_| {}, limit("50/d burst 5")));
    assert!(is_denied(&change(|_| {}, with_admin, limit("10/min"))));
    assert_eq!(change(|_| {}, with_admin, limit("50/d burst 5")), Ok(()));
    let replaced = |key: &mut KeyRecord| {
        with_admin(key);
        limit("50/d burst 5")(key);
    };
    assert!(is_denied(&change(|_| {}, replaced, |key| key.limits.0.clear())));
}

#[test]
fn a_limit_that_a_caller_sets_replaces_others_only_within_one_of_an_operator() {
    let replaces = |own: Option<&str>, before: Option<&str>, limit: &str| {
        let policy = policy();
        let (mut record, tenant) = records();
        let (mut old, mut new) = (record.clone(), record.clone());
        let set = |key: &mut KeyRecord, limit: Option<&str>| {
            if let Some(limit) = limit {
                own_limit(key, limit);
            }
        };
        set(&mut record, own);
        set(&mut old, before);
        set(&mut new, Some(limit));
        let key = Cached::key(record, &tenant);
        let caller = Principal::from_key(Arc::new(tenant), key, Some(&policy));
        Grants::of(&caller, &policy).mark_limits(Some(&old.limits), &mut new.limits);
        new.limits.replaces("default")
    };
    assert!(!replaces(None, None, "5/min"));
    assert!(replaces(Some("90/min"), None, "5/min") && replaces(None, Some("90/min"), "80/min"));
    assert!(!replaces(Some("4/min"), Some("3/min"), "5/min"));
}

#[test]
fn a_change_keeps_the_sort_of_the_limits_that_it_leaves() {
    let (mut before, _) = records();
    own_limit(&mut before, "5/min");
    before.limits.1.insert("default".into());
    let changed = |limit: Option<&str>| {
        let mut after = records().0;
        if let Some(limit) = limit {
            own_limit(&mut after, limit);
        }
        super::super::limits::keep_unchanged(&before, &mut after);
        after.limits.replaces("default")
    };
    assert!(!changed(Some("5/min")) && changed(Some("4/min")) && changed(None));
}

#[test]
fn the_keys_of_a_caller_whose_limit_exceeds_its_plan_now_have_both() {
    let narrowed = |key: &mut KeyRecord| {
        own_limit(key, "90/min");
        key.limits.1.insert("default".into());
    };
    assert!(can_create(narrowed, |_| {}), "the class has 10/min");
    assert!(!can_create(narrowed, |key| key.limits.1.clear()));
}

#[test]
fn a_limit_that_is_counted_in_several_buckets_is_named_once() {
    let policy = policy();
    let (mut record, tenant) = records();
    own_limit(&mut record, "5/h");
    let limits = record.limits.clone();
    let key = Cached::key(record, &tenant);
    let caller = Principal::from_key(Arc::new(tenant), key, Some(&policy));
    let named = Grants::of(&caller, &policy).limits_of("default", Some(&limits));
    assert_eq!(named.len(), 1, "the class has another period: {named:?}");
}
