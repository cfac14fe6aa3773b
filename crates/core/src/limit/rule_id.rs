//! Stable identity of a declared rule. It is the rule's period, and its position among the rules of the class with the
//! same owner, condition and period. So it does not shift when another rule is added or removed, and is kept when
//! tokens, burst, algorithm or mode change. A plan's rule is counted in the bucket of the rule that it replaces as well as
//! in its own, so that neither the class nor another plan with a rule of the same period forgets its calls.

use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use super::{BucketOwner, BucketRule, ChargeCondition};

/// Identity of a rule within its class, owner and condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

impl RuleId {
    /// Rule that only a plan or an override declares, for an owner for which the class has no rule.
    pub const ADDED: Self = Self(0);
    /// Limit of a key that replaces no rule, and holds beside all of them. No rule has a period as short as this number.
    pub const BESIDE: Self = Self(1);
}

/// Identities of the buckets that one limit is counted in.
pub(super) type RuleIds = SmallVec<[RuleId; 2]>;

/// Most rules of one period that have an identity of their own; a class has at most sixteen rules.
const PER_PERIOD: u32 = 64;

/// Returns the identity of the rule at `index` of a class's own rules.
pub(super) fn of_class(own: &[BucketRule], index: usize) -> RuleId {
    by_period(own, index)
}

/// Returns the identities of the buckets of the rule at `index` of a plan's rules: that of the rule that it replaces, and
/// its own. Rules of equal periods replace each other and have one bucket, and the remaining ones do in their order.
pub(super) fn of_plan(own: &[BucketRule], plan: &[BucketRule], index: usize) -> RuleIds {
    let Some(rule) = plan.get(index) else { return smallvec![RuleId::ADDED] };
    let mut ids = RuleIds::new();
    if position(plan, index) >= count(own, rule) {
        let earlier = (0..index).filter(|at| is_left_over(plan, own, *at, rule)).count();
        let replaced = (0..own.len()).filter(|at| is_left_over(own, plan, *at, rule)).nth(earlier);
        if let Some(at) = replaced {
            ids.push(by_period(own, at));
        } else if longest(own, rule.per, rule.when).is_none()
            && longest(plan, rule.per, rule.when) == Some(index)
        {
            ids.push(RuleId::ADDED);
        }
    }
    ids.push(by_period(plan, index));
    ids
}

/// Returns the identities of the buckets of an override of this owner with this period: those of all rules of the class and
/// of the plan, which it replaces, and its own. A call is counted in each of them, so that none forgets it when the override
/// or the plan ends, and the override forgets none when the class or the plan changes.
pub(super) fn of_override(
    own: &[BucketRule],
    plan: &[BucketRule],
    (per, when): (BucketOwner, ChargeCondition),
    period: Duration,
) -> RuleIds {
    let of_owner = |rule: &BucketRule| rule.per == per && rule.when == when;
    let of_class = (0..own.len()).filter(|index| of_owner(&own[*index])).map(|index| by_period(own, index));
    let of_plan =
        (0..plan.len()).filter(|index| of_owner(&plan[*index])).flat_map(|index| of_plan(own, plan, index));
    let mut all = RuleIds::new();
    let mut add = |id: RuleId| {
        if !all.contains(&id) {
            all.push(id);
        }
    };
    of_class.chain(of_plan).for_each(&mut add);
    if !own.iter().chain(plan).any(of_owner) {
        add(RuleId::ADDED);
    }
    add(of_period(period, 0));
    all
}

fn by_period(rules: &[BucketRule], index: usize) -> RuleId {
    of_period(rules.get(index).map(|rule| rule.limit.period).unwrap_or_default(), position(rules, index))
}

/// Returns the identity of a rule of this period behind this many others.
fn of_period(period: Duration, position: usize) -> RuleId {
    let position = u32::try_from(position).unwrap_or(u32::MAX).min(PER_PERIOD - 1);
    let seconds = u32::try_from(period.as_secs()).unwrap_or(u32::MAX / PER_PERIOD);
    RuleId(seconds.saturating_mul(PER_PERIOD).saturating_add(position))
}

/// Returns the number of equal rules before the one at `index`.
fn position(rules: &[BucketRule], index: usize) -> usize {
    let Some((rule, before)) = rules.get(..=index).and_then(<[BucketRule]>::split_last) else { return 0 };
    count(before, rule)
}

fn count(rules: &[BucketRule], like: &BucketRule) -> usize {
    rules.iter().filter(|rule| is_alike(rule, like) && rule.limit.period == like.limit.period).count()
}

fn is_alike(one: &BucketRule, other: &BucketRule) -> bool {
    one.per == other.per && one.when == other.when
}

/// Returns whether the rule at `index` is of the owner and condition of `like`, and no rule of the others has its period.
fn is_left_over(rules: &[BucketRule], others: &[BucketRule], index: usize, like: &BucketRule) -> bool {
    rules.get(index).is_some_and(|rule| is_alike(rule, like) && position(rules, index) >= count(others, rule))
}

