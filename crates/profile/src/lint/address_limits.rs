//! Warnings about plans whose limit of an address refills the bucket that the limits of the class and of other plans share
//! with it.

use latchkey_core::limit::{BucketAlgorithm, BucketOwner, BucketRule, ChargeCondition, Limit};
use latchkey_core::policy::Policy;

use crate::reader::Section;

/// Warns of each plan that limits calls of an address by a token bucket with a higher rate than the class or another plan
/// does. All calls of an address have one bucket, so that calls of the plan's tenants refill it for those of others.
pub(super) fn lint(root: &mut Section<'_>, policy: &Policy) {
    for mut section in root.sections("plans") {
        let Some(name) = section.text("name") else { continue };
        let Some(plan) = policy.plans.get(name.value) else { continue };
        let refilled = plan.0.iter().filter(|(class, rules)| refills(policy, name.value, class, rules));
        let mut classes: Vec<&str> = refilled.map(|(class, _)| &**class).collect();
        classes.sort_unstable();
        for class in classes {
            name.report(format!(
                "calls under its \"ip\" limit in the rate class \"{class}\" refill the bucket of their address for tenants \
                 without the plan, since it is a token bucket with a higher rate; leave out the burst and \"algorithm\", or \
                 give the plan a class of its own"
            ));
        }
    }
}

fn refills(policy: &Policy, plan: &str, class: &str, rules: &[BucketRule]) -> bool {
    let own = policy.classes.find(class).map_or(&[][..], |id| policy.classes.rules(id));
    let others = policy.plans.iter().filter(|(name, _)| ***name != *plan);
    let of_others = others.filter_map(|(_, other)| other.0.get(class)).flatten();
    let of_addresses =
        |rule: &&BucketRule| rule.per == BucketOwner::Ip && rule.when == ChargeCondition::Allowed;
    let all: Vec<Limit> = own.iter().chain(of_others).filter(of_addresses).map(|rule| rule.limit).collect();
    let mut buckets = rules.iter().filter(of_addresses);
    buckets.any(|rule| {
        rule.algorithm.with_limit(rule.limit) == BucketAlgorithm::TokenBucket
            && all.iter().any(|other| is_faster(rule.limit, *other))
    })
}

fn is_faster(one: Limit, other: Limit) -> bool {
    u128::from(one.tokens) * other.period.as_nanos() > u128::from(other.tokens) * one.period.as_nanos()
}
