//! Rules that select the buckets of a call. The rate class declares buckets; the plan, then the tenant, then
//! the key replace them one by one, so that the most specific limit applies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use smallvec::SmallVec;

use super::{
    BucketCharge, BucketCharges, BucketId, BucketOwner, BucketRule, ChargeCondition, CountingMode, Limit,
    RateClassId, RuleId, network_of, rule_id,
};
use crate::enforcement::Enforcement;
use crate::heap_size;
use crate::record::TenantRecord;
use crate::secret::KeyHash;

/// Limits that replace those of a rate class, by class and owner; and the classes whose limits replace none and hold beside
/// the others. Callers of a tenant set limits of the second sort, so that these do not outlive a plan that admits more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides(pub BTreeMap<Box<str>, Vec<(BucketOwner, Limit)>>, pub BTreeSet<Box<str>>);

impl LimitOverrides {
    /// Returns the limit that replaces the bucket of this owner in the class.
    #[must_use]
    pub fn of(&self, class: &str, per: BucketOwner) -> Option<Limit> {
        self.of_class(class).iter().find(|(owner, _)| *owner == per).map(|(_, limit)| *limit)
    }

    /// Returns the limits that replace the buckets of the class, each with its owner.
    fn of_class(&self, class: &str) -> &[(BucketOwner, Limit)] {
        self.0.get(class).map_or(&[], Vec::as_slice)
    }

    /// Returns whether the limits of a class replace those of the tenant, its plan and the class.
    #[must_use]
    pub fn replaces(&self, class: &str) -> bool {
        !self.1.contains(class)
    }

    /// Returns the bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        let classes = self.0.iter();
        let each =
            classes.map(|(name, limits)| heap_size::text(name) + heap_size::block(size_of_val(&**limits)));
        let beside = self.1.iter().map(|name| heap_size::text(name)).sum::<usize>();
        heap_size::map::<Box<str>, Vec<(BucketOwner, Limit)>>(self.0.len())
            + each.sum::<usize>()
            + heap_size::map::<Box<str>, ()>(self.1.len())
            + beside
    }
}

/// Map by name. The names are chosen by operators, so that an attacker cannot choose them to collide.
pub type NameMap<T> = HashMap<Box<str>, T, foldhash::fast::RandomState>;

/// Plan of a tenant: rate classes with the buckets that the plan replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub NameMap<Vec<BucketRule>>);

/// A rate class with its buckets.
#[derive(Clone, Debug)]
struct RateClass {
    name: Box<str>,
    class_hash: u64,
    rules: Vec<BucketRule>,
    enforce: Enforcement,
}

/// Rate classes of a profile.
#[derive(Clone, Debug, Default)]
pub struct RateClasses {
    entries: Vec<RateClass>,
    by_name: NameMap<RateClassId>,
    fallback: Option<RateClassId>,
}

/// Name of the class that applies if no other is selected.
pub const DEFAULT_CLASS: &str = "default";

impl RateClasses {
    /// Returns the classes of the profile of this name, all of them enforced.
    #[must_use]
    pub fn new(profile: &str, rules: BTreeMap<Box<str>, Vec<BucketRule>>) -> Self {
        let class = |(name, rules): (Box<str>, _)| RateClass {
            class_hash: class_hash(profile, &name),
            name,
            rules,
            enforce: Enforcement::Enforced,
        };
        let entries: Vec<RateClass> = rules.into_iter().map(class).collect();
        let by_name: NameMap<RateClassId> =
            (0u16..).zip(&entries).map(|(n, c)| (c.name.clone(), RateClassId(n))).collect();
        let fallback = by_name.get(DEFAULT_CLASS).copied();
        Self { entries, by_name, fallback }
    }

    /// Returns the classes with the named one in shadow.
    #[must_use]
    pub fn with_shadow(mut self, name: &str) -> Self {
        self.entries.iter_mut().filter(|c| *c.name == *name).for_each(|c| c.enforce = Enforcement::Shadow);
        self
    }

