//! Shadow mode: rules that are evaluated and not enforced. A denial by a scope or rate class in shadow is
//! recorded and the evaluation continues. If the route or the profile is in shadow, the call is allowed at
//! the end.
//!
//! An invalid credential gains nothing in shadow: such a call passes without a verified principal. Management
//! calls do not use this module.

use super::EvalContext;
use crate::decision::{Decision, Denial, Permit};
use crate::limit::RateClassId;
use crate::policy::Policy;
use crate::scope::ScopeSet;

impl EvalContext<'_, '_> {
    /// Records a denial that is not enforced. The first one of a call is kept.
    pub(super) fn record_shadow(&mut self, denial: Denial, under: impl FnOnce() -> String) {
        self.explain.pass("shadow", || format!("not enforced: {}", under()));
        self.context.shadow.get_or_insert(denial);
    }

    /// Returns whether all of these scopes are in shadow.
    pub(super) fn scopes_in_shadow(&self, policy: &Policy, missing: &ScopeSet) -> bool {
        !self.input.strict && policy.scopes.shadow().covers(missing)
    }

    /// Returns whether the rate class is in shadow.
    pub(super) fn class_in_shadow(&self, policy: &Policy, class: Option<RateClassId>) -> bool {
        !self.input.strict && class.is_some_and(|class| policy.classes.enforce(class).is_shadow())
    }

    /// Returns whether the profile is in shadow, so that no denial of its calls is enforced.
    pub(super) fn profile_in_shadow(&self, policy: Option<&Policy>) -> bool {
        !self.input.strict && policy.is_some_and(|policy| policy.enforce.is_shadow())
    }
}

/// Returns the decision about a denied call: allowed if its profile or route is in shadow, denied otherwise.
pub(super) fn finish(eval: &mut EvalContext<'_, '_>, denial: Denial) -> Decision {
    let Some(policy) = eval.context.policy.clone() else { return Decision::Deny(denial) };
    if eval.profile_in_shadow(Some(&policy)) {
        eval.record_shadow(denial, || format!("the profile {} is in shadow", policy.name));
        return Decision::Allow(Permit::new());
    }
    // If no profile was given, it was found together with the key, and its routes have not been searched yet.
    match super::found(super::find_route(eval, &policy)) {
        Some(route) if route.enforce.is_shadow() && !eval.input.strict => {
            eval.record_shadow(denial, || format!("the route {} is in shadow", route.pattern.text()));
            Decision::Allow(Permit::new())
        }
        Some(_) | None => Decision::Deny(denial),
    }
}
