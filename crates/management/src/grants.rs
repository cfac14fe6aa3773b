//! The rule that decides every change of a key and every disclosure of its value. A caller of a tenant manages the keys
//! within its own bindings and environments alone. A change is allowed if the key is nowhere wider than before, or if
//! the caller covers the whole key as it is afterwards: a caller can grant at most its own scopes, bindings,
//! environment, routes by kind, lifetime, networks and limits. A new key, and a key whose value is disclosed, have no
//! state before, so the caller must cover them.

pub(super) mod limits;
mod widening;

use std::collections::BTreeSet;

use latchkey_core::error::RequestError;
use latchkey_core::policy::Policy;
use latchkey_core::principal::{Principal, Subject};
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::route::Route;
use latchkey_core::scope::{MANAGE_KEYS, REVIVE_KEYS, ScopeSet};
use latchkey_core::time::Timestamp;

use self::widening::is_wider;
use crate::ports::KeyFilter;

/// State of a key before a call.
#[derive(Clone, Copy)]
pub(super) enum PriorState<'a> {
    /// The caller did not know a value of the key: it is created, imported or rotated, or its value is disclosed.
    Nothing,
    /// The key as it is stored.
    Key(&'a KeyRecord),
}

/// Rights of a caller over keys of its tenant.
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

    /// Checks a change of a key, or the disclosure of its value, at `now`.
    pub(super) fn check(
        &self,
        before: PriorState<'_>,
        after: &KeyRecord,
        now: Timestamp,
    ) -> Result<(), RequestError> {
        if let PriorState::Key(before) = before {
            if !self.reaches(before) {
                return Err(RequestError::not_found("key", &before.id));
            }
            let limits_of = |class: &str, key: &KeyRecord| self.limits_of(class, Some(&key.limits));
            if !is_wider(before, after, &self.policy.scopes, limits_of) {
                return Ok(());
            }
            if revives(before, after, now) {
                self.check_revival()?;
            }
        }
        self.check_covers(after)
    }

    /// Returns whether the caller manages a key: the key has the caller's bindings and is of one of its environments.
    pub(super) fn reaches(&self, key: &KeyRecord) -> bool {
        self.reaches_environment(&key.environment) && self.foreign_binding(key).is_none()
    }

    /// Returns whether the caller manages only a part of its tenant's keys.
    pub(super) fn is_confined(&self) -> bool {
        !self.principal.bindings().is_empty()
            || self.policy.environments.iter().any(|name| !self.reaches_environment(name))
    }

    /// Returns whether the caller manages keys of an environment.
    pub(super) fn reaches_environment(&self, environment: &str) -> bool {
        let kind = self.policy.kind(self.principal.kind());
        self.principal.environment().is_none_or(|own| {
            kind.map_or(own == environment, |kind| kind.can_create_keys_in(own, environment))
        })
    }

    fn foreign_binding(&self, key: &KeyRecord) -> Option<&str> {
        let bindings = self.principal.bindings();
        let foreign =
            |(name, value): &(&str, &str)| key.bindings.get(*name).map(String::as_str) != Some(*value);
        bindings.iter().find(foreign).map(|(name, _)| name)
    }

    /// Restricts a filter to the keys that the caller manages. Returns `None` if it then matches no key.
    pub(super) fn confine(&self, mut filter: KeyFilter) -> Option<KeyFilter> {
        if let Some(own) = self.principal.environment() {
            let known = self.policy.environments.iter().map(|name| &**name);
            let reached: BTreeSet<&str> =
                known.chain([own]).filter(|name| self.reaches_environment(name)).collect();
            if filter.environments.is_empty() {
                filter.environments = reached.into_iter().map(str::to_owned).collect();
            } else {
                filter.environments.retain(|name| reached.contains(name.as_str()));
            }
            if filter.environments.is_empty() {
                return None;
            }
        }
        for (name, value) in self.principal.bindings().iter() {
            if filter.bindings.get(name).is_some_and(|requested| requested != value) {
                return None;
            }
            filter.bindings.insert(name.to_owned(), value.to_owned());
        }
        Some(filter)
    }

    /// Returns those of the scopes that the caller has itself.
    pub(super) fn intersect(&self, scopes: &ScopeSet) -> ScopeSet {
        scopes.intersection(&self.principal.granted)
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
            if key.limits.0.contains_key(class) {
                continue;
            }
            key.limits.0.insert(class.clone(), limits.clone());
            if !self.principal.limits().is_some_and(|own| own.replaces(class)) {
                key.limits.1.insert(class.clone());
            }
        }
    }

    /// Checks that the caller can grant everything that a key has. Every field is named here, so that a new one cannot
    /// be forgotten.
    fn check_covers(&self, key: &KeyRecord) -> Result<(), RequestError> {
        let KeyRecord {
            tenant,
            kind,
            environment,
            scopes,
            bindings: _,
            networks: _,
            limits,
            expires,
            lifecycle: KeyLifecycle::Active | KeyLifecycle::Disabled | KeyLifecycle::Revoked { .. },
            id,
            hash: _,
            name: _,
            prefix: _,
            hint: _,
            metadata: _,
            created: _,
            created_by: _,
            rotated_from: _,
            rotated_to: _,
            bucket_key: _,
            sealed: _,
            last_used: _,
            revision: _,
        } = key;
        if *tenant != self.principal.tenant.id {
            return Err(RequestError::not_found("key", id));
        }
        if let Some(own) = self.principal.environment().filter(|_| !self.reaches_environment(environment)) {
            let text = if own.is_empty() || environment.is_empty() {
                "the caller does not belong to the environment of the key".to_owned()
            } else {
                format!("the caller belongs to {own}, and manages no keys of {environment}")
            };
            return Err(forbidden(text));
        }
        if let Some(name) = self.foreign_binding(key) {
            return Err(forbidden(format!(
                "the caller is bound to one {name}, and can grant keys with the same one alone"
            )));
        }
        self.check_kind(kind)?;
        self.check_scopes(scopes)?;
        self.check_managed_environments(key)?;
        self.check_expiry(*expires)?;
        self.check_networks(key)?;
        self.check_limits(limits)
    }

    /// Checks that keys of a kind may use no route that the caller may not use because of its own kind.
    fn check_kind(&self, kind: &str) -> Result<(), RequestError> {
        let own = match &self.principal.subject {
            // The settings grant scopes to a certificate, which has no kind and calls no route.
            Subject::Certificate(_) => return Ok(()),
            Subject::Key(_) | Subject::User(_) => self.principal.kind(),
        };
        let admits = |route: &Route, name: &str| route.kinds.iter().any(|k| **k == *name);
        let mut routes = (0..).map_while(|number| self.policy.routes.get(number));
        let wider = routes.find(|route| own != kind && admits(route, kind) && !admits(route, own));
        match wider {
            None => Ok(()),
            Some(route) => Err(forbidden(format!(
                "{kind} keys can call {}, which the caller can't; an operator can create the key",
                route.label()
            ))),
        }
    }

    /// Checks that a key that manages keys does so in no environment that the caller does not reach. Its kind says in
    /// which environments it does (`makes_keys_in`).
    fn check_managed_environments(&self, key: &KeyRecord) -> Result<(), RequestError> {
        let manage = self.policy.scopes.find(MANAGE_KEYS);
        let manages =
            manage.is_some() && key.scopes.iter().any(|name| self.policy.scopes.find(name) == manage);
        let Some(kind) = self.policy.kind(&key.kind).filter(|_| manages) else { return Ok(()) };
        let beyond =
            |name: &str| kind.can_create_keys_in(&key.environment, name) && !self.reaches_environment(name);
        match self.policy.environments.iter().find(|name| beyond(name)) {
            None => Ok(()),
            Some(name) => Err(forbidden(format!(
                "{} keys of {} with {MANAGE_KEYS} manage {name} keys, which the caller can't",
                key.kind, key.environment
            ))),
        }
    }

    fn check_scopes(&self, names: &[Box<str>]) -> Result<(), RequestError> {
        let has =
            |name: &str| self.policy.scopes.find(name).is_some_and(|s| self.principal.granted.contains(s));
        let beyond: Vec<&str> = names.iter().map(|name| &**name).filter(|name| !has(name)).collect();
        if beyond.is_empty() {
            return Ok(());
        }
        Err(forbidden(format!("the caller lacks {}, and can't grant it", beyond.join(", "))))
    }

    /// Returns the expiry of the caller's key. The expiry of a JWT does not count: it is not the expiry of its user.
    fn own_expiry(&self) -> Option<Timestamp> {
        self.principal.key().and_then(|key| key.expires)
    }

    fn check_expiry(&self, expires: Option<Timestamp>) -> Result<(), RequestError> {
        match (self.own_expiry(), expires) {
            (Some(own), Some(requested)) if requested <= own => Ok(()),
            (None, _) => Ok(()),
            (Some(own), _) => {
                Err(forbidden(format!("the caller itself expires at {own}, and can't grant a later expiry")))
            }
        }
    }

    /// Checks that an expired key can be made valid again, which takes a scope of its own.
    fn check_revival(&self) -> Result<(), RequestError> {
        let scope = self.policy.scopes.find(REVIVE_KEYS);
        if scope.is_some_and(|scope| self.principal.granted.contains(scope)) {
            return Ok(());
        }
        Err(forbidden(format!(
            "the key has expired, and the caller lacks the scope {REVIVE_KEYS} to make it valid again; create a new key"
        )))
    }

    fn check_networks(&self, key: &KeyRecord) -> Result<(), RequestError> {
        if widening::networks_within(&key.networks, self.principal.networks()) {
            return Ok(());
        }
        Err(forbidden("the caller is confined to networks, and can't grant others".into()))
    }
}

/// Returns whether a change makes an expired key valid again.
fn revives(before: &KeyRecord, after: &KeyRecord, now: Timestamp) -> bool {
    let expired = |key: &KeyRecord| key.expires.is_some_and(|at| at <= now);
    expired(before) && !expired(after)
}

#[cfg(test)]
mod tests;