    /// Returns the names of all classes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|class| &*class.name)
    }

    /// Returns whether the limits of a class are enforced.
    #[must_use]
    pub fn enforce(&self, class: RateClassId) -> Enforcement {
        self.entries.get(usize::from(class.0)).map_or(Enforcement::Enforced, |c| c.enforce)
    }

    /// Returns the class of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RateClassId> {
        self.by_name.get(name).copied()
    }

    /// Returns the class that applies if no other is selected; `None` if there is no limit then.
    #[must_use]
    pub fn fallback(&self) -> Option<RateClassId> {
        self.fallback
    }

    /// Returns the name of a class; empty if it does not exist.
    #[must_use]
    pub fn name(&self, class: RateClassId) -> &str {
        self.entries.get(usize::from(class.0)).map_or("", |c| &c.name)
    }

    /// Returns the name of the class that a bucket belongs to; empty if it does not exist.
    #[must_use]
    pub fn name_of(&self, bucket: BucketId) -> &str {
        self.entries.iter().find(|c| c.class_hash == bucket.class_hash).map_or("", |c| &c.name)
    }

    /// Returns the buckets that the class itself declares.
    #[must_use]
    pub fn rules(&self, class: RateClassId) -> &[BucketRule] {
        self.entries.get(usize::from(class.0)).map_or(&[], |c| &c.rules)
    }

    fn class_hash(&self, class: RateClassId) -> u64 {
        self.entries.get(usize::from(class.0)).map_or(0, |c| c.class_hash)
    }
}