/// Returns the index of the rule with the longest period; the first of them if there are several.
fn longest(rules: &[BucketRule], per: BucketOwner, when: ChargeCondition) -> Option<usize> {
    let of_owner = rules.iter().enumerate().filter(|(_, rule)| rule.per == per && rule.when == when);
    let mut longest: Option<(usize, &BucketRule)> = None;
    for (index, rule) in of_owner {
        if longest.is_none_or(|(_, before)| rule.limit.period > before.limit.period) {
            longest = Some((index, rule));
        }
    }
    longest.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{BucketAlgorithm, parse_key_limit};

    fn rules(limits: &[&str]) -> Vec<BucketRule> {
        let rule = |text: &&str| BucketRule {
            per: BucketOwner::Key,
            limit: parse_key_limit(text).unwrap(),
            algorithm: BucketAlgorithm::default(),
            when: ChargeCondition::Allowed,
            mode: None,
        };
        limits.iter().map(rule).collect()
    }

    fn class_ids(limits: &[&str]) -> Vec<RuleId> {
        let own = rules(limits);
        (0..own.len()).map(|index| of_class(&own, index)).collect()
    }

    fn plan_ids(own: &[&str], plan: &[&str]) -> Vec<Vec<RuleId>> {
        let (own, plan) = (rules(own), rules(plan));
        (0..plan.len()).map(|index| of_plan(&own, &plan, index).to_vec()).collect()
    }

    fn id(limit: &str) -> RuleId {
        class_ids(&[limit])[0]
    }

    #[test]
    fn a_rule_keeps_its_identity_when_another_is_added_or_its_tokens_change() {
        let [minute, hour] = class_ids(&["60/min", "1000/h"])[..] else { panic!() };
        assert_ne!(minute, hour);
        assert_eq!(class_ids(&["5/h", "1/s", "70/min burst 9"])[..1], [hour]);
        assert_eq!(class_ids(&["5/h", "1/s", "70/min burst 9"])[2], minute);
        let [one, two] = class_ids(&["60/min", "70/min burst 9"])[..] else { panic!() };
        assert_ne!(one, two);
    }

    #[test]
    fn a_rule_of_a_plan_is_counted_in_the_bucket_of_the_rule_that_it_replaces_and_in_its_own() {
        let own = ["60/min", "1000/h"];
        let [minute, hour] = class_ids(&own)[..] else { panic!() };
        let (second, day) = (id("1/s"), id("1/d"));
        assert_eq!(plan_ids(&own, &["9/h", "9/min"]), [[hour], [minute]]);
        assert_eq!(plan_ids(&own, &["9/h"]), [[hour]]);
        let both = plan_ids(&own, &["9/h", "9/s"]);
        assert_eq!(both, [vec![hour], vec![minute, second]], "what remains is replaced in order");
        let added = plan_ids(&["60/min"], &["9/d", "9/min", "9/h"]);
        assert_eq!(added, [vec![day], vec![minute], vec![hour]]);
        assert_eq!(plan_ids(&["60/min"], &["1000/h"]), [[minute, hour]], "the only rule is the same rule");
    }

    #[test]
    fn a_rule_has_the_same_bucket_in_every_plan_with_its_period() {
        let day = id("1/d");
        let classes: [&[&str]; 4] = [&[], &["60/min"], &["60/min", "1000/h"], &["9/d", "60/min"]];
        let plans: [&[&str]; 4] =
            [&["20/d"], &["5/min", "20/d"], &["9/s", "3/h", "20/d"], &["20/d", "99/7d"]];
        for own in classes {
            for plan in plans {
                let place = plan.iter().position(|limit| *limit == "20/d").unwrap();
                assert!(plan_ids(own, plan)[place].contains(&day), "{own:?} {plan:?}");
            }
        }
    }

    #[test]
    fn a_rule_that_only_plans_have_is_the_one_that_an_override_adds() {
        let (minute, hour, day) = (id("1/min"), id("1/h"), id("1/d"));
        assert_eq!(plan_ids(&[], &["9/min", "9/h"]), [vec![minute], vec![RuleId::ADDED, hour]]);
        let ids = |own: &[BucketRule], plan: &[BucketRule], per| {
            of_override(own, plan, (per, ChargeCondition::Allowed), Duration::from_mins(1)).to_vec()
        };
        assert_eq!(ids(&[], &[], BucketOwner::Key), [RuleId::ADDED, minute]);
        let own = rules(&["60/min", "1000/h"]);
        assert_eq!(ids(&own, &[], BucketOwner::Key), [minute, hour]);
        assert_eq!(ids(&rules(&["1000/h"]), &[], BucketOwner::Key), [hour, minute]);
        let plan = rules(&["9/min", "5/d", "7/d"]);
        let second = of_class(&rules(&["5/d", "7/d"]), 1);
        assert_eq!(ids(&own, &plan, BucketOwner::Key), [minute, hour, day, second]);
        assert_eq!(ids(&own, &[], BucketOwner::Ip), [RuleId::ADDED, minute]);
    }
}
