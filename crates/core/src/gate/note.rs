//! Notes who used which key for what, and what would have been denied. A dry run is no use, and a public route has no key.

use super::{Case, Gate};
use crate::decision::Decision;
use crate::policy::Policy;
use crate::ports::Limiter;
use crate::ports::usage::{Deed, Use};
use crate::principal::Principal;
use crate::scope::{MANAGE_KEYS, ScopeSet};
use crate::time::Timestamp;

impl<L: Limiter> Gate<L> {
    /// Notes a decision.
    pub(super) fn note(&self, case: &Case<'_, '_>, decision: &Decision) {
        if case.access.dry_run {
            return;
        }
        if let (Decision::Allow(_), Some(denial)) = (decision, &case.seen.shadow) {
            self.parts.usage.would_deny(denial, case.seen, case.now.wall);
        }
        let Some((who, policy)) = case.seen.principal.as_ref().zip(case.seen.policy.as_ref()) else { return };
        let Some(key) = who.key() else { return };
        let (deed, needed) = match decision {
            Decision::Allow(_) => (Deed::Allowed, needed(case, policy, who)),
            Decision::Deny(denial) => (Deed::Denied(denial.reason), ScopeSet::default()),
        };
        self.parts.usage.note(&Use { key: key.id, at: case.now.wall, deed, needed: &needed, policy });
    }

    /// Notes that a key manages, so that it isn't taken for one that nobody uses.
    pub(super) fn note_managing(&self, who: &Principal, at: Timestamp) {
        let Some((key, policy)) = who.key().zip(self.managing(&who.tenant)) else { return };
        let needed = policy.scopes.known(&[MANAGE_KEYS]);
        self.parts.usage.note(&Use {
            key: key.id,
            at,
            deed: Deed::Managed,
            needed: &needed,
            policy: &policy,
        });
    }
}

/// The granted scopes that let a call pass: of those of which any would have done, all that are granted.
fn needed(case: &Case<'_, '_>, policy: &Policy, who: &Principal) -> ScopeSet {
    let named = case.access.route_scopes.iter().flatten().chain(&case.access.scopes);
    let mut needed: ScopeSet = named.filter_map(|name| policy.scopes.find(name)).collect();
    let route = case.seen.route.and_then(|number| policy.routes.get(number));
    if let Some(route) = route.filter(|_| case.access.route_scopes.is_none()) {
        needed.extend(&route.scopes);
        route.any_scopes.iter().filter(|scope| who.granted.contains(*scope)).for_each(|s| needed.insert(s));
    }
    // In shadow a call passes without some of them.
    if case.seen.shadow.is_some() { needed.intersection(&who.granted) } else { needed }
}
