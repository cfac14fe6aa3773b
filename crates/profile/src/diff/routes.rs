//! Changes of routes: calls that pass with less or need more than before, grouped by what changes. Routes are compared by
//! the calls that they take, so that another order of the same routes is no change unless another route takes a call.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::policy::Policy;
use latchkey_core::profile_change::{AffectedRecords, ChangeEffect, ProfileChange};
use latchkey_core::route::{Pattern, Route};

use super::Versions;
use super::affected::{AffectedSet, MANY, counts, not_counted};
use super::requirements::{Requirement, differences};

/// Largest number of routes that a change lists.
const MAX_LISTED: usize = 100;
/// Largest number of conditions by which keys and users are counted, so that the cost of all changes is bounded.
const MAX_COUNTED: usize = 10;

/// Calls that change in the same way, and whom this affects.
type Group<'a> = (Vec<Calls<'a>>, Vec<AffectedSet>);

/// Calls that are compared: those of a method whose paths match a pattern.
struct Calls<'a> {
    /// Method; `None` for those that no route of the path lists.
    method: Option<&'a str>,
    pattern: &'a Pattern,
    /// True if a route lists the method with this path.
    declared: bool,
    /// True if a route lists another method with this path, so that `None` does not stand for every method.
    has_methods: bool,
}

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy, &versions.new.policy);
    let (old_routes, new_routes) = (routes(old), routes(new));
    let mut groups: BTreeMap<(ChangeEffect, String), Group<'_>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let all = || old_routes.iter().chain(&new_routes);
    for pattern in all().map(|route| &route.pattern).filter(|pattern| seen.insert(pattern.text())) {
        let before = covering(&old_routes, pattern);
        let after = covering(&new_routes, pattern);
        let same = all().copied().filter(|route| route.pattern.text() == pattern.text());
        let declared: BTreeSet<Option<&str>> = same.flat_map(methods).collect();
        let named: BTreeSet<Option<&str>> =
            before.iter().chain(&after).copied().flat_map(methods).chain([None]).collect();
        for method in &named {
            let requirements =
                (Requirement::of(old, &before, *method), Requirement::of(new, &after, *method));
            for difference in differences(versions, requirements.0, requirements.1) {
                let (calls, reaches) = groups.entry((difference.effect, difference.text)).or_default();
                calls.push(Calls {
                    method: *method,
                    pattern,
                    declared: declared.contains(method),
                    has_methods: declared.iter().any(Option::is_some),
                });
                reaches.push(difference.reach);
            }
        }
    }
    let mut counted = Vec::new();
    groups.into_iter().map(|(of, group)| change(of, group, &mut counted)).collect()
}

fn routes(policy: &Policy) -> Vec<&Route> {
    (0..).map_while(|number| policy.routes.get(number)).collect()
}

/// Returns the routes that take paths of a pattern, with any method.
fn covering<'a>(routes: &[&'a Route], pattern: &Pattern) -> Vec<&'a Route> {
    routes.iter().copied().filter(|route| route.pattern.covers(pattern)).collect()
}

/// Returns the methods that a route lists; `None` alone if it lists none.
fn methods(route: &Route) -> impl Iterator<Item = Option<&str>> {
    let listed = route.methods.iter().map(|method| Some(&**method));
    listed.chain(route.methods.is_empty().then_some(None))
}

impl Calls<'_> {
    /// Returns true if a reader finds these calls among `other`: those of a wider path, or of every other method.
    fn belong_to(&self, other: &Self) -> bool {
        let wider = other.pattern.covers(self.pattern) && !self.pattern.covers(other.pattern);
        let same = self.pattern.text() == other.pattern.text();
        (other.method == self.method && wider)
            || (other.method.is_none() && self.method.is_some() && (wider || same))
    }

    fn label(&self) -> String {
        match self.method {
            Some(method) => format!("`{method} {}`", self.pattern.text()),
            None if self.has_methods => format!("other methods of `{}`", self.pattern.text()),
            None => format!("`{}`", self.pattern.text()),
        }
    }
}

/// Returns the change of a group of calls. `counted` are the conditions of the changes before.
fn change(
    (effect, text): (ChangeEffect, String),
    (calls, reaches): Group<'_>,
    counted: &mut Vec<Vec<AffectedRecords>>,
) -> ProfileChange {
    // A route with fewer methods than a wider one that changes is a part of it, and no change of its own.
    let shown = calls.iter().filter(|own| own.declared || !calls.iter().any(|other| own.belong_to(other)));
    let labels: Vec<String> = shown.map(Calls::label).collect();
    let (mut affected, mut words) = counts(reaches);
    if !affected.is_empty() && !counted.contains(&affected) {
        if counted.len() < MAX_COUNTED {
            counted.push(affected.clone());
        } else {
            (affected, words) = (Vec::new(), not_counted(MANY));
        }
    }
    let description = match labels.as_slice() {
        [call] => format!("calls of {call} {text}{words}"),
        several => format!("calls of {} routes {text}{words}", several.len()),
    };
    let mut change = ProfileChange::new(effect, "routes", description).affecting(affected);
    change.routes = labels.into_iter().take(MAX_LISTED).map(|label| label.replace('`', "")).collect();
    change
}
