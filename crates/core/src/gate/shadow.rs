//! What is tried before it is enforced. A denial that falls under something in shadow is kept, so that it is told
//! of, and the call goes on; where all of the call is in shadow, the line's end lets it pass.
//!
//! Nobody is made more of than they are: a credential that is not in order passes as nobody's. Calls that manage
//! never come this way.

use super::EvalContext;
use crate::decision::{Decision, Denial, Permit};
use crate::limit::RateClassId;
use crate::policy::Policy;
use crate::scope::ScopeSet;

impl EvalContext<'_, '_> {
    /// Keeps a denial that is not enforced; the first counts.
    pub(super) fn record_shadow(&mut self, denial: Denial, under: impl FnOnce() -> String) {
        self.explain.pass("shadow", || format!("not enforced: {}", under()));
        self.context.shadow.get_or_insert(denial);
    }

    /// Whether these scopes are all in shadow.
    pub(super) fn scopes_in_shadow(&self, policy: &Policy, missing: &ScopeSet) -> bool {
        !self.input.strict && policy.scopes.shadow().covers(missing)
    }

    /// Whether the class is in shadow.
    pub(super) fn class_in_shadow(&self, policy: &Policy, class: Option<RateClassId>) -> bool {
        !self.input.strict && class.is_some_and(|class| policy.classes.enforce(class).is_shadow())
    }

    /// Whether the profile is in shadow, so that nothing of its calls is enforced.
    pub(super) fn profile_in_shadow(&self, policy: Option<&Policy>) -> bool {
        !self.input.strict && policy.is_some_and(|policy| policy.enforce.is_shadow())
    }
}

/// The end of a line that was denied.
pub(super) fn finish(eval: &mut EvalContext<'_, '_>, denial: Denial) -> Decision {
    let Some(policy) = eval.context.policy.clone() else { return Decision::Deny(denial) };
    if eval.profile_in_shadow(Some(&policy)) {
        eval.record_shadow(denial, || format!("the profile {} is in shadow", policy.name));
        return Decision::Allow(Permit::new());
    }
    // Where no profile was given, it was found with the key, and its routes were not looked at yet.
    match super::route(eval, &policy) {
        Some(route) if route.enforce.is_shadow() && !eval.input.strict => {
            eval.record_shadow(denial, || format!("the route {} is in shadow", route.pattern.text()));
            Decision::Allow(Permit::new())
        }
        Some(_) | None => Decision::Deny(denial),
    }
}
