//! Changes of rate limits: of classes, and of the plans that override them.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::limit::{
    BucketAlgorithm, BucketOwner, BucketRule, ChargeCondition, CountedLimit, Plan, RateClasses,
};
use latchkey_core::profile_change::{AffectedRecords, ChangeEffect, ProfileChange};

use super::Versions;

/// Buckets of a class that count the same: the type of owner, and the calls that are counted.
type BucketIdentity = (BucketOwner, ChargeCondition);

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy, &versions.new.policy);
    let mut changes = Vec::new();
    for class in old.classes.names().filter(|name| new.classes.find(name).is_some()) {
        let field = format!("rate_limits.{class}");
        let whose = format!("the rate class `{class}`");
        let pairs = compare(rules(&old.classes, class), rules(&new.classes, class));
        changes.extend(pairs.into_iter().map(|pair| pair.of(&field, &whose)));
        changes.extend(enforcement(&old.classes, &new.classes, class));
    }
    for class in old.classes.names().filter(|name| new.classes.find(name).is_none()) {
        let text = format!(
            "the rate class `{class}` is removed: calls for which Envoy's route or a Check names it are denied, and limits \
             that keys and tenants have in it no longer apply"
        );
        changes.push(ProfileChange::new(ChangeEffect::LosesAccess, format!("rate_limits.{class}"), text));
    }
    if let Some(fallback) = old.classes.fallback().filter(|_| new.classes.fallback().is_none())
        && !old.classes.rules(fallback).is_empty()
    {
        let text = "the rate class `default` is removed: calls without another class have no limit";
        changes.push(ProfileChange::new(ChangeEffect::GrantsMore, "rate_limits.default", text));
    }
    if let Some(fallback) = new.classes.fallback().filter(|_| old.classes.fallback().is_none())
        && !new.classes.rules(fallback).is_empty()
    {
        let text = "the rate class `default` is added: calls without another class have a limit";
        changes.push(ProfileChange::new(ChangeEffect::LimitLowered, "rate_limits.default", text));
    }
    changes.extend(plans(versions));
    changes
}

fn rules<'a>(classes: &'a RateClasses, name: &str) -> &'a [BucketRule] {
    classes.find(name).map_or(&[], |class| classes.rules(class))
}

fn enforcement(old: &RateClasses, new: &RateClasses, class: &str) -> Option<ProfileChange> {
    let shadow =
        |classes: &RateClasses| classes.find(class).is_some_and(|id| classes.enforce(id).is_shadow());
    let (effect, text) = match (shadow(old), shadow(new)) {
        (false, true) => (ChangeEffect::GrantsMore, "are not enforced any more (shadow)"),
        (true, false) => (ChangeEffect::LimitLowered, "are enforced"),
        (false, false) | (true, true) => return None,
    };
    let field = format!("rate_limits.{class}.enforce");
    Some(ProfileChange::new(effect, field, format!("the limits of the rate class `{class}` {text}")))
}

fn plans(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy, &versions.new.policy);
    let mut changes = Vec::new();
    let plans: BTreeMap<_, _> = old.plans.iter().collect();
    for (name, before) in plans {
        let tenants = || AffectedRecords::Tenants { plan: name.clone() };
        let field = format!("plans[{name}]");
        let Some(after) = new.plans.get(name) else {
            let text =
                format!("the plan `{name}` is removed: its tenants get the limits of tenants without a plan");
            let change = ProfileChange::new(ChangeEffect::LosesAccess, field, text);
            changes.push(change.affecting([tenants()]).taking_away());
            continue;
        };
        let classes: BTreeSet<&Box<str>> = before.0.keys().chain(after.0.keys()).collect();
        for class in classes {
            let pairs =
                compare(&effective(&old.classes, before, class), &effective(&new.classes, after, class));
            let field = format!("{field}.rate_limits.{class}");
            let whose = format!("the rate class `{class}` on the plan `{name}`");
            changes.extend(pairs.into_iter().map(|pair| pair.of(&field, &whose).affecting([tenants()])));
        }
    }
    let mut added: Vec<_> = new.plans.keys().filter(|name| !old.plans.contains_key(*name)).collect();
    added.sort_unstable();
    for name in added {
        let text = format!("the plan `{name}` is added");
        changes.push(ProfileChange::new(ChangeEffect::Other, format!("plans[{name}]"), text));
    }
    changes
}

/// Returns the buckets of a class for tenants on a plan.
fn effective(classes: &RateClasses, plan: &Plan, class: &str) -> Vec<BucketRule> {
    let of_plan: &[BucketRule] = plan.0.get(class).map_or(&[], Vec::as_slice);
    let replaced = |rule: &BucketRule| of_plan.iter().any(|own| (own.per, own.when) == (rule.per, rule.when));
    let own = rules(classes, class).iter().filter(|rule| !replaced(rule));
    own.chain(of_plan).copied().collect()
}

/// Limit of a bucket before and afterwards.
pub(super) struct LimitChange {
    pub(super) effect: ChangeEffect,
    counted: BucketIdentity,
    before: Option<CountedLimit>,
    after: Option<CountedLimit>,
}

