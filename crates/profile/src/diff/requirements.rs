//! Requirements of calls of a method and a path, and their comparison between two versions.

use latchkey_core::limit::{BucketRule, RateClassId, RateClasses};
use latchkey_core::policy::{Policy, UnmatchedRoute};
use latchkey_core::profile_change::ChangeEffect;
use latchkey_core::route::Route;
use latchkey_core::scope::ScopeSet;

use super::limits::compare;
use super::{Versions, list};

/// Decision about the calls of a method and a path, before credentials and scopes are examined.
#[derive(Clone, Copy)]
pub(super) enum Requirement<'a> {
    /// The calls are denied.
    Denied,
    /// The calls pass with any valid credential.
    AnyCredential,
    /// The calls belong to a route.
    Route(&'a Route),
}

impl<'a> Requirement<'a> {
    /// Returns the requirement of the calls of a method (`None`: of a method that no route lists) whose paths match a
    /// pattern, as the matcher of routes decides it. `routes` are those that cover the pattern, in the order of the
    /// document.
    pub(super) fn of(policy: &Policy, routes: &[&'a Route], method: Option<&str>) -> Self {
        let best = routes.iter().position(|route| takes(route, method));
        match best.and_then(|best| Some((routes.get(best)?, routes.get(..best)?))) {
            // A route for any method does not take calls of a narrower path whose methods an earlier route lists.
            Some((route, earlier))
                if route.methods.is_empty() && earlier.iter().any(|e| is_wider(route, e)) =>
            {
                Self::Denied
            }
            Some((route, _)) => Self::Route(route),
            // Calls of a path that a route takes with other methods are denied.
            None => match policy.unmatched {
                UnmatchedRoute::Authenticate if routes.is_empty() => Self::AnyCredential,
                UnmatchedRoute::Authenticate | UnmatchedRoute::Deny => Self::Denied,
            },
        }
    }
}

/// Returns true if the pattern of a route covers that of another one, and is not covered by it.
fn is_wider(route: &Route, other: &Route) -> bool {
    route.pattern.covers(&other.pattern) && !other.pattern.covers(&route.pattern)
}

fn takes(route: &Route, method: Option<&str>) -> bool {
    let names = |name: &str| route.methods.iter().any(|m| **m == *name);
    route.methods.is_empty() || method.is_some_and(|m| names(m) || (m == "HEAD" && names("GET")))
}

/// Effect and description of a change, which follows "calls of GET /v1/x".
pub(super) type Difference = (ChangeEffect, String);

/// Compares the requirements of the same calls.
pub(super) fn differences(
    versions: &Versions<'_>,
    old: Requirement<'_>,
    new: Requirement<'_>,
) -> Vec<Difference> {
    use Requirement::{AnyCredential, Denied, Route};
    let grants = |text: &str| vec![(ChangeEffect::GrantsMore, text.to_owned())];
    let loses = |text: &str| vec![(ChangeEffect::LosesAccess, text.to_owned())];
    match (old, new) {
        (Denied, Denied) | (AnyCredential, AnyCredential) => Vec::new(),
        (Denied, AnyCredential) => grants("pass with any valid credential; they were denied"),
        (AnyCredential | Route(_), Denied) => loses("are denied: no route matches them any more"),
        (Denied | AnyCredential, Route(new)) if new.public => {
            grants("pass without a credential (a public route)")
        }
        (Denied | AnyCredential, Route(new)) if new.enforce.is_shadow() => {
            grants("are not enforced (shadow): all of them pass, also without a credential")
        }
        (Route(old), AnyCredential) if old.enforce.is_shadow() => {
            loses("are enforced and need a credential; they were in shadow")
        }
        (Denied, Route(new)) => {
            grants(&format!("pass with {}; they were denied", needs(&versions.new.policy, new)))
        }
        (Route(old), AnyCredential) if old.public => loses("need a credential; they were public"),
        (Route(old), AnyCredential) => {
            let needs = needs(&versions.old.policy, old);
            let mut found = grants(&format!("pass with any valid credential in place of {needs}"));
            if old.encoded_slash {
                found.extend(loses("are denied with encoded slashes in their path"));
            }
            found
        }
        (AnyCredential, Route(new)) => {
            let needs = needs(&versions.new.policy, new);
            let mut found = loses(&format!("need {needs} in place of any valid credential"));
            if new.encoded_slash {
                found.extend(grants("may have encoded slashes in their path"));
            }
            found
        }
        (Route(old), Route(new)) => of_routes(versions, old, new),
    }
}

/// Returns the requirements of a route's calls.
fn needs(policy: &Policy, route: &Route) -> String {
    let mut parts = Vec::new();
    if !route.scopes.is_empty() {
        parts.push(list(policy.scopes.names(&route.scopes)));
    }
    if !route.any_scopes.is_empty() {
        parts.push(format!("one of {}", list(policy.scopes.names(&route.any_scopes))));
    }
    if !route.kinds.is_empty() {
        parts.push(format!("a key of {}", list(&route.kinds)));
    }
    if parts.is_empty() { "any valid credential".to_owned() } else { parts.join(" and ") }
}

fn of_routes(versions: &Versions<'_>, old: &Route, new: &Route) -> Vec<Difference> {
    let (mut grants, mut loses) = (Vec::new(), Vec::new());
    match (old.public, new.public) {
        (false, true) => grants.push("pass without a credential (a public route)".to_owned()),
        (true, false) => {
            loses.push(format!("need {}; they were public", needs(&versions.new.policy, new)));
        }
        (true, true) => {}
        (false, false) => credentials(versions, old, new, &mut grants, &mut loses),
    }
    match (old.enforce.is_shadow(), new.enforce.is_shadow()) {
        (false, true) => grants.push("are not enforced any more (shadow): all of them pass".to_owned()),
        (true, false) => loses.push("are enforced; they were in shadow".to_owned()),
        (false, false) | (true, true) => {}
    }
    if new.encoded_slash && !old.encoded_slash {
        grants.push("may have encoded slashes in their path".to_owned());
    } else if old.encoded_slash && !new.encoded_slash {
        loses.push("are denied with encoded slashes in their path".to_owned());
    }
    let mut all: Vec<Difference> = grants.into_iter().map(|text| (ChangeEffect::GrantsMore, text)).collect();
    all.extend(loses.into_iter().map(|text| (ChangeEffect::LosesAccess, text)));
    all.extend(rate_class(versions, old.class, new.class));
    all
}

/// Compares the scopes, kinds and resources of routes that need a credential.
fn credentials(
    versions: &Versions<'_>,
    old: &Route,
    new: &Route,
    grants: &mut Vec<String>,
    loses: &mut Vec<String>,
) {
    let before = versions.renamed_set(&old.scopes);
    let gone: Vec<&str> = old
        .scopes
        .iter()
        .filter(|scope| versions.renamed(*scope).is_none_or(|scope| !new.scopes.contains(scope)))
        .map(|scope| versions.old.policy.scopes.name(scope))
        .collect();
    if !gone.is_empty() {
        grants.push(format!("need {} no more", list(gone)));
    }
    let more = new.scopes.difference(&before);
    if !more.is_empty() {
        loses.push(format!("also need {}", versions.new_names(&more)));
    }
    any_scopes(versions, old, new, grants, loses);
    kinds(old, new, grants, loses);
    let names = |route: &Route| route.resource.clone();
    let missing = |of: &Route, from: &Route| -> Vec<Box<str>> {
        names(of)
            .into_iter()
            .filter(|resource| !from.resource.contains(resource))
            .map(|(name, _)| name)
            .collect()
    };
    let (gone, more) = (missing(old, new), missing(new, old));
    if !gone.is_empty() {
        grants.push(format!(
            "name no {} in their path: keys that are bound to one are not confined",
            list(gone)
        ));
    }
    if !more.is_empty() {
        loses.push(format!(
            "name {} in their path: keys that are bound to another one are denied",
            list(more)
        ));
    }
}

fn any_scopes(
    versions: &Versions<'_>,
    old: &Route,
    new: &Route,
    grants: &mut Vec<String>,
    loses: &mut Vec<String>,
) {
    let before = versions.renamed_set(&old.any_scopes);
    let names = |set: &ScopeSet| versions.new_names(set);
    match (old.any_scopes.is_empty(), new.any_scopes.is_empty()) {
        (true, true) => {}
        (true, false) => loses.push(format!("also need one of {}", names(&new.any_scopes))),
        (false, true) => {
            let gone = list(versions.old.policy.scopes.names(&old.any_scopes));
            grants.push(format!("need none of {gone} any more"));
        }
        (false, false) => {
            let more = new.any_scopes.difference(&before);
            if !more.is_empty() {
                grants.push(format!("also pass with {}", names(&more)));
            }
            let fewer: Vec<&str> = old
                .any_scopes
                .iter()
                .filter(|scope| versions.renamed(*scope).is_none_or(|scope| !new.any_scopes.contains(scope)))
                .map(|scope| versions.old.policy.scopes.name(scope))
                .collect();
            if !fewer.is_empty() {
                loses.push(format!("do not pass with {} any more", list(fewer)));
            }
        }
    }
}

fn kinds(old: &Route, new: &Route, grants: &mut Vec<String>, loses: &mut Vec<String>) {
    match (old.kinds.is_empty(), new.kinds.is_empty()) {
        (true, true) => {}
        (true, false) => loses.push(format!("pass with keys of {} alone", list(&new.kinds))),
        (false, true) => grants.push("pass with keys of every kind, and with users".to_owned()),
        (false, false) => {
            let missing = |of: &Route, from: &Route| -> Vec<Box<str>> {
                of.kinds.iter().filter(|kind| !from.kinds.contains(kind)).cloned().collect()
            };
            let (gone, more) = (missing(old, new), missing(new, old));
            if !more.is_empty() {
                grants.push(format!("also pass with keys of {}", list(more)));
            }
            if !gone.is_empty() {
                loses.push(format!("do not pass with keys of {} any more", list(gone)));
            }
        }
    }
}

/// Compares the limits of routes whose rate class has another name.
fn rate_class(
    versions: &Versions<'_>,
    before: Option<RateClassId>,
    after: Option<RateClassId>,
) -> Option<Difference> {
    let (old, new) = (&versions.old.policy.classes, &versions.new.policy.classes);
    let (before, after) = (before.or(old.fallback()), after.or(new.fallback()));
    let name = |classes: &RateClasses, class: Option<RateClassId>| {
        class.map_or("", |class| classes.name(class)).to_owned()
    };
    let (from, to) = (name(old, before), name(new, after));
    if from == to {
        return None;
    }
    let rules = |classes: &RateClasses, class: Option<RateClassId>| -> Vec<BucketRule> {
        class.map(|class| classes.rules(class).to_vec()).unwrap_or_default()
    };
    let changes = compare(&rules(old, before), &rules(new, after));
    let effect = changes.iter().map(|change| change.effect).min().unwrap_or(ChangeEffect::Other);
    let quoted = |name: &str| {
        if name.is_empty() { "no rate class".to_owned() } else { format!("the rate class `{name}`") }
    };
    Some((effect, format!("have {} in place of {}", quoted(&to), quoted(&from))))
}
