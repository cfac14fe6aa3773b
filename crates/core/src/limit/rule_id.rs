//! Stable identity of a declared rule. It is the rule's period, and its position among the rules of the class with the
//! same owner, condition and period. So it does not shift when another rule is added or removed, and is kept when
//! tokens, burst, algorithm or mode change. A plan's rule has the identity of the rule that it replaces.

use smallvec::SmallVec;

use super::{BucketOwner, BucketRule, ChargeCondition};

/// Identity of a rule within its class, owner and condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

impl RuleId {
    /// Rule that only a plan or an override declares, for an owner for which the class has no rule.
    pub const ADDED: Self = Self(0);
}

/// Most rules of one period that have an identity of their own; a class has at most sixteen rules.
const PER_PERIOD: u32 = 64;

/// Returns the identity of the rule at `index` of a class's own rules.
pub(super) fn of_class(own: &[BucketRule], index: usize) -> RuleId {
    by_period(own, index)
}

/// Returns the identity of the rule at `index` of a plan's rules. Rules of equal periods replace each other, and the
/// remaining ones do in their order.
pub(super) fn of_plan(own: &[BucketRule], plan: &[BucketRule], index: usize) -> RuleId {
    let Some(rule) = plan.get(index) else { return RuleId::ADDED };
    if position(plan, index) < count(own, rule) {
        return by_period(plan, index);
    }
    let earlier = (0..index).filter(|at| is_left_over(plan, own, *at, rule)).count();
    let replaced = (0..own.len()).filter(|at| is_left_over(own, plan, *at, rule)).nth(earlier);
    match replaced {
        Some(at) => by_period(own, at),
        None if longest(own, rule.per, rule.when).is_none()
            && longest(plan, rule.per, rule.when) == Some(index) =>
        {
            RuleId::ADDED
        }
        None => by_period(plan, index),
    }
}

/// Returns the identities of the buckets that an override of this owner replaces: those of all rules of the class and of
/// the plan. A call is counted in each of them, so that none forgets it when the override or the plan ends.
pub(super) fn of_override(
    own: &[BucketRule],
    plan: &[BucketRule],
    per: BucketOwner,
    when: ChargeCondition,
) -> SmallVec<[RuleId; 2]> {
    let of_owner = |rule: &BucketRule| rule.per == per && rule.when == when;
    let of_class = (0..own.len()).filter(|index| of_owner(&own[*index])).map(|index| by_period(own, index));
    let of_plan =
        (0..plan.len()).filter(|index| of_owner(&plan[*index])).map(|index| of_plan(own, plan, index));
    let mut all: SmallVec<[RuleId; 2]> = SmallVec::new();
    for id in of_class.chain(of_plan) {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    if all.is_empty() {
        all.push(RuleId::ADDED);
    }
    all
}

fn by_period(rules: &[BucketRule], index: usize) -> RuleId {
    let seconds = rules.get(index).map_or(0, |rule| rule.limit.period.as_secs());
    let position = u32::try_from(position(rules, index)).unwrap_or(u32::MAX).min(PER_PERIOD - 1);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX / PER_PERIOD);
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

    fn plan_ids(own: &[&str], plan: &[&str]) -> Vec<RuleId> {
        let (own, plan) = (rules(own), rules(plan));
        (0..plan.len()).map(|index| of_plan(&own, &plan, index)).collect()
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
    fn a_rule_of_a_plan_has_the_identity_of_the_rule_that_it_replaces() {
        let own = ["60/min", "1000/h"];
        let [minute, hour] = class_ids(&own)[..] else { panic!() };
        assert_eq!(plan_ids(&own, &["9/h", "9/min"]), [hour, minute]);
        assert_eq!(plan_ids(&own, &["9/h"]), [hour]);
        assert_eq!(plan_ids(&own, &["9/h", "9/s"]), [hour, minute], "what remains is replaced in order");
        let added = plan_ids(&["60/min"], &["9/d", "9/min", "9/h"]);
        assert_eq!(added[1], minute);
        assert!(added[0] != added[1] && added[2] != added[1] && added[0] != added[2]);
        assert_eq!(plan_ids(&["60/min"], &["1000/h"]), [minute], "the only rule is the same rule");
    }

    #[test]
    fn a_rule_that_only_plans_have_is_the_one_that_an_override_adds() {
        let ids = plan_ids(&[], &["9/min", "9/h"]);
        assert_eq!(ids[1], RuleId::ADDED);
        assert_ne!(ids[0], RuleId::ADDED);
        let ids = |own: &[BucketRule], plan: &[BucketRule], per| {
            of_override(own, plan, per, ChargeCondition::Allowed).to_vec()
        };
        assert_eq!(ids(&[], &[], BucketOwner::Key), [RuleId::ADDED]);
        let own = rules(&["60/min", "1000/h"]);
        assert_eq!(ids(&own, &[], BucketOwner::Key), [of_class(&own, 0), of_class(&own, 1)]);
        let plan = rules(&["9/min", "5/d", "7/d"]);
        let both = [of_class(&own, 0), of_class(&own, 1), of_plan(&own, &plan, 2)];
        assert_eq!(ids(&own, &plan, BucketOwner::Key), both);
        assert_eq!(ids(&own, &[], BucketOwner::Ip), [RuleId::ADDED]);
    }
}
