//! Requirements of calls of a method and a path, and their comparison between two versions.

use latchkey_core::limit::{BucketRule, RateClassId, RateClasses};
use latchkey_core::policy::{Policy, UnmatchedRoute};
use latchkey_core::profile_change::ChangeEffect;
use latchkey_core::route::Route;

use super::affected::{ANONYMOUS, AffectedSet, LACKING, SENT};
use super::limits::compare;
use super::{Versions, credentials, list};

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

/// Change of calls: its effect, its description, which follows "calls of GET /v1/x", and whom it affects.
pub(super) struct Difference {
    pub(super) effect: ChangeEffect,
    pub(super) text: String,
    pub(super) reach: AffectedSet,
}

/// Returns a change by which more calls pass.
pub(super) fn grants(text: impl Into<String>, reach: AffectedSet) -> Difference {
    Difference { effect: ChangeEffect::GrantsMore, text: text.into(), reach }
}

/// Returns a change by which fewer calls pass.
pub(super) fn loses(text: impl Into<String>, reach: AffectedSet) -> Difference {
    Difference { effect: ChangeEffect::LosesAccess, text: text.into(), reach }
}

/// Compares the requirements of the same calls.
pub(super) fn differences(
    versions: &Versions<'_>,
    old: Requirement<'_>,
    new: Requirement<'_>,
) -> Vec<Difference> {
    use Requirement::{AnyCredential, Denied, Route};
    let (before, after) = (&versions.old.policy, &versions.new.policy);
    let of_none = || AffectedSet::Uncounted(ANONYMOUS);
    let gone = |reach| vec![loses("are denied: no route matches them any more", reach)];
    match (old, new) {
        (Denied, Denied) | (AnyCredential, AnyCredential) => Vec::new(),
        (Denied, AnyCredential) => {
            vec![grants("pass with any valid credential; they were denied", AffectedSet::all())]
        }
        (AnyCredential, Denied) => gone(AffectedSet::all()),
        (Route(old), Denied) => gone(AffectedSet::of(before, old)),
        (Denied | AnyCredential, Route(new)) if new.public => {
            vec![grants("pass without a credential (a public route)", of_none())]
        }
        (Denied | AnyCredential, Route(new)) if new.enforce.is_shadow() => {
            let text = "are not enforced (shadow): all of them pass, also without a credential";
            vec![grants(text, of_none())]
        }
        (Route(old), AnyCredential) if old.enforce.is_shadow() => {
            vec![loses("are enforced and need a credential; they were in shadow", of_none())]
        }
        (Denied, Route(new)) => {
            let text = format!("pass with {}; they were denied", needs(after, new));
            vec![grants(text, AffectedSet::of(after, new))]
        }
        (Route(old), AnyCredential) if old.public => {
            vec![loses("need a credential; they were public", of_none())]
        }
        (Route(old), AnyCredential) => {
            let text = format!("pass with any valid credential in place of {}", needs(before, old));
            let mut found = vec![grants(text, AffectedSet::Uncounted(LACKING))];
            if old.encoded_slash {
                found.push(loses(SLASHES_DENIED, AffectedSet::Uncounted(SENT)));
            }
            found
        }
        (AnyCredential, Route(new)) => {
            let text = format!("need {} in place of any valid credential", needs(after, new));
            let mut found = vec![loses(text, AffectedSet::Uncounted(LACKING))];
            if new.encoded_slash {
                found.push(grants(SLASHES_TAKEN, AffectedSet::Uncounted(SENT)));
            }
            found
        }
        (Route(old), Route(new)) => of_routes(versions, old, new),
    }
}

/// Words about encoded slashes that pass from now on.
const SLASHES_TAKEN: &str = "may have encoded slashes in their path";
/// Words about encoded slashes that are denied from now on.
const SLASHES_DENIED: &str = "are denied with encoded slashes in their path";

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
    let of_none = || AffectedSet::Uncounted(ANONYMOUS);
    let mut all = match (old.public, new.public) {
        (false, true) => vec![grants("pass without a credential (a public route)", of_none())],
        (true, false) => {
            let text = format!("need {}; they were public", needs(&versions.new.policy, new));
            vec![loses(text, of_none())]
        }
        (true, true) => Vec::new(),
        (false, false) => credentials::differences(versions, old, new),
    };
    match (old.enforce.is_shadow(), new.enforce.is_shadow()) {
        (false, true) => all.push(grants("are not enforced any more (shadow): all of them pass", of_none())),
        (true, false) => all.push(loses("are enforced; they were in shadow", of_none())),
        (false, false) | (true, true) => {}
    }
    if new.encoded_slash && !old.encoded_slash {
        all.push(grants(SLASHES_TAKEN, AffectedSet::Uncounted(SENT)));
    } else if old.encoded_slash && !new.encoded_slash {
        all.push(loses(SLASHES_DENIED, AffectedSet::Uncounted(SENT)));
    }
    let of_class = rate_class(versions, old.class, new.class);
    all.extend(of_class.map(|(effect, text)| Difference {
        effect,
        text,
        reach: AffectedSet::of(&versions.new.policy, new),
    }));
    all
}

/// Compares the limits of routes whose rate class has another name.
fn rate_class(
    versions: &Versions<'_>,
    before: Option<RateClassId>,
    after: Option<RateClassId>,
) -> Option<(ChangeEffect, String)> {
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