/// Returns eight bytes of a hash of both names. It is equal in every process and every version.
fn class_hash(profile: &str, class: &str) -> u64 {
    let hash = KeyHash::of(&format!("{profile}\n{class}")).0;
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

/// Subjects whose limits apply to a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct LimitSubjects<'a> {
    /// The key or user, if known, with its own limits.
    pub subject: Option<(u128, Option<&'a LimitOverrides>)>,
    /// The tenant, if known, with its plan.
    pub tenant: Option<(&'a TenantRecord, Option<&'a Plan>)>,
    /// The client's address, if known.
    pub address: Option<IpAddr>,
}

/// Returns the charges of a call of a rate class, with the limits that apply to these subjects.
#[must_use]
pub fn bucket_charges(
    classes: &RateClasses,
    class: RateClassId,
    when: ChargeCondition,
    subjects: &LimitSubjects<'_>,
) -> BucketCharges {
    let name = classes.name(class);
    let plan = subjects.tenant.and_then(|(_, plan)| plan).and_then(|p| p.0.get(name));
    let (own, plan) = (classes.rules(class), plan.map_or(&[][..], Vec::as_slice));
    let mut charges = BucketCharges::new();
    let mut add = |rule: &BucketRule, limit: Limit, id: RuleId| {
        let Some(subject) = subject_of(rule.per, subjects) else { return };
        let class_hash = classes.class_hash(class);
        let bucket = BucketId { per: rule.per, when, subject, class_hash, rule: id };
        let algorithm = rule.algorithm.with_limit(limit);
        let limit = limit.counted_by(algorithm);
        let mode = rule.mode.unwrap_or_else(|| CountingMode::of(limit, algorithm));
        let shard_key = match (rule.per, subjects.tenant) {
            (BucketOwner::Key | BucketOwner::Tenant, Some((tenant, _))) => tenant.id.0.as_u128(),
            (BucketOwner::Ip, _) | (_, None) => subject,
        };
        charges.push(BucketCharge { bucket, limit, algorithm, mode, shard_key });
    };
    let overrides = ClassOverrides::of(name, subjects, when);
    let mut overridden: SmallVec<[BucketOwner; 3]> = SmallVec::new();
    let mut add_rule = |rule: &BucketRule, id: &dyn Fn() -> RuleId| match overrides.limit(rule.per) {
        None => add(rule, rule.limit, id()),
        Some(limit) if !overridden.contains(&rule.per) => {
            overridden.push(rule.per);
            for id in rule_id::of_override(own, plan, (rule.per, when), limit.period) {
                add(rule, limit, id);
            }
        }
        Some(_) => {}
    };
    let of_plan = |per| plan.iter().any(|rule| rule.per == per && rule.when == when);
    for (index, rule) in own.iter().enumerate().filter(|(_, rule)| rule.when == when && !of_plan(rule.per)) {
        add_rule(rule, &|| rule_id::of_class(own, index));
    }
    for (index, rule) in plan.iter().enumerate().filter(|(_, rule)| rule.when == when) {
        for id in rule_id::of_plan(own, plan, index) {
            add_rule(rule, &|| id);
        }
    }
    for per in [BucketOwner::Key, BucketOwner::Tenant, BucketOwner::Ip] {
        if let Some(limit) = overrides.limit(per).filter(|_| !overridden.contains(&per)) {
            let rule = rule_with(limit, (per, when), &[]);
            for id in rule_id::of_override(own, plan, (per, when), limit.period) {
                add(&rule, limit, id);
            }
        }
    }
    for (per, limit) in overrides.beside {
        let rules = if of_plan(*per) { plan } else { own };
        add(&rule_with(*limit, (*per, when), rules), *limit, RuleId::BESIDE);
    }
    charges
}

/// Returns a rule with a limit that no rule declares. It is counted as the first of these rules with its owner is.
fn rule_with(limit: Limit, (per, when): (BucketOwner, ChargeCondition), rules: &[BucketRule]) -> BucketRule {
    let known = rules.iter().find(|rule| rule.per == per && rule.when == when);
    let (algorithm, mode) = known.map(|rule| (rule.algorithm, rule.mode)).unwrap_or_default();
    BucketRule { per, limit, algorithm, when, mode }
}

/// Limits that replace those of a class for the subjects of a call.
#[derive(Default)]
struct ClassOverrides<'a> {
    of_subject: &'a [(BucketOwner, Limit)],
    of_tenant: &'a [(BucketOwner, Limit)],
    /// Limits of the key or user that replace none.
    beside: &'a [(BucketOwner, Limit)],
}

impl<'a> ClassOverrides<'a> {
    /// Returns the limits for calls under a condition. They are about calls that pass, and replace the limits of all buckets
    /// of their owner.
    fn of(class: &str, subjects: &LimitSubjects<'a>, when: ChargeCondition) -> Self {
        if when != ChargeCondition::Allowed {
            return Self::default();
        }
        let of = |limits: Option<&'a LimitOverrides>| limits.map_or(&[][..], |limits| limits.of_class(class));
        let own = subjects.subject.and_then(|(_, limits)| limits);
        let replaces = own.is_none_or(|own| own.replaces(class));
        Self {
            of_subject: of(own.filter(|_| replaces)),
            of_tenant: of(subjects.tenant.map(|(tenant, _)| &tenant.limits)),
            beside: of(own.filter(|_| !replaces)),
        }
    }

    /// Returns the limit that replaces the buckets of an owner; that of the key or user comes first.
    fn limit(&self, per: BucketOwner) -> Option<Limit> {
        let mut all = self.of_subject.iter().chain(self.of_tenant);
        all.find(|(owner, _)| *owner == per).map(|(_, limit)| *limit)
    }
}

fn subject_of(per: BucketOwner, subjects: &LimitSubjects<'_>) -> Option<u128> {
    match per {
        BucketOwner::Key => subjects.subject.map(|(id, _)| id),
        BucketOwner::Tenant => subjects.tenant.map(|(t, _)| t.id.0.as_u128()),
        BucketOwner::Ip => subjects.address.map(network_of),
    }
}

#[cfg(test)]
mod tests;
