//! Which buckets a call draws from. A class says which; a plan, then the tenant, then the key replace
//! them bucket by bucket: the narrowest voice wins.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::{
    BucketAlgorithm, BucketCharge, BucketCharges, BucketId, BucketOwner, BucketRule, ChargeCondition,
    CountingMode, Limit, RateClassId, network_of,
};
use crate::enforcement::Enforcement;
use crate::heap_size;
use crate::record::TenantRecord;
use crate::secret::KeyHash;

/// Limits that stand in for a class's own, by class and owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides(pub BTreeMap<Box<str>, Vec<(BucketOwner, Limit)>>);

impl LimitOverrides {
    /// What stands in for the class's bucket of this owner.
    #[must_use]
    pub fn of(&self, class: &str, per: BucketOwner) -> Option<Limit> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(class)?.iter().find(|(p, _)| *p == per).map(|(_, l)| *l)
    }

    /// Bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        let classes = self.0.iter();
        let each =
            classes.map(|(name, limits)| heap_size::text(name) + heap_size::block(size_of_val(&**limits)));
        heap_size::map::<Box<str>, Vec<(BucketOwner, Limit)>>(self.0.len()) + each.sum::<usize>()
    }
}

/// What has a name, by it. The names are the operator's own, so that nobody can choose them to collide.
pub type NameMap<T> = HashMap<Box<str>, T, foldhash::fast::RandomState>;

/// A tenant's plan: classes whose buckets it replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub NameMap<Vec<BucketRule>>);

/// A class with its name and buckets.
#[derive(Clone, Debug)]
struct RateClass {
    name: Box<str>,
    class_hash: u64,
    rules: Vec<BucketRule>,
    enforce: Enforcement,
}

/// A profile's rate classes.
#[derive(Clone, Debug, Default)]
pub struct RateClasses {
    entries: Vec<RateClass>,
    by_name: NameMap<RateClassId>,
    fallback: Option<RateClassId>,
}

/// The class where none is named.
pub const DEFAULT_CLASS: &str = "default";

impl RateClasses {
    /// The classes of the profile of this name.
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

    /// The same, with a class that is tried only.
    #[must_use]
    pub fn with_shadow(mut self, name: &str) -> Self {
        self.entries.iter_mut().filter(|c| *c.name == *name).for_each(|c| c.enforce = Enforcement::Shadow);
        self
    }

    /// Whether the limits of a class are enforced.
    #[must_use]
    pub fn enforce(&self, class: RateClassId) -> Enforcement {
        self.entries.get(usize::from(class.0)).map_or(Enforcement::Enforced, |c| c.enforce)
    }

    /// The class of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RateClassId> {
        self.by_name.get(name).copied()
    }

    /// The class that applies where no other does; none: no limit.
    #[must_use]
    pub fn fallback(&self) -> Option<RateClassId> {
        self.fallback
    }

    /// The name of a class.
    #[must_use]
    pub fn name(&self, class: RateClassId) -> &str {
        self.entries.get(usize::from(class.0)).map_or("", |c| &c.name)
    }

    /// The name of the class that a bucket belongs to.
    #[must_use]
    pub fn name_of(&self, bucket: BucketId) -> &str {
        self.entries.iter().find(|c| c.class_hash == bucket.class_hash).map_or("", |c| &c.name)
    }

    /// The buckets that the class itself declares.
    #[must_use]
    pub fn rules(&self, class: RateClassId) -> &[BucketRule] {
        self.entries.get(usize::from(class.0)).map_or(&[], |c| &c.rules)
    }

    fn class_hash(&self, class: RateClassId) -> u64 {
        self.entries.get(usize::from(class.0)).map_or(0, |c| c.class_hash)
    }
}

/// Eight bytes of a hash of both names: the same in every process and version.
fn class_hash(profile: &str, class: &str) -> u64 {
    let hash = KeyHash::of(&format!("{profile}\n{class}")).0;
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

/// Whose limits are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct LimitSubjects<'a> {
    /// The key or user, where one is known, and limits of its own.
    pub subject: Option<(u128, Option<&'a LimitOverrides>)>,
    /// Its tenant and the tenant's plan.
    pub tenant: Option<(&'a TenantRecord, Option<&'a Plan>)>,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// The buckets that a call of a class draws from, with the limits that hold for these subjects.
#[must_use]
pub fn bucket_charges(
    classes: &RateClasses,
    class: RateClassId,
    when: ChargeCondition,
    whose: &LimitSubjects<'_>,
) -> BucketCharges {
    let name = classes.name(class);
    let plan = whose.tenant.and_then(|(_, plan)| plan).and_then(|p| p.0.get(name));
    let mut charges = BucketCharges::new();
    let mut add = |rule: &BucketRule, place: usize| {
        let Some(subject) = subject(rule.per, whose) else { return };
        let place = u8::try_from(place).unwrap_or(u8::MAX);
        let bucket = BucketId { per: rule.per, subject, class_hash: classes.class_hash(class), index: place };
        let limit = overriding(name, rule.per, whose).unwrap_or(rule.limit);
        let algorithm = rule.algorithm;
        let mode = rule.mode.unwrap_or_else(|| CountingMode::of(limit, algorithm));
        let owner = match (rule.per, whose.tenant) {
            (BucketOwner::Key | BucketOwner::Tenant, Some((tenant, _))) => tenant.id.0.as_u128(),
            (BucketOwner::Ip, _) | (_, None) => subject,
        };
        charges.push(BucketCharge { bucket, limit, algorithm, mode, shard_key: owner });
    };
    let own = classes.rules(class);
    let replaced = |per| plan.is_some_and(|p| p.iter().any(|r| r.per == per && r.when == when));
    let effective = || {
        let kept = own.iter().filter(|r| !replaced(r.per));
        kept.chain(plan.into_iter().flatten()).filter(|r| r.when == when)
    };
    for (place, rule) in effective().enumerate() {
        // An override replaces every bucket of its owner by one.
        let first = !effective().take(place).any(|r| r.per == rule.per);
        if first || overriding(name, rule.per, whose).is_none() {
            add(rule, place);
        }
    }
    if when == ChargeCondition::Allowed {
        for per in [BucketOwner::Key, BucketOwner::Tenant, BucketOwner::Ip] {
            let declared = effective().any(|r| r.per == per);
            if let Some(limit) = overriding(name, per, whose).filter(|_| !declared) {
                let algorithm = BucketAlgorithm::TokenBucket;
                add(&BucketRule { per, limit, algorithm, when, mode: None }, usize::from(u8::MAX));
            }
        }
    }
    charges
}

fn overriding(class: &str, per: BucketOwner, whose: &LimitSubjects<'_>) -> Option<Limit> {
    let own = whose.subject.and_then(|(_, limits)| limits);
    let of_key = own.and_then(|limits| limits.of(class, per));
    of_key.or_else(|| whose.tenant.and_then(|(t, _)| t.limits.of(class, per)))
}

fn subject(per: BucketOwner, whose: &LimitSubjects<'_>) -> Option<u128> {
    match per {
        BucketOwner::Key => whose.subject.map(|(id, _)| id),
        BucketOwner::Tenant => whose.tenant.map(|(t, _)| t.id.0.as_u128()),
        BucketOwner::Ip => whose.address.map(network_of),
    }
}

#[cfg(test)]
mod tests;
