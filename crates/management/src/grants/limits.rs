//! Limits that a caller can grant to a key: all of its own must be kept.

use latchkey_core::error::RequestError;
use latchkey_core::limit::{
    BucketOwner, ChargeCondition, CountedLimit, Limit, LimitOverrides, LimitSubjects, bucket_charges,
};
use latchkey_core::record::KeyRecord;

use super::widening::admits_more;
use super::{Grants, forbidden};

impl Grants<'_> {
    pub(super) fn own_limits(&self) -> impl Iterator<Item = (&Box<str>, &Vec<(BucketOwner, Limit)>)> {
        self.principal.limits().into_iter().flat_map(|limits| &limits.0)
    }

    /// Checks the limits of a key: they must keep every limit that the caller has, and a limit that is set on the caller
    /// itself must not be left out, since the default could be higher.
    pub(super) fn check_limits(&self, limits: &LimitOverrides) -> Result<(), RequestError> {
        if let Some(class) =
            self.own_limits().map(|(class, _)| class).find(|class| !limits.0.contains_key(*class))
        {
            return Err(forbidden(format!(
                "the caller has a limit of its own for {class}, and can't lift it"
            )));
        }
        for class in limits.0.keys() {
            let own = self.limits_of(class, self.principal.limits());
            if admits_more(&self.limits_of(class, Some(limits)), &own) {
                let own: Vec<String> = own.iter().map(|own| own.limit.to_string()).collect();
                return Err(forbidden(format!(
                    "the caller's own limit for {class} is {}, and a key's must not admit more in any span of time",
                    own.join(" and ")
                )));
            }
        }
        Ok(())
    }

    /// Marks the limits of a key that the caller has set: they hold beside those of the tenant, its plan and the class, so
    /// that they do not outlive a plan that admits more. A limit within one that an operator has set, on the key or on the
    /// caller, replaces them as that one does.
    pub(crate) fn mark_limits(&self, before: Option<&LimitOverrides>, limits: &mut LimitOverrides) {
        let present: &LimitOverrides = limits;
        let of_operator = |class: &str| {
            let known = [before, self.principal.limits()].into_iter().flatten();
            let mut replacing = known.filter(|known| known.0.contains_key(class) && known.replaces(class));
            replacing.any(|known| {
                !admits_more(&self.limits_of(class, Some(present)), &self.limits_of(class, Some(known)))
            })
        };
        let classes = present.0.keys().filter(|class| present.replaces(class) && !of_operator(class));
        let beside: Vec<Box<str>> = classes.cloned().collect();
        limits.1.extend(beside);
    }

    /// Returns the limits of a key of the caller's tenant in a rate class, with these limits of its own, which replace
    /// all others of the class. A limit of its own counts also where the class has no bucket for keys now: a later
    /// version of the profile may have one.
    pub(super) fn limits_of(&self, class: &str, own: Option<&LimitOverrides>) -> Vec<CountedLimit> {
        let tenant = &*self.principal.tenant;
        let plan = tenant.plan.as_ref().and_then(|name| self.policy.plans.get(name));
        let subject = Some((self.principal.bucket_subject(), own));
        let subjects = LimitSubjects { subject, tenant: Some((tenant, plan)), address: None };
        let Some(id) = self.policy.classes.find(class) else {
            return own
                .and_then(|own| own.of(class, BucketOwner::Key))
                .map(CountedLimit::from)
                .into_iter()
                .collect();
        };
        let all = bucket_charges(&self.policy.classes, id, ChargeCondition::Allowed, &subjects);
        let of_key = all.iter().filter(|charge| charge.bucket.per == BucketOwner::Key);
        let counted = of_key.map(|charge| CountedLimit { limit: charge.limit, algorithm: charge.algorithm });
        // A limit can be counted in several buckets.
        let mut limits: Vec<CountedLimit> = Vec::new();
        for limit in counted {
            if !limits.contains(&limit) {
                limits.push(limit);
            }
        }
        limits
    }
}

/// Keeps the sort of each limit that a change of a key leaves as it is.
pub(crate) fn keep_unchanged(before: &KeyRecord, after: &mut KeyRecord) {
    for class in &before.limits.1 {
        if after.limits.0.get(class) == before.limits.0.get(class) {
            after.limits.1.insert(class.clone());
        }
    }
}
