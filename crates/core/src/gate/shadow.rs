//! What is tried before it is enforced. A denial that falls under something in shadow is kept, so that it is told
//! of, and the call goes on; where all of the call is in shadow, the line's end lets it pass.
//!
//! Nobody is made more of than they are: a credential that is not in order passes as nobody's. Calls that manage
//! never come this way.

use super::Case;
use crate::decision::{Decision, Denial, Permit};
use crate::limit::ClassId;
use crate::policy::Policy;
use crate::scope::ScopeSet;

impl Case<'_, '_> {
    /// Keeps a denial that is not enforced; the first counts.
    pub(super) fn keep(&mut self, denial: Denial, under: impl FnOnce() -> String) {
        self.trail.pass("shadow", || format!("not enforced: {}", under()));
        self.seen.shadow.get_or_insert(denial);
    }

    /// Whether these scopes are all in shadow.
    pub(super) fn tries_scopes(&self, policy: &Policy, missing: &ScopeSet) -> bool {
        !self.access.strict && policy.scopes.shadow().covers(missing)
    }

    /// Whether the class is in shadow.
    pub(super) fn tries_class(&self, policy: &Policy, class: Option<ClassId>) -> bool {
        !self.access.strict && class.is_some_and(|class| policy.classes.enforce(class).is_shadow())
    }

    /// Whether the profile is in shadow, so that nothing of its calls is enforced.
    pub(super) fn tries_profile(&self, policy: Option<&Policy>) -> bool {
        !self.access.strict && policy.is_some_and(|policy| policy.enforce.is_shadow())
    }
}

/// The end of a line that was denied.
pub(super) fn end(case: &mut Case<'_, '_>, denial: Denial) -> Decision {
    let Some(policy) = case.seen.policy.clone() else { return Decision::Deny(denial) };
    if case.tries_profile(Some(&policy)) {
        case.keep(denial, || format!("the profile {} is in shadow", policy.name));
        return Decision::Allow(Permit::new());
    }
    // Where no profile was given, it was found with the key, and its routes were not looked at yet.
    match super::route(case, &policy) {
        Some(route) if route.enforce.is_shadow() && !case.access.strict => {
            case.keep(denial, || format!("the route {} is in shadow", route.pattern.text()));
            Decision::Allow(Permit::new())
        }
        Some(_) | None => Decision::Deny(denial),
    }
}
