//! Rate limits as templates show them: the most restrictive bucket of a call. A product may promise its limits in every
//! response. If the gate charged no bucket, for example because the caller is unknown, the bucket that such a call
//! would be charged to is shown as full.

use std::time::Duration;

use latchkey_core::check_input::RateClassSelector;
use latchkey_core::limit::{
    BucketAlgorithm, BucketOwner, ChargeCondition, Limit, LimitSubjects, RateClassId, bucket_charges,
};

use crate::template::RenderInput;

/// A bucket as templates show it.
pub(crate) struct RateLimitView<'a> {
    pub(crate) per: BucketOwner,
    pub(crate) class: &'a str,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: Duration,
    pub(crate) retry: Duration,
}

impl<'a> RateLimitView<'a> {
    /// Returns the most restrictive bucket of a call, if it has any.
    pub(crate) fn of(input: &RenderInput<'a>) -> Option<Self> {
        let Some(level) = input.template_context.context.levels.first() else { return full_bucket(input) };
        Some(Self {
            per: level.bucket.per,
            class: input.effective_policy().classes.name_of(level.bucket),
            limit: level.limit,
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
        (rule.per, rule.limit, rule.algorithm)
    };
    let capacity = capacity(limit, algorithm);
    let class = policy.classes.name(class);
    let zero = Duration::ZERO;
    Some(RateLimitView { per, class, limit: capacity, remaining: capacity, reset: zero, retry: zero })
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

fn capacity(limit: Limit, algorithm: BucketAlgorithm) -> u64 {
    match algorithm {
        BucketAlgorithm::TokenBucket => limit.burst,
        BucketAlgorithm::FixedWindow => limit.tokens,
    }
}
