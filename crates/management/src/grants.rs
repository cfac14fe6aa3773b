//! Nobody can grant more than they have: a tenant's key or user that makes, changes or rotates keys hands on its own
//! scopes, bindings, environment, lifetime, networks and limits at most. What it leaves open is filled in
//! from what it has itself.

use latchkey_core::limit::{Limit, Overrides, Per, Subjects, When, demands};
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::record::KeyRecord;
use latchkey_core::scope::ScopeSet;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::Refusal;

/// What a tenant's key may hand on.
pub(super) struct Grants<'a> {
    who: &'a Principal,
    policy: &'a Policy,
}

fn forbidden(text: String) -> Refusal {
    Refusal::Forbidden(text)
}

impl<'a> Grants<'a> {
    pub(super) fn of(who: &'a Principal, policy: &'a Policy) -> Self {
        Self { who, policy }
    }

    fn own_limits(&self) -> impl Iterator<Item = (&Box<str>, &Vec<(Per, Limit)>)> {
        self.who.limits().into_iter().flat_map(|limits| &limits.0)
    }

    /// What the caller has itself, of these scopes.
    pub(super) fn trim(&self, scopes: &ScopeSet) -> ScopeSet {
        scopes.intersection(&self.who.granted)
    }

    /// When the caller itself stops; a token's end is not its holder's.
    fn lasting(&self) -> Option<Timestamp> {
        self.who.key().and_then(|key| key.expires)
    }

    /// Fills in what a new key leaves open.
    pub(super) fn fill(&self, key: &mut KeyRecord) {
        if key.expires.is_none() {
            key.expires = self.lasting();
        }
        if key.networks.is_empty() {
            key.networks = self.who.networks().to_vec();
        }
        for (class, limits) in self.own_limits() {
            key.limits.0.entry(class.clone()).or_insert_with(|| limits.clone());
        }
    }

    /// Every grant of a key that is made or rotated.
    pub(super) fn cover(&self, key: &KeyRecord, granted: &ScopeSet) -> Result<(), Refusal> {
        let reaches = |own: &str| {
            let kind = self.policy.kind(self.who.kind());
            kind.map_or(own == &*key.environment, |kind| kind.reaches(own, &key.environment))
        };
        if let Some(own) = self.who.environment().filter(|own| !reaches(own)) {
            return Err(forbidden(format!("the caller is a {own} key")));
        }
        self.cover_bindings(key)?;
        self.cover_scopes(granted)?;
        self.cover_expiry(key)?;
        self.cover_networks(key)?;
        self.cover_limits(&key.limits)
    }

    pub(super) fn cover_scopes(&self, granted: &ScopeSet) -> Result<(), Refusal> {
        let beyond = granted.without(&self.who.granted);
        if beyond.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.policy.scopes.names(&beyond).collect();
        Err(forbidden(format!("the caller lacks {}, and can't grant it", names.join(", "))))
    }

    pub(super) fn cover_bindings(&self, key: &KeyRecord) -> Result<(), Refusal> {
        let loose = self
            .who
            .bindings()
            .iter()
            .find(|(name, value)| key.bindings.get(*name).map(String::as_str) != Some(*value));
        match loose {
            None => Ok(()),
            Some((name, _)) => Err(forbidden(format!("the caller is bound to one {name}"))),
        }
    }

    pub(super) fn cover_expiry(&self, key: &KeyRecord) -> Result<(), Refusal> {
        match (self.lasting(), key.expires) {
            (Some(own), Some(asked)) if asked <= own => Ok(()),
            (None, _) => Ok(()),
            (Some(own), _) => Err(forbidden(format!("the caller itself expires at {own}"))),
        }
    }

    pub(super) fn cover_networks(&self, key: &KeyRecord) -> Result<(), Refusal> {
        let own = self.who.networks();
        let inside = |n: &ipnet::IpNet| own.iter().any(|o| o.contains(n));
        if own.is_empty() || (!key.networks.is_empty() && key.networks.iter().all(inside)) {
            return Ok(());
        }
        Err(forbidden("the caller is confined to networks, and can't grant others".into()))
    }

    /// A limit of a key's own may be narrower than what its maker has, never wider; and where its maker has
    /// one of its own, leaving it out would be wider.
    pub(super) fn cover_limits(&self, limits: &Overrides) -> Result<(), Refusal> {
        if let Some(class) =
            self.own_limits().map(|(class, _)| class).find(|class| !limits.0.contains_key(*class))
        {
            return Err(forbidden(format!(
                "the caller has a limit of its own for {class}, and can't lift it"
            )));
        }
        for (class, asked) in &limits.0 {
            let wider =
                asked.iter().any(|(_, limit)| self.limit(class).is_some_and(|own| exceeds(*limit, own)));
            if wider {
                return Err(forbidden(format!("the caller's own limit for {class} is lower")));
            }
        }
        Ok(())
    }

    /// What holds for the caller itself in a class; none: nothing limits it.
    fn limit(&self, class: &str) -> Option<Limit> {
        let tenant = &*self.who.tenant;
        let plan = tenant.plan.as_ref().and_then(|name| self.policy.plans.get(name));
        let subject = Some((self.who.bucket(), self.who.limits()));
        let whose = Subjects { subject, tenant: Some((tenant, plan)), address: None };
        let class = self.policy.classes.find(class)?;
        let all = demands(&self.policy.classes, class, When::Allowed, &whose);
        all.iter().find(|d| d.bucket.per == Per::Key).map(|d| d.limit)
    }
}

fn exceeds(asked: Limit, own: Limit) -> bool {
    let rate = |limit: Limit, other: Limit| u128::from(limit.tokens) * other.period.as_nanos();
    asked.burst > own.burst || rate(asked, own) > rate(own, asked)
}

#[cfg(test)]
mod tests;
