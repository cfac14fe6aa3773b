//! Rate limits as templates show them: the most restrictive bucket of a call. If the gate charged no bucket, for example
//! because the caller is unknown, there are none. A product that promises its limits in every response sets
//! `unknown_rate_limits = "full"`; then the bucket that such a call would be charged to is shown as full.

use std::time::Duration;

use latchkey_core::check_input::RateClassSelector;
use latchkey_core::limit::{BucketOwner, ChargeCondition, LimitSubjects, RateClassId, bucket_charges, size};

use crate::template::RenderInput;

/// Values that templates show for a call that was charged to no bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UnknownLimits {
    /// No values. A header that would show them is left out.
    #[default]
    Omit,
    /// The bucket that the call would be charged to, as a full one.
    Full,
}

/// A bucket as templates show it.
pub(crate) struct RateLimitView<'a> {
    pub(crate) per: BucketOwner,
    pub(crate) class: &'a str,
    pub(crate) limit: u64,
    /// Most calls that the bucket holds.
    pub(crate) capacity: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: Duration,
    /// Time to wait; `None` if no wait helps.
    pub(crate) retry: Option<Duration>,
}

impl<'a> RateLimitView<'a> {
    /// Returns the most restrictive bucket of a call, if it has any.
    pub(crate) fn of(input: &RenderInput<'a>) -> Option<Self> {
        let Some(level) = input.template_context.context.levels.first() else {
            return if input.unknown_limits == UnknownLimits::Full { full_bucket(input) } else { None };
        };
        Some(Self {
            per: level.bucket.per,
            class: input.effective_policy().classes.name_of(level.bucket),
            limit: level.limit,
            capacity: level.capacity,
            remaining: level.remaining,
            reset: level.reset_after,
            retry: level.retry_after,
        })
    }
}

fn full_bucket<'a>(input: &RenderInput<'a>) -> Option<RateLimitView<'a>> {
    let policy = input.effective_policy();
    let class = class(input)?;
    let tenant = input.template_context.context.principal.as_ref().map(|p| &*p.tenant);
    let plan = tenant.and_then(|t| policy.plans.get(t.plan.as_deref()?));
    let subject = input.template_context.context.principal.as_ref().map(|p| (p.bucket_subject(), p.limits()));
    let subjects = LimitSubjects { subject, tenant: tenant.map(|t| (t, plan)), address: None };
    let charges = bucket_charges(&policy.classes, class, ChargeCondition::Allowed, &subjects);
    let (per, limit, algorithm) = if let Some(charge) = charges.first() {
        (charge.bucket.per, charge.limit, charge.algorithm)
    } else {
        let rule = policy.classes.rules(class).iter().find(|r| r.when == ChargeCondition::Allowed)?;
        (rule.per, rule.limit, rule.algorithm.with_limit(rule.limit))
    };
    let capacity = size(limit, algorithm);
    Some(RateLimitView {
        per,
        class: policy.classes.name(class),
        limit: limit.tokens,
        capacity,
        remaining: capacity,
        reset: Duration::ZERO,
        retry: Some(Duration::ZERO),
    })
}

/// Returns the rate class of the call.
fn class(input: &RenderInput<'_>) -> Option<RateClassId> {
    let classes = &input.effective_policy().classes;
    let of_route = || input.route().and_then(|r| r.class);
    let named = match input.template_context.class {
        RateClassSelector::Fixed(name) => classes.find(name),
        RateClassSelector::RouteOr(name) => of_route().or_else(|| classes.find(name)),
        RateClassSelector::Route => of_route(),
    };
    named.or_else(|| classes.fallback())
}
