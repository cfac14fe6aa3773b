//! Has it any quota left? Every bucket of the call at once, all or none. What comes before has allowed the
//! call already, so a forbidden one costs nothing.

use super::{Case, Gate, Judged};
use crate::access::ClassChoice;
use crate::decision::{Denial, Permit};
use crate::limit::{Charge, ClassId, Demands, Subjects, When, ceil_seconds, demands};
use crate::policy::Policy;
use crate::ports::Limiter;
use crate::reason::Reason;
use crate::route::Route;
use crate::trouble::Trouble;

/// Whether a denial means that a credential was tried and was no good.
pub(super) fn counts_as_attempt(reason: Reason) -> bool {
    match reason {
        Reason::MissingCredential
        | Reason::AmbiguousCredential
        | Reason::InvalidCredential
        | Reason::Revoked
        | Reason::Expired
        | Reason::Disabled => true,
        Reason::TenantRequired
        | Reason::TenantMismatch
        | Reason::TenantSuspended
        | Reason::EnvironmentMismatch
        | Reason::InsufficientScope
        | Reason::ResourceMismatch
        | Reason::NetworkNotAllowed
        | Reason::RouteNotAllowed
        | Reason::RateLimited => false,
    }
}

impl<L: Limiter> Gate<L> {
    /// The end of the line: takes the call's tokens, and makes its permit.
    pub(super) async fn spend(
        &self,
        case: &mut Case<'_, '_>,
        policy: &Policy,
        route: Option<&Route>,
    ) -> Result<Judged<Permit>, Trouble> {
        let class = match class(case, policy, route) {
            Ok(class) => class,
            Err(denial) => return Ok(Err(denial)),
        };
        let demands = wanted(case, policy, class, When::Allowed);
        if demands.is_empty() {
            case.trail.pass("rate_limit", || "no bucket applies".to_owned());
            return Ok(Ok(Permit::new()));
        }
        let charge = Charge { cost: case.access.cost, look: case.access.dry_run };
        if !self.parts.limiter.charge(&demands, charge, case.now, &mut case.seen.levels).await? {
            let denial = limited(case);
            if case.tries_class(policy, class) {
                in_shadow(case, policy, class, denial);
                return Ok(Ok(Permit::new()));
            }
            return Ok(Err(denial));
        }
        let left = case.seen.levels.first().map_or(0, |l| l.remaining);
        case.trail.pass("rate_limit", || format!("{left} left in the tightest bucket"));
        Ok(Ok(Permit::new()))
    }

    /// Looks at the buckets of a call that was denied for another reason, and takes nothing.
    pub(super) async fn look(&self, case: &mut Case<'_, '_>) -> Result<(), Trouble> {
        let Some(policy) = case.seen.policy.clone() else { return Ok(()) };
        let route = case.seen.route.and_then(|number| policy.routes.get(number));
        let Ok(class) = class(case, &policy, route) else { return Ok(()) };
        let demands = wanted(case, &policy, class, When::Allowed);
        if !demands.is_empty() {
            let look = Charge { cost: 0, look: true };
            self.parts.limiter.charge(&demands, look, case.now, &mut case.seen.levels).await?;
        }
        Ok(())
    }

    /// Counts a failed attempt; answers the denial that takes its place when there were too many.
    pub(super) async fn attempt(&self, case: &mut Case<'_, '_>) -> Result<Option<Denial>, Trouble> {
        let Some(policy) = case.seen.policy.clone() else { return Ok(None) };
        let route = case.seen.route.and_then(|number| policy.routes.get(number));
        let class = class(case, &policy, route).ok().flatten();
        let demands = wanted(case, &policy, class, When::Unauthenticated);
        if demands.is_empty() {
            return Ok(None);
        }
        // What is told of a call are its own buckets, unless this one is why it ends.
        let own = std::mem::take(&mut case.seen.levels);
        let charge = Charge { cost: 1, look: case.access.dry_run };
        if self.parts.limiter.charge(&demands, charge, case.now, &mut case.seen.levels).await? {
            case.seen.levels = own;
            return Ok(None);
        }
        let denial = limited(case);
        if case.tries_class(&policy, class) {
            in_shadow(case, &policy, class, denial);
            return Ok(None);
        }
        Ok(Some(denial))
    }
}

/// Nothing was taken from a bucket that has no room, and the call goes on.
fn in_shadow(case: &mut Case<'_, '_>, policy: &Policy, class: Option<ClassId>, denial: Denial) {
    let name = class.map_or("", |class| policy.classes.name(class));
    case.keep(denial, || format!("the rate class {name} is in shadow"));
}

fn limited(case: &mut Case<'_, '_>) -> Denial {
    let wait = case.seen.levels.first().map_or(0, |l| ceil_seconds(l.retry));
    let denial = Denial::saying(Reason::RateLimited, format!("Too many requests. Retry after {wait} s."));
    case.trail.fail("rate_limit", denial)
}

/// The class of a call; none: nothing limits it. One that the profile doesn't have is denied: whoever
/// configured it meant some limit.
fn class(case: &mut Case<'_, '_>, policy: &Policy, route: Option<&Route>) -> Judged<Option<ClassId>> {
    let own = route.and_then(|r| r.class);
    let named = match case.access.class {
        ClassChoice::Always(name) => Some(name),
        ClassChoice::Otherwise(name) if own.is_none() => Some(name),
        ClassChoice::Route | ClassChoice::Otherwise(_) => None,
    };
    let Some(name) = named else { return Ok(own.or_else(|| policy.classes.fallback())) };
    policy.classes.find(name).map(Some).ok_or_else(|| {
        let message = format!("The profile has no rate class {name:?}.");
        case.trail.fail("rate_limit", Denial::saying(Reason::RouteNotAllowed, message))
    })
}

fn wanted(case: &Case<'_, '_>, policy: &Policy, class: Option<ClassId>, when: When) -> Demands {
    let Some(class) = class else { return Demands::new() };
    let principal = case.seen.principal.as_ref();
    let plan = principal.and_then(|p| p.tenant.plan.as_ref()).and_then(|name| policy.plans.get(name));
    let whose = Subjects {
        subject: principal.map(|p| (p.bucket(), p.limits())),
        tenant: principal.map(|p| (&*p.tenant, plan)),
        address: case.access.address,
    };
    demands(&policy.classes, class, when, &whose)
}
