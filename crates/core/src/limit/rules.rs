//! Which buckets a call draws from. A class says which; a plan, then the tenant, then the key replace
//! them bucket by bucket: the narrowest voice wins.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::{Algorithm, BucketId, ClassId, Demand, Demands, Limit, Mode, Per, Rule, When, network_of};
use crate::enforce::Enforce;
use crate::record::TenantRecord;
use crate::secret::KeyHash;
use crate::weight;

/// Limits that stand in for a class's own, by class and owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(pub BTreeMap<Box<str>, Vec<(Per, Limit)>>);

impl Overrides {
    /// What stands in for the class's bucket of this owner.
    #[must_use]
    pub fn of(&self, class: &str, per: Per) -> Option<Limit> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(class)?.iter().find(|(p, _)| *p == per).map(|(_, l)| *l)
    }

    /// Bytes on the heap.
    pub(crate) fn weight(&self) -> usize {
        let classes = self.0.iter();
        let each = classes.map(|(name, limits)| weight::text(name) + weight::block(size_of_val(&**limits)));
        weight::map::<Box<str>, Vec<(Per, Limit)>>(self.0.len()) + each.sum::<usize>()
    }
}

/// What has a name, by it. The names are the operator's own, so that nobody can choose them to collide.
pub type Named<T> = HashMap<Box<str>, T, foldhash::fast::RandomState>;

/// A tenant's plan: classes whose buckets it replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub Named<Vec<Rule>>);

/// A class with its name and buckets.
#[derive(Clone, Debug)]
struct Class {
    name: Box<str>,
    mark: u64,
    rules: Vec<Rule>,
    enforce: Enforce,
}

/// A profile's rate classes.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    entries: Vec<Class>,
    by_name: Named<ClassId>,
    fallback: Option<ClassId>,
}

/// The class where none is named.
pub const DEFAULT_CLASS: &str = "default";

impl Classes {
    /// The classes of the profile of this name.
    #[must_use]
    pub fn new(profile: &str, rules: BTreeMap<Box<str>, Vec<Rule>>) -> Self {
        let class = |(name, rules): (Box<str>, _)| Class {
            mark: mark(profile, &name),
            name,
            rules,
            enforce: Enforce::On,
        };
        let entries: Vec<Class> = rules.into_iter().map(class).collect();
        let by_name: Named<ClassId> =
            (0u16..).zip(&entries).map(|(n, c)| (c.name.clone(), ClassId(n))).collect();
        let fallback = by_name.get(DEFAULT_CLASS).copied();
        Self { entries, by_name, fallback }
    }

    /// The same, with a class that is tried only.
    #[must_use]
    pub fn with_shadow(mut self, name: &str) -> Self {
        self.entries.iter_mut().filter(|c| *c.name == *name).for_each(|c| c.enforce = Enforce::Shadow);
        self
    }

    /// Whether the limits of a class are enforced.
    #[must_use]
    pub fn enforce(&self, class: ClassId) -> Enforce {
        self.entries.get(usize::from(class.0)).map_or(Enforce::On, |c| c.enforce)
    }

    /// The class of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ClassId> {
        self.by_name.get(name).copied()
    }

    /// The class that applies where no other does; none: no limit.
    #[must_use]
    pub fn fallback(&self) -> Option<ClassId> {
        self.fallback
    }

    /// The name of a class.
    #[must_use]
    pub fn name(&self, class: ClassId) -> &str {
        self.entries.get(usize::from(class.0)).map_or("", |c| &c.name)
    }

    /// The name of the class that a bucket belongs to.
    #[must_use]
    pub fn name_of(&self, bucket: BucketId) -> &str {
        self.entries.iter().find(|c| c.mark == bucket.class).map_or("", |c| &c.name)
    }

    /// The buckets that the class itself declares.
    #[must_use]
    pub fn rules(&self, class: ClassId) -> &[Rule] {
        self.entries.get(usize::from(class.0)).map_or(&[], |c| &c.rules)
    }

    fn mark(&self, class: ClassId) -> u64 {
        self.entries.get(usize::from(class.0)).map_or(0, |c| c.mark)
    }
}

/// Eight bytes of a hash of both names: the same in every process and version.
fn mark(profile: &str, class: &str) -> u64 {
    let hash = KeyHash::of(&format!("{profile}\n{class}")).0;
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

/// Whose limits are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subjects<'a> {
    /// The key or user, where one is known, and limits of its own.
    pub subject: Option<(u128, Option<&'a Overrides>)>,
    /// Its tenant and the tenant's plan.
    pub tenant: Option<(&'a TenantRecord, Option<&'a Plan>)>,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// The buckets that a call of a class draws from, with the limits that hold for these subjects.
#[must_use]
pub fn demands(classes: &Classes, class: ClassId, when: When, whose: &Subjects<'_>) -> Demands {
    let name = classes.name(class);
    let plan = whose.tenant.and_then(|(_, plan)| plan).and_then(|p| p.0.get(name));
    let mut demands = Demands::new();
    let mut add = |rule: &Rule, place: usize| {
        let Some(subject) = subject(rule.per, whose) else { return };
        let place = u8::try_from(place).unwrap_or(u8::MAX);
        let bucket = BucketId { per: rule.per, subject, class: classes.mark(class), place };
        let limit = overriding(name, rule.per, whose).unwrap_or(rule.limit);
        let algorithm = rule.algorithm;
        let mode = rule.mode.unwrap_or_else(|| Mode::of(limit, algorithm));
        let owner = match (rule.per, whose.tenant) {
            (Per::Key | Per::Tenant, Some((tenant, _))) => tenant.id.0.as_u128(),
            (Per::Ip, _) | (_, None) => subject,
        };
        demands.push(Demand { bucket, limit, algorithm, mode, owner });
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
    if when == When::Allowed {
        for per in [Per::Key, Per::Tenant, Per::Ip] {
            let declared = effective().any(|r| r.per == per);
            if let Some(limit) = overriding(name, per, whose).filter(|_| !declared) {
                let algorithm = Algorithm::TokenBucket;
                add(&Rule { per, limit, algorithm, when, mode: None }, usize::from(u8::MAX));
            }
        }
    }
    demands
}

fn overriding(class: &str, per: Per, whose: &Subjects<'_>) -> Option<Limit> {
    let own = whose.subject.and_then(|(_, limits)| limits);
    let of_key = own.and_then(|limits| limits.of(class, per));
    of_key.or_else(|| whose.tenant.and_then(|(t, _)| t.limits.of(class, per)))
}

fn subject(per: Per, whose: &Subjects<'_>) -> Option<u128> {
    match per {
        Per::Key => whose.subject.map(|(id, _)| id),
        Per::Tenant => whose.tenant.map(|(t, _)| t.id.0.as_u128()),
        Per::Ip => whose.address.map(network_of),
    }
}

#[cfg(test)]
mod tests;
