//! Changes of the scopes, kinds and resources that routes need.

use latchkey_core::policy::Policy;
use latchkey_core::route::Route;
use latchkey_core::scope::{ScopeId, ScopeSet};

use super::affected::{AffectedSet, BOUND, LACKING};
use super::requirements::{Difference, grants, loses};
use super::{Versions, list};

/// Compares the scopes, kinds and resources of routes that need a credential.
pub(super) fn differences(versions: &Versions<'_>, old: &Route, new: &Route) -> Vec<Difference> {
    let mut all = Vec::new();
    let gone = gone(versions, &old.scopes, &new.scopes);
    if !gone.is_empty() {
        let names = list(versions.old.policy.scopes.names(&gone));
        all.push(grants(format!("need {names} no more"), AffectedSet::Uncounted(LACKING)));
    }
    let more = new.scopes.difference(&versions.renamed_set(&old.scopes));
    if !more.is_empty() {
        all.push(loses(format!("also need {}", versions.new_names(&more)), former(versions, old)));
    }
    all.extend(any_scopes(versions, old, new));
    all.extend(kinds(versions, old, new));
    all.extend(resources(old, new));
    all
}

/// Returns the old scopes that are not among the new ones.
fn gone(versions: &Versions<'_>, old: &ScopeSet, new: &ScopeSet) -> ScopeSet {
    let is_gone = |scope: &ScopeId| versions.renamed(*scope).is_none_or(|scope| !new.contains(scope));
    old.iter().filter(is_gone).collect()
}

/// Returns the keys and users that a route was open to, of which those that lack a further scope lose its calls.
fn former(versions: &Versions<'_>, old: &Route) -> AffectedSet {
    if old.scopes.is_empty() && old.any_scopes.is_empty() {
        return AffectedSet::Uncounted(LACKING);
    }
    AffectedSet::of(&versions.old.policy, old).at_most()
}

fn any_scopes(versions: &Versions<'_>, old: &Route, new: &Route) -> Vec<Difference> {
    let (before, after) = (&versions.old.policy, &versions.new.policy);
    let mut all = Vec::new();
    match (old.any_scopes.is_empty(), new.any_scopes.is_empty()) {
        (true, true) => {}
        (true, false) => {
            let text = format!("also need one of {}", versions.new_names(&new.any_scopes));
            all.push(loses(text, former(versions, old)));
        }
        (false, true) => {
            let gone = list(before.scopes.names(&old.any_scopes));
            all.push(grants(format!("need none of {gone} any more"), AffectedSet::Uncounted(LACKING)));
        }
        (false, false) => {
            let more = new.any_scopes.difference(&versions.renamed_set(&old.any_scopes));
            if !more.is_empty() {
                let text = format!("also pass with {}", versions.new_names(&more));
                all.push(grants(text, AffectedSet::having(after, new, &more)));
            }
            let fewer = gone(versions, &old.any_scopes, &new.any_scopes);
            if !fewer.is_empty() {
                let text = format!("do not pass with {} any more", list(before.scopes.names(&fewer)));
                all.push(loses(text, AffectedSet::having(before, old, &fewer)));
            }
        }
    }
    all
}

fn kinds(versions: &Versions<'_>, old: &Route, new: &Route) -> Vec<Difference> {
    let (before, after) = (&versions.old.policy, &versions.new.policy);
    let others = |policy: &Policy, route: &Route| -> Vec<Box<str>> {
        let names = policy.kinds.iter().map(|kind| &kind.name);
        names.filter(|name| !route.kinds.contains(name)).cloned().collect()
    };
    match (old.kinds.is_empty(), new.kinds.is_empty()) {
        (true, true) => Vec::new(),
        (true, false) => {
            let text = format!("pass with keys of {} alone", list(&new.kinds));
            vec![loses(text, AffectedSet::of_kinds(before, old, others(before, new), true))]
        }
        (false, true) => {
            let text = "pass with keys of every kind, and with users";
            vec![grants(text, AffectedSet::of_kinds(after, new, others(after, old), true))]
        }
        (false, false) => {
            let missing = |of: &Route, from: &Route| -> Vec<Box<str>> {
                of.kinds.iter().filter(|kind| !from.kinds.contains(kind)).cloned().collect()
            };
            let (gone, more) = (missing(old, new), missing(new, old));
            let mut all = Vec::new();
            if !more.is_empty() {
                let text = format!("also pass with keys of {}", list(&more));
                all.push(grants(text, AffectedSet::of_kinds(after, new, more, false)));
            }
            if !gone.is_empty() {
                let text = format!("do not pass with keys of {} any more", list(&gone));
                all.push(loses(text, AffectedSet::of_kinds(before, old, gone, false)));
            }
            all
        }
    }
}

fn resources(old: &Route, new: &Route) -> Vec<Difference> {
    let missing = |of: &Route, from: &Route| -> Vec<Box<str>> {
        let resources = of.resource.iter().filter(|resource| !from.resource.contains(resource));
        resources.map(|(name, _)| name.clone()).collect()
    };
    let (mut gone, mut more) = (missing(old, new), missing(new, old));
    // A resource of both is another part of the path now.
    let moved: Vec<Box<str>> = gone.iter().filter(|name| more.contains(name)).cloned().collect();
    gone.retain(|name| !moved.contains(name));
    more.retain(|name| !moved.contains(name));
    let mut all = Vec::new();
    if !moved.is_empty() {
        let text = format!(
            "name {} by another part of their path: keys that are bound to one are compared with that part",
            list(moved)
        );
        all.push(grants(text, AffectedSet::Uncounted(BOUND)));
    }
    if !gone.is_empty() {
        let text =
            format!("name no {} in their path: keys that are bound to one are not confined", list(gone));
        all.push(grants(text, AffectedSet::Uncounted(BOUND)));
    }
    if !more.is_empty() {
        let text =
            format!("name {} in their path: keys that are bound to another one are denied", list(more));
        all.push(loses(text, AffectedSet::Uncounted(BOUND)));
    }
    all
}
