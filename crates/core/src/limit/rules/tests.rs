//! Tests of precedence: the key's limit before the tenant's, the tenant's before the plan's, the plan's
//! before the class's.

use super::*;
use crate::limit::{BucketAlgorithm, parse_key_limit};
use crate::record::KeyRecord;
use crate::record::fixture::records;

fn rule(per: BucketOwner, limit: &str) -> BucketRule {
    BucketRule {
        per,
        limit: parse_key_limit(limit).unwrap(),
        algorithm: BucketAlgorithm::default(),
        when: ChargeCondition::Allowed,
        mode: None,
    }
}

fn classes() -> RateClasses {
    let rules = vec![rule(BucketOwner::Key, "300/min"), rule(BucketOwner::Tenant, "900/min")];
    RateClasses::new("p", BTreeMap::from([("default".into(), rules)]))
}

fn overrides(per: BucketOwner, limit: &str) -> LimitOverrides {
    let limits = BTreeMap::from([("default".into(), vec![(per, parse_key_limit(limit).unwrap())])]);
    LimitOverrides(limits, BTreeSet::new())
}

/// Returns the owner and tokens of each bucket that applies.
fn tokens(
    plan: Option<&Plan>,
    change: impl FnOnce(&mut KeyRecord, &mut TenantRecord),
) -> Vec<(BucketOwner, u64)> {
    let (mut key, mut tenant) = records();
    change(&mut key, &mut tenant);
    let subjects =
        LimitSubjects { subject: Some((1, Some(&key.limits))), tenant: Some((&tenant, plan)), address: None };
    let classes = classes();
    let all = bucket_charges(&classes, classes.fallback().unwrap(), ChargeCondition::Allowed, &subjects);
    all.iter().map(|charge| (charge.bucket.per, charge.limit.tokens)).collect()
}

#[test]
fn a_class_applies_if_nothing_replaces_it() {
    assert_eq!(tokens(None, |_, _| {}), [(BucketOwner::Key, 300), (BucketOwner::Tenant, 900)]);
}

#[test]
fn a_plan_replaces_bucket_by_bucket() {
    let plan = Plan([("default".into(), vec![rule(BucketOwner::Key, "1000/min")])].into_iter().collect());
    assert_eq!(tokens(Some(&plan), |_, _| {}), [(BucketOwner::Tenant, 900), (BucketOwner::Key, 1000)]);
}

#[test]
fn the_most_specific_limit_wins() {
    let plan = Plan([("default".into(), vec![rule(BucketOwner::Key, "1000/min")])].into_iter().collect());
    let tenant = tokens(Some(&plan), |_, t| t.limits = overrides(BucketOwner::Key, "5/min"));
    assert_eq!(tenant, [(BucketOwner::Tenant, 900), (BucketOwner::Key, 5)]);
    let key = tokens(Some(&plan), |k, t| {
        t.limits = overrides(BucketOwner::Key, "5/min");
        k.limits = overrides(BucketOwner::Key, "7/min");
    });
    assert_eq!(key, [(BucketOwner::Tenant, 900), (BucketOwner::Key, 7)]);
}

#[test]
fn an_override_can_add_a_bucket_and_never_applies_to_another_class() {
    let added = tokens(None, |_, t| t.limits = overrides(BucketOwner::Ip, "5/min"));
    assert_eq!(added, [(BucketOwner::Key, 300), (BucketOwner::Tenant, 900)], "the address is unknown");
    let other = BTreeMap::from([("other".into(), vec![(BucketOwner::Key, parse_key_limit("1/s").unwrap())])]);
    let other = LimitOverrides(other, BTreeSet::new());
    assert_eq!(tokens(None, |k, _| k.limits = other), [(BucketOwner::Key, 300), (BucketOwner::Tenant, 900)]);
}

/// A rule that declares its algorithm keeps it, so that a product that promises a token bucket has one for every tenant.
#[test]
fn an_override_without_a_burst_is_counted_by_the_algorithm_that_the_rule_declares() {
    let (token, fixed, sliding) =
        (BucketAlgorithm::TokenBucket, BucketAlgorithm::FixedWindow, BucketAlgorithm::SlidingWindow);
    for (declared, class, own, expected, burst) in [
        (token, "300/min burst 300", "5/min", token, Some(5)),
        (token, "300/min burst 50", "5/min burst 2", token, Some(2)),
        (fixed, "300/min", "5/min", fixed, None),
        (sliding, "300/min", "5/min", sliding, None),
        (sliding, "300/min", "5/min burst 2", token, Some(2)),
        // The rule declares a burst, and no algorithm.
        (sliding, "300/min burst 50", "5/min", sliding, None),
    ] {
        let declares = BucketRule { algorithm: declared, ..rule(BucketOwner::Key, class) };
        let classes = RateClasses::new("p", BTreeMap::from([("default".into(), vec![declares])]));
        let limits = overrides(BucketOwner::Key, own);
        let subjects = LimitSubjects { subject: Some((1, Some(&limits))), tenant: None, address: None };
        let all = bucket_charges(&classes, classes.fallback().unwrap(), ChargeCondition::Allowed, &subjects);
        let found: Vec<_> = all.iter().map(|charge| (charge.algorithm, charge.limit.burst)).collect();
        assert_eq!(found, [(expected, burst)], "{declared:?} {class}, {own}");
    }
}

#[test]
fn a_limit_that_holds_beside_the_others_replaces_none_and_has_a_bucket_of_its_own() {
    let beside =
        |limit| LimitOverrides(overrides(BucketOwner::Key, limit).0, BTreeSet::from(["default".into()]));
    let both = tokens(None, |k, _| k.limits = beside("7/min"));
    assert_eq!(both, [(BucketOwner::Key, 300), (BucketOwner::Tenant, 900), (BucketOwner::Key, 7)]);
    let tenant = tokens(None, |k, t| {
        k.limits = beside("7/min");
        t.limits = overrides(BucketOwner::Key, "5/min");
    });
    assert_eq!(tenant, [(BucketOwner::Key, 5), (BucketOwner::Tenant, 900), (BucketOwner::Key, 7)]);
    let limits = beside("7/min");
    let subjects = LimitSubjects { subject: Some((1, Some(&limits))), tenant: None, address: None };
    let classes = classes();
    let all = bucket_charges(&classes, classes.fallback().unwrap(), ChargeCondition::Allowed, &subjects);
    let buckets: BTreeSet<BucketId> = all.iter().map(|charge| charge.bucket).collect();
    assert_eq!((all.len(), buckets.len()), (2, 2), "no bucket is charged twice");
}
