//! Keys and users that a change of routes or of a switch affects. The store finds keys by the scopes and kinds that they
//! have, and users by their roles; a change says in words what is not counted in this way.

use std::collections::BTreeSet;

use latchkey_core::policy::Policy;
use latchkey_core::profile_change::{AffectedKeys, AffectedRecords, ProfileChange};
use latchkey_core::route::Route;
use latchkey_core::scope::{ScopeId, ScopeSet};

/// Reason why calls without a credential are not counted.
pub(super) const ANONYMOUS: &str = "calls without a credential have no key or user";
/// Reason why keys are not counted that gain or lose calls because they lack a scope.
pub(super) const LACKING: &str =
    "the store finds keys by the scopes that they have, and not by those that they lack";
/// Reason why a change is not counted that depends on the content of calls.
pub(super) const SENT: &str = "what clients send is not stored";
/// Reason why keys are not counted that a binding confines.
pub(super) const BOUND: &str = "keys are not found by their bindings";
/// Reason why the keys are not counted that have JWTs.
pub(super) const TOKENS: &str = "the store does not find keys by the JWTs that they were exchanged for";
/// Reason why a change of routes is not counted after many others.
pub(super) const MANY: &str = "ten other changes of routes are";

/// Words about a number that includes keys or users for which nothing changes.
const AT_MOST: &str = "at most the keys and users that are counted are affected";

/// Keys and users whose calls a change affects.
#[derive(Clone, Debug)]
pub(super) enum AffectedSet {
    /// Keys and users that the store counts.
    Counted(Condition),
    /// Keys and users that the store does not count, for this reason.
    Uncounted(&'static str),
}

/// Condition of keys and users that the store counts.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Keys; `None` for no key.
    keys: Option<KeyCondition>,
    /// Roles of the users; `None` for every user.
    roles: Option<BTreeSet<Box<str>>>,
    /// True if keys or users that are counted may keep all that they have.
    at_most: bool,
}

/// Condition of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyCondition {
    /// Scopes of which a key has at least one; empty for all keys.
    scopes: BTreeSet<Box<str>>,
    /// Kinds of the keys; empty for all keys.
    kinds: BTreeSet<Box<str>>,
}

impl AffectedSet {
    /// Returns every key and user of the profile.
    pub(super) fn all() -> Self {
        let keys = KeyCondition { scopes: BTreeSet::new(), kinds: BTreeSet::new() };
        Self::Counted(Condition { keys: Some(keys), roles: None, at_most: false })
    }

    /// Returns the keys and users that satisfy a route's requirements, by a version of the profile.
    pub(super) fn of(policy: &Policy, route: &Route) -> Self {
        if route.public || route.enforce.is_shadow() {
            return Self::Uncounted(ANONYMOUS);
        }
        let keys =
            KeyCondition { scopes: scopes(policy, route), kinds: route.kinds.iter().cloned().collect() };
        Self::Counted(Condition {
            keys: Some(keys),
            roles: users(policy, route, route.kinds.is_empty()),
            at_most: is_wider(route),
        })
    }

    /// Returns the keys of these kinds, and the users if they belong to it, that have the scopes of a route.
    pub(super) fn of_kinds(policy: &Policy, route: &Route, kinds: Vec<Box<str>>, with_users: bool) -> Self {
        let kinds: BTreeSet<Box<str>> = kinds.into_iter().collect();
        let keys = (!kinds.is_empty()).then(|| KeyCondition { scopes: scopes(policy, route), kinds });
        Self::Counted(Condition { keys, roles: users(policy, route, with_users), at_most: is_wider(route) })
    }

    /// Returns the keys and users that have one of these scopes, and may have what else a route requires.
    pub(super) fn having(policy: &Policy, route: &Route, scopes: &ScopeSet) -> Self {
        let names = scopes.iter().flat_map(|scope| names(policy, scope)).collect();
        let keys = KeyCondition { scopes: names, kinds: route.kinds.iter().cloned().collect() };
        let roles = roles(policy, |granted| route.kinds.is_empty() && granted.intersects(scopes));
        Self::Counted(Condition { keys: Some(keys), roles: Some(roles), at_most: true })
    }

    /// Returns the same keys and users, of which some may keep all that they have.
    pub(super) fn at_most(self) -> Self {
        match self {
            Self::Counted(counted) => Self::Counted(Condition { at_most: true, ..counted }),
            Self::Uncounted(reason) => Self::Uncounted(reason),
        }
    }
}

