//! Limits on what a caller can grant. A key or user of a tenant that creates, changes or rotates keys can grant at
//! most its own scopes, bindings, environment, lifetime, networks and limits. Fields that a request leaves open are
//! inherited from the caller.

use latchkey_core::error::RequestError;
use latchkey_core::limit::{
    BucketOwner, ChargeCondition, Limit, LimitOverrides, LimitSubjects, bucket_charges,
};
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::record::KeyRecord;
use latchkey_core::scope::ScopeSet;
use latchkey_core::time::Timestamp;

/// Rights that a caller of a tenant can grant.
pub(super) struct Grants<'a> {
    principal: &'a Principal,
    policy: &'a Policy,
}

fn forbidden(text: String) -> RequestError {
    RequestError::PermissionDenied(text)
}

impl<'a> Grants<'a> {
    pub(super) fn of(principal: &'a Principal, policy: &'a Policy) -> Self {
        Self { principal, policy }
    }

    fn own_limits(&self) -> impl Iterator<Item = (&Box<str>, &Vec<(BucketOwner, Limit)>)> {
        self.principal.limits().into_iter().flat_map(|limits| &limits.0)
    }

    /// Returns those of the scopes that the caller has itself.
    pub(super) fn intersect(&self, scopes: &ScopeSet) -> ScopeSet {
        scopes.intersection(&self.principal.granted)
    }

    /// Returns the expiry of the caller's key. The expiry of a JWT does not count: it is not the expiry of its user.
    fn own_expiry(&self) -> Option<Timestamp> {
        self.principal.key().and_then(|key| key.expires)
    }

    /// Fills fields that a new key leaves open with the caller's own.
    pub(super) fn inherit(&self, key: &mut KeyRecord) {
        if key.expires.is_none() {
            key.expires = self.own_expiry();
        }
        if key.networks.is_empty() {
            key.networks = self.principal.networks().to_vec();
        }
        for (class, limits) in self.own_limits() {
            key.limits.0.entry(class.clone()).or_insert_with(|| limits.clone());
        }
    }

    /// Checks all grants of a key that is created or rotated.
    pub(super) fn check_covers(&self, key: &KeyRecord, granted: &ScopeSet) -> Result<(), RequestError> {
        let reaches = |own: &str| {
            let kind = self.policy.kind(self.principal.kind());
            kind.map_or(own == &*key.environment, |kind| kind.can_create_keys_in(own, &key.environment))
        };
        if let Some(own) = self.principal.environment().filter(|own| !reaches(own)) {
            return Err(forbidden(format!("the caller is a {own} key")));
        }
        self.check_bindings(key)?;
        self.check_scopes(granted)?;
        self.check_expiry(key)?;
        self.check_networks(key)?;
        self.check_limits(&key.limits)
    }

    pub(super) fn check_scopes(&self, granted: &ScopeSet) -> Result<(), RequestError> {
        let beyond = granted.difference(&self.principal.granted);
        if beyond.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.policy.scopes.names(&beyond).collect();
        Err(forbidden(format!("the caller lacks {}, and can't grant it", names.join(", "))))
    }

    pub(super) fn check_bindings(&self, key: &KeyRecord) -> Result<(), RequestError> {
        let loose = self
            .principal
            .bindings()
            .iter()
            .find(|(name, value)| key.bindings.get(*name).map(String::as_str) != Some(*value));
        match loose {
            None => Ok(()),
            Some((name, _)) => Err(forbidden(format!("the caller is bound to one {name}"))),
        }
    }

    pub(super) fn check_expiry(&self, key: &KeyRecord) -> Result<(), RequestError> {
        match (self.own_expiry(), key.expires) {
            (Some(own), Some(requested)) if requested <= own => Ok(()),
            (None, _) => Ok(()),
            (Some(own), _) => Err(forbidden(format!("the caller itself expires at {own}"))),
        }
    }

    pub(super) fn check_networks(&self, key: &KeyRecord) -> Result<(), RequestError> {
        let own = self.principal.networks();
        let inside = |n: &ipnet::IpNet| own.iter().any(|o| o.contains(n));
        if own.is_empty() || (!key.networks.is_empty() && key.networks.iter().all(inside)) {
            return Ok(());
        }
        Err(forbidden("the caller is confined to networks, and can't grant others".into()))
    }

    /// Checks the limits of a key: each must be at most what the caller has, and a limit that is set on the caller
    /// itself must not be left out, since the default could be higher.
    pub(super) fn check_limits(&self, limits: &LimitOverrides) -> Result<(), RequestError> {
        if let Some(class) =
            self.own_limits().map(|(class, _)| class).find(|class| !limits.0.contains_key(*class))
        {
            return Err(forbidden(format!(
                "the caller has a limit of its own for {class}, and can't lift it"
            )));
        }
        for (class, requested) in &limits.0 {
            let wider =
                requested.iter().any(|(_, limit)| self.limit(class).is_some_and(|own| exceeds(*limit, own)));
            if wider {
                return Err(forbidden(format!("the caller's own limit for {class} is lower")));
            }
        }
        Ok(())
    }

    /// Returns the limit that applies to the caller itself in a rate class; `None` if there is none.
    fn limit(&self, class: &str) -> Option<Limit> {
        let tenant = &*self.principal.tenant;
        let plan = tenant.plan.as_ref().and_then(|name| self.policy.plans.get(name));
        let subject = Some((self.principal.bucket_subject(), self.principal.limits()));
        let subjects = LimitSubjects { subject, tenant: Some((tenant, plan)), address: None };
        let class = self.policy.classes.find(class)?;
        let all = bucket_charges(&self.policy.classes, class, ChargeCondition::Allowed, &subjects);
        all.iter().find(|charge| charge.bucket.per == BucketOwner::Key).map(|charge| charge.limit)
    }
}

fn exceeds(requested: Limit, own: Limit) -> bool {
    let rate = |limit: Limit, other: Limit| u128::from(limit.tokens) * other.period.as_nanos();
    requested.burst > own.burst || rate(requested, own) > rate(own, requested)
}

#[cfg(test)]
mod tests;
