//! Denials of calls that no route takes, where the profile tells a path without a route from a method that a path does
//! not have.

use std::sync::Arc;

use super::{EvalContext, find_route};
use crate::check_input::Path;
use crate::decision::Denial;
use crate::policy::{Policy, UnmatchedRoute};
use crate::reason::Reason;
use crate::route::{RouteErrors, RouteMatch, RouteRefusal};

/// Returns the denial of a call that no route takes, if the profile has reasons of their own for such calls. Scopes of
/// Envoy's route stand for a route, so that the lack of one is no reason there.
pub(super) fn denial(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    matched: RouteMatch<'_>,
) -> Option<Denial> {
    let input = eval.input;
    if policy.routes.errors() == RouteErrors::Forbidden || input.route_scopes.is_some() {
        return None;
    }
    let is_named = !matches!(input.path, Path::Absent | Path::ScopesOnly);
    match matched {
        RouteMatch::Refused(RouteRefusal::Method) if policy.routes.has_path(&input.path) => {
            let denial = Denial::new(Reason::MethodNotAllowed);
            let methods = || policy.routes.allowed_methods(&input.path).join(", ");
            let detail = || format!("the path takes other methods: {}", methods());
            Some(eval.explain.fail_with_detail("route", denial, detail))
        }
        RouteMatch::Refused(RouteRefusal::Method) => {
            let detail = || "the path has routes for OPTIONS alone".to_owned();
            Some(eval.explain.fail_with_detail("route", Denial::new(Reason::RouteNotFound), detail))
        }
        RouteMatch::Unmatched if is_named && policy.unmatched == UnmatchedRoute::Deny => {
            let detail = || "no route matches, and the profile denies unmatched calls".to_owned();
            Some(eval.explain.fail_with_detail("route", Denial::new(Reason::RouteNotFound), detail))
        }
        RouteMatch::Found(..) | RouteMatch::Unmatched | RouteMatch::Refused(_) => None,
    }
}

/// Returns the denial of a call that no route takes in place of one by its credential, if the profile answers such calls
/// without regard to the credential. An exceeded rate limit stays the reason, since it bounds guesses of credentials.
pub(super) fn instead_of(denial: Denial, eval: &mut EvalContext<'_, '_>) -> Denial {
    let by_credential = denial.reason.unauthenticated()
        || matches!(denial.reason, Reason::TenantMismatch | Reason::TenantSuspended);
    let first = |policy: &&Arc<Policy>| by_credential && answers_first(policy);
    let Some(policy) = eval.context.policy.as_ref().filter(first).cloned() else { return denial };
    let matched = find_route(eval, &policy);
    self::denial(eval, &policy, matched).unwrap_or(denial)
}

fn answers_first(policy: &Policy) -> bool {
    policy.routes.errors() == RouteErrors::BeforeAuthentication
}
