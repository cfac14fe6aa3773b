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