impl LimitChange {
    fn of(self, field: &str, whose: &str) -> ProfileChange {
        let per = self.counted.0.name();
        let attempts = match self.counted.1 {
            ChargeCondition::Allowed => "",
            ChargeCondition::Unauthenticated => " for attempts without a valid credential",
        };
        let text = match (self.effect, self.before, self.after) {
            (_, Some(_), None) => format!("{whose} has no limit per {per}{attempts} any more"),
            (_, None, _) => format!("{whose} has a limit per {per}{attempts}"),
            (_, Some(before), Some(after)) if before.limit == after.limit => {
                format!("{whose} counts differently per {per}{attempts}")
            }
            (_, Some(before), Some(after)) if before.can_exceed(after) && after.can_exceed(before) => {
                format!(
                    "{whose} has another limit per {per}{attempts}: it admits more in some spans of time, and less in others"
                )
            }
            (ChangeEffect::LimitLowered, ..) => format!("{whose} has a lower limit per {per}{attempts}"),
            (ChangeEffect::LimitRaised, ..) => format!("{whose} has a higher limit per {per}{attempts}"),
            (_, Some(_), Some(_)) => format!("{whose} counts differently per {per}{attempts}"),
        };
        let written = |counted: Option<CountedLimit>| counted.map(written).unwrap_or_default();
        ProfileChange::new(self.effect, field, text).values(written(self.before), written(self.after))
    }
}

/// Compares the buckets of two versions of a class.
pub(super) fn compare(old: &[BucketRule], new: &[BucketRule]) -> Vec<LimitChange> {
    let (old, new) = (counted(old), counted(new));
    let keys: BTreeSet<BucketIdentity> = old.keys().chain(new.keys()).copied().collect();
    let mut changes = Vec::new();
    for key in keys {
        let none = Vec::new();
        let (before, after) = (old.get(&key).unwrap_or(&none), new.get(&key).unwrap_or(&none));
        for index in 0..before.len().max(after.len()) {
            let (before, after) = (before.get(index), after.get(index));
            let effect = match (before, after) {
                (Some(before), Some(after)) => effect_of(before, after),
                (Some(_), None) => Some(ChangeEffect::GrantsMore),
                (None, Some(_)) => Some(ChangeEffect::LimitLowered),
                (None, None) => None,
            };
            changes.extend(effect.map(|effect| LimitChange {
                effect,
                counted: key,
                before: before.map(as_counted),
                after: after.map(as_counted),
            }));
        }
    }
    changes
}

/// Groups buckets by what they count, the shortest period first.
fn counted(rules: &[BucketRule]) -> BTreeMap<BucketIdentity, Vec<BucketRule>> {
    let mut groups: BTreeMap<BucketIdentity, Vec<BucketRule>> = BTreeMap::new();
    for rule in rules {
        groups.entry((rule.per, rule.when)).or_default().push(*rule);
    }
    for rules in groups.values_mut() {
        rules.sort_by_key(|rule| (rule.limit.period, rule.limit.tokens));
    }
    groups
}

/// Returns the effect of a changed limit. A limit that can admit more in a span of some length counts as raised, even
/// if it admits less in others, because the upstream must handle more calls.
fn effect_of(before: &BucketRule, after: &BucketRule) -> Option<ChangeEffect> {
    if before == after {
        return None;
    }
    let (old, new) = (as_counted(before), as_counted(after));
    Some(if new.can_exceed(old) {
        ChangeEffect::LimitRaised
    } else if old.can_exceed(new) {
        ChangeEffect::LimitLowered
    } else {
        ChangeEffect::Other
    })
}

fn as_counted(rule: &BucketRule) -> CountedLimit {
    CountedLimit { limit: rule.limit, algorithm: rule.algorithm.with_limit(rule.limit) }
}

/// Returns a limit as it is declared; the algorithm is named if it is no part of the limit.
fn written(counted: CountedLimit) -> String {
    let fixed = if counted.algorithm == BucketAlgorithm::FixedWindow { " (fixed window)" } else { "" };
    format!("{}{fixed}", counted.limit)
}

#[cfg(test)]
mod tests {
    use latchkey_core::limit::parse_key_limit;

    use super::*;

    fn rule(text: &str) -> BucketRule {
        BucketRule {
            per: BucketOwner::Key,
            limit: parse_key_limit(text).unwrap(),
            algorithm: BucketAlgorithm::default(),
            when: ChargeCondition::Allowed,
            mode: None,
        }
    }

    #[test]
    fn a_limit_that_can_admit_more_is_raised_whatever_its_rate() {
        let effect = |before: &str, after: &str| effect_of(&rule(before), &rule(after));
        for (before, after) in [
            ("20/5s", "10000/h"),
            ("60/min", "3000/h"),
            ("20/5s", "60/min"),
            ("20/5s", "15/5s burst 15"),
            ("20/5s", "16/4s"),
            ("60/min", "61/min"),
            ("60/min burst 5", "60/min burst 6"),
        ] {
            assert_eq!(effect(before, after), Some(ChangeEffect::LimitRaised), "{before} {after}");
        }
        for (before, after) in [("60/min", "59/min"), ("60/min", "60/h"), ("20/5s", "10/5s burst 10")] {
            assert_eq!(effect(before, after), Some(ChangeEffect::LimitLowered), "{before} {after}");
        }
        assert_eq!(effect("60/min", "60/min"), None);
    }

    #[test]
    fn a_limit_that_admits_more_at_once_and_less_in_the_long_run_is_described_as_such() {
        let change = compare(&[rule("20/5s")], &[rule("60/min")]).pop().unwrap();
        let change = change.of("rate_limits.default", "the rate class `default`");
        assert_eq!(
            change.description,
            "the rate class `default` has another limit per key: it admits more in some spans of time, and less in others"
        );
        assert_eq!((&*change.before, &*change.after), ("20/5s", "60/min"));
        let fixed = BucketRule { algorithm: BucketAlgorithm::FixedWindow, ..rule("60/min") };
        let change = compare(&[rule("60/min")], &[fixed]).pop().unwrap().of("rate_limits.default", "x");
        assert_eq!((&*change.before, &*change.after), ("60/min", "60/min (fixed window)"));
    }
}
