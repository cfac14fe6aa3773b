//! Charges the buckets of a call: all of them together, or none. The earlier steps have allowed the call
//! already, so a forbidden call costs no tokens.

use super::{EvalContext, Gate, StepResult};
use crate::check_input::RateClassSelector;
use crate::decision::{Denial, Permit};
use crate::error::SystemError;
use crate::limit::{
    BucketCharges, ChargeCondition, ChargeOptions, LimitSubjects, RateClassId, bucket_charges, ceil_seconds,
};
use crate::policy::Policy;
use crate::ports::Limiter;
use crate::reason::Reason;
use crate::route::Route;

/// Returns whether a denial counts as a failed authentication.
pub(super) fn is_failed_authentication(reason: Reason) -> bool {
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
        | Reason::HostNotAllowed
        | Reason::RouteNotFound
        | Reason::MethodNotAllowed
        | Reason::RateLimited => false,
    }
}

impl<L: Limiter> Gate<L> {
    /// Charges the call and makes its permit: the last step of the evaluation.
    pub(super) async fn charge(
        &self,
        eval: &mut EvalContext<'_, '_>,
        policy: &Policy,
        route: Option<&Route>,
    ) -> Result<StepResult<Permit>, SystemError> {
        let class = match class(eval, policy, route) {
            Ok(class) => class,
            Err(denial) => return Ok(Err(denial)),
        };
        let charges = charges_of(eval, policy, class, ChargeCondition::Allowed);
        if charges.is_empty() {
            eval.explain.pass("rate_limit", || "no bucket applies".to_owned());
            return Ok(Ok(Permit::new()));
        }
        let options = ChargeOptions { cost: eval.input.cost, dry_run: eval.input.dry_run };
        if !self.parts.limiter.charge(&charges, options, eval.now, &mut eval.context.levels).await? {
            let denial = rate_limited(eval);
            if eval.class_in_shadow(policy, class) {
                record_shadow_limit(eval, policy, class, denial);
                return Ok(Ok(Permit::new()));
            }
            return Ok(Err(denial));
        }
        let remaining = eval.context.levels.first().map_or(0, |l| l.remaining);
        eval.explain.pass("rate_limit", || format!("{remaining} left in the tightest bucket"));
        Ok(Ok(Permit::new()))
    }

    /// Reads the levels of a call that was denied for another reason. Takes no tokens.
    pub(super) async fn read_levels(&self, eval: &mut EvalContext<'_, '_>) -> Result<(), SystemError> {
        let Some(policy) = eval.context.policy.clone() else { return Ok(()) };
        let route = eval.context.route.and_then(|number| policy.routes.get(number));
        let Ok(class) = class(eval, &policy, route) else { return Ok(()) };
        let charges = charges_of(eval, &policy, class, ChargeCondition::Allowed);
        if !charges.is_empty() {
            let options = ChargeOptions { cost: 0, dry_run: true };
            self.parts.limiter.charge(&charges, options, eval.now, &mut eval.context.levels).await?;
        }
        Ok(())
    }

    /// Charges a failed attempt to the client's address. Returns the denial that replaces the original one if
    /// the bucket is empty.
    pub(super) async fn charge_failed_attempt(
        &self,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<Denial>, SystemError> {
        let Some(policy) = eval.context.policy.clone() else { return Ok(None) };
        let route = eval.context.route.and_then(|number| policy.routes.get(number));
        let class = class(eval, &policy, route).ok().flatten();
        let charges = charges_of(eval, &policy, class, ChargeCondition::Unauthenticated);
        if charges.is_empty() {
            return Ok(None);
        }
        // The call reports the levels of its own buckets, unless this bucket is the reason of the denial.
        let own = std::mem::take(&mut eval.context.levels);
        let options = ChargeOptions { cost: 1, dry_run: eval.input.dry_run };
        if self.parts.limiter.charge(&charges, options, eval.now, &mut eval.context.levels).await? {
            eval.context.levels = own;
            return Ok(None);
        }
        let denial = rate_limited(eval);
        if eval.class_in_shadow(&policy, class) {
            record_shadow_limit(eval, &policy, class, denial);
            return Ok(None);
        }
        Ok(Some(denial))
    }
}

/// Records that a rate class in shadow would have denied the call. The empty bucket was not charged.
fn record_shadow_limit(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    class: Option<RateClassId>,
    denial: Denial,
) {
    let name = class.map_or("", |class| policy.classes.name(class));
    eval.record_shadow(denial, || format!("the rate class {name} is in shadow"));
}

fn rate_limited(eval: &mut EvalContext<'_, '_>) -> Denial {
    let message = match eval.context.levels.first() {
        Some(level) if level.never_fits() => {
            let cost = eval.input.cost;
            let (per, most) = (level.bucket.per.name(), level.capacity);
            format!("The cost of {cost} is impossible: the {per} bucket never holds more than {most}.")
        }
        level => {
            let wait = level.and_then(|level| level.retry_after).map_or(0, ceil_seconds);
            format!("Too many requests. Retry after {wait} s.")
        }
    };
    eval.explain.fail("rate_limit", Denial::with_message(Reason::RateLimited, message))
}

/// Returns the rate class of a call; `None` if no class limits it. A call with a class that the profile does
/// not have is denied, because its configuration asks for a limit.
fn class(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    route: Option<&Route>,
) -> StepResult<Option<RateClassId>> {
    let own = route.and_then(|r| r.class);
    let named = match eval.input.class {
        RateClassSelector::Fixed(name) => Some(name),
        RateClassSelector::RouteOr(name) if own.is_none() => Some(name),
        RateClassSelector::Route | RateClassSelector::RouteOr(_) => None,
    };
    let Some(name) = named else { return Ok(own.or_else(|| policy.classes.fallback())) };
    policy.classes.find(name).map(Some).ok_or_else(|| {
        let message = format!("The profile has no rate class {name:?}.");
        eval.explain.fail("rate_limit", Denial::with_message(Reason::RouteNotAllowed, message))
    })
}

fn charges_of(
    eval: &EvalContext<'_, '_>,
    policy: &Policy,
    class: Option<RateClassId>,
    when: ChargeCondition,
) -> BucketCharges {
    let Some(class) = class else { return BucketCharges::new() };
    let principal = eval.context.principal.as_ref();
    let plan = principal.and_then(|p| p.tenant.plan.as_ref()).and_then(|name| policy.plans.get(name));
    let subjects = LimitSubjects {
        subject: principal.map(|p| (p.bucket_subject(), p.limits())),
        tenant: principal.map(|p| (&*p.tenant, plan)),
        address: eval.input.address,
    };
    bucket_charges(&policy.classes, class, when, &subjects)
}