impl Condition {
    /// Returns the condition that covers both.
    fn or(self, other: Self) -> Self {
        let both = self.keys.as_ref().zip(other.keys.as_ref());
        let differs = both.is_some_and(|(one, two)| one.scopes != two.scopes && one.kinds != two.kinds);
        let at_most = self.at_most || other.at_most || differs;
        let keys = match (self.keys, other.keys) {
            (Some(one), Some(other)) => Some(KeyCondition {
                scopes: either(one.scopes, other.scopes),
                kinds: either(one.kinds, other.kinds),
            }),
            (one, other) => one.or(other),
        };
        let roles = self.roles.zip(other.roles).map(|(one, other)| one.into_iter().chain(other).collect());
        Self { keys, roles, at_most }
    }

    fn affected(self) -> Vec<AffectedRecords> {
        let list = |names: BTreeSet<Box<str>>| names.into_iter().collect::<Vec<_>>();
        let keys = self.keys.map(|KeyCondition { scopes, kinds }| {
            let (scopes, kinds) = (list(scopes), list(kinds));
            AffectedRecords::Keys(AffectedKeys { scopes, kinds, ..AffectedKeys::default() })
        });
        // No role at all is no user, and an empty list stands for every user.
        let users = match self.roles {
            Some(roles) if roles.is_empty() => None,
            roles => {
                Some(AffectedRecords::Users { roles: roles.map(list).unwrap_or_default(), environment: None })
            }
        };
        keys.into_iter().chain(users).collect()
    }
}

/// Returns the names of both conditions, where no name stands for all.
fn either(one: BTreeSet<Box<str>>, other: BTreeSet<Box<str>>) -> BTreeSet<Box<str>> {
    if one.is_empty() || other.is_empty() {
        return BTreeSet::new();
    }
    one.into_iter().chain(other).collect()
}

/// Returns the names by which keys have a scope.
fn names(policy: &Policy, scope: ScopeId) -> impl Iterator<Item = Box<str>> {
    let entry = policy.scopes.entries().get(usize::from(scope.0));
    entry.into_iter().flat_map(|entry| std::iter::once(&entry.name).chain(&entry.aliases)).cloned()
}

/// Returns the scopes of which a key that satisfies a route's requirements has at least one.
fn scopes(policy: &Policy, route: &Route) -> BTreeSet<Box<str>> {
    match route.scopes.iter().next() {
        Some(scope) => names(policy, scope).collect(),
        None => route.any_scopes.iter().flat_map(|scope| names(policy, scope)).collect(),
    }
}

/// Returns true if [`scopes`] finds keys that do not satisfy the route's requirements.
fn is_wider(route: &Route) -> bool {
    route.scopes.iter().nth(1).is_some() || !(route.scopes.is_empty() || route.any_scopes.is_empty())
}

/// Returns the roles of the users that satisfy a route's requirements; `None` for every user.
fn users(policy: &Policy, route: &Route, with_users: bool) -> Option<BTreeSet<Box<str>>> {
    if with_users && route.scopes.is_empty() && route.any_scopes.is_empty() {
        return None;
    }
    let one_of = |granted: &ScopeSet| route.any_scopes.is_empty() || granted.intersects(&route.any_scopes);
    Some(roles(policy, |granted| with_users && granted.covers(&route.scopes) && one_of(granted)))
}

fn roles(policy: &Policy, has: impl Fn(&ScopeSet) -> bool) -> BTreeSet<Box<str>> {
    policy.roles.iter().filter(|(_, granted)| has(granted)).map(|(role, _)| role.clone()).collect()
}

/// Returns what the store counts, and the words about the rest.
pub(super) fn counts(reaches: Vec<AffectedSet>) -> (Vec<AffectedRecords>, String) {
    let (mut all, mut reasons): (Option<Condition>, BTreeSet<&'static str>) = (None, BTreeSet::new());
    for reach in reaches {
        match reach {
            AffectedSet::Counted(counted) => {
                all = Some(match all {
                    Some(before) => before.or(counted),
                    None => counted,
                });
            }
            AffectedSet::Uncounted(reason) => {
                reasons.insert(reason);
            }
        }
    }
    let at_most = all.as_ref().is_some_and(|counted| counted.at_most);
    let affected = all.map(Condition::affected).unwrap_or_default();
    let mut words = if at_most { format!("; {AT_MOST}") } else { String::new() };
    for reason in reasons {
        words.push_str(&not_counted(reason));
    }
    (affected, words)
}

/// Returns the words about keys and users that are not counted.
pub(super) fn not_counted(reason: &str) -> String {
    format!("; not counted: {reason}")
}

/// Adds to a change what the store counts of it, and the words about the rest.
pub(super) fn measured(mut change: ProfileChange, reach: AffectedSet) -> ProfileChange {
    let (affected, words) = counts(vec![reach]);
    change.description.push_str(&words);
    change.affecting(affected)
}
