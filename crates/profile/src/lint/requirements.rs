//! Warnings about routes that no credential can use, because no kind of key and no role can have what they require.

use latchkey_core::policy::Policy;
use latchkey_core::route::Route;
use latchkey_core::scope::ScopeSet;

use crate::reader::Section;

pub(super) fn lint(root: &mut Section<'_>, policy: &Policy) {
    let sections = root.sections("routes").into_iter();
    for (number, section) in sections.enumerate() {
        let Some(route) = policy.routes.get(number) else { continue };
        if !is_usable(policy, route) {
            section.report(
                "no call can use this route: no kind of key may be granted, and no role has, all that it requires; change \
                 its scopes or kinds, or the scopes of a kind or a role",
            );
        }
    }
}

fn is_usable(policy: &Policy, route: &Route) -> bool {
    if route.public || route.enforce.is_shadow() || policy.enforce.is_shadow() {
        return true;
    }
    // A call passes if all scopes that it lacks are in shadow.
    let shadow = policy.scopes.shadow();
    let enforced = route.scopes.difference(shadow);
    let any_needed = !shadow.covers(&route.any_scopes);
    let has_all =
        |scopes: &ScopeSet| scopes.covers(&enforced) && (!any_needed || scopes.intersects(&route.any_scopes));
    let permitted = |name: &str| route.kinds.is_empty() || route.kinds.iter().any(|kind| **kind == *name);
    // A document without kinds and roles is incomplete: nothing can be said about it.
    (policy.kinds.is_empty() && policy.roles.is_empty())
        || policy.kinds.iter().any(|kind| permitted(&kind.name) && has_all(&kind.max_scopes))
        || (route.kinds.is_empty() && policy.roles.values().any(has_all))
}
