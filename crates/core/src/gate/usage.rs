//! Records the use of keys, and calls that would have been denied outside of shadow mode. A dry run is no
//! use, and a call of a public route has no key.

use super::{EvalContext, Gate};
use crate::decision::Decision;
use crate::policy::Policy;
use crate::ports::Limiter;
use crate::ports::usage::{KeyUseEvent, UseOutcome};
use crate::principal::Principal;
use crate::scope::{MANAGE_KEYS, ScopeSet};
use crate::time::Timestamp;

impl<L: Limiter> Gate<L> {
    /// Records a decision.
    pub(super) fn record_usage(&self, eval: &EvalContext<'_, '_>, decision: &Decision) {
        if eval.input.dry_run {
            return;
        }
        if let (Decision::Allow(_), Some(denial)) = (decision, &eval.context.shadow) {
            self.parts.usage.record_shadow_denial(denial, eval.context, eval.now.wall);
        }
        let Some((principal, policy)) = eval.context.principal.as_ref().zip(eval.context.policy.as_ref())
        else {
            return;
        };
        let Some(key) = principal.key() else { return };
        let (outcome, needed) = match decision {
            Decision::Allow(_) => (UseOutcome::Allowed, needed_scopes(eval, policy, principal)),
            Decision::Deny(denial) => (UseOutcome::Denied(denial.reason), ScopeSet::default()),
        };
        self.parts.usage.record(&KeyUseEvent {
            key: key.id,
            at: eval.now.wall,
            outcome,
            needed: &needed,
            policy,
        });
    }

    /// Records a management call by a key, so that the key does not appear as unused.
    pub(super) fn record_management_use(&self, principal: &Principal, at: Timestamp) {
        let Some((key, policy)) = principal.key().zip(self.management_policy(&principal.tenant)) else {
            return;
        };
        let needed = policy.scopes.resolve(&[MANAGE_KEYS]);
        self.parts.usage.record(&KeyUseEvent {
            key: key.id,
            at,
            outcome: UseOutcome::Managed,
            needed: &needed,
            policy: &policy,
        });
    }
}

/// Returns the granted scopes that a call needed. If any one of several scopes was enough, it returns all of
/// them that are granted.
fn needed_scopes(eval: &EvalContext<'_, '_>, policy: &Policy, principal: &Principal) -> ScopeSet {
    let named = eval.input.route_scopes.iter().flatten().chain(&eval.input.scopes);
    let mut needed: ScopeSet = named.filter_map(|name| policy.scopes.find(name)).collect();
    let route = eval.context.route.and_then(|number| policy.routes.get(number));
    if let Some(route) = route.filter(|_| eval.input.route_scopes.is_none()) {
        needed.extend(&route.scopes);
        route
            .any_scopes
            .iter()
            .filter(|scope| principal.granted.contains(*scope))
            .for_each(|s| needed.insert(s));
    }
    // A call that passed in shadow may lack some of them.
    if eval.context.shadow.is_some() { needed.intersection(&principal.granted) } else { needed }
}
