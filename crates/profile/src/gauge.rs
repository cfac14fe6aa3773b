//! What templates say about limits: the tightest bucket of a call. A product may promise its limits on every
//! answer, so where the gate consulted no bucket (nobody was recognised, so nothing is counted), the bucket
//! that such a call would draw from is shown untouched.

use std::time::Duration;

use latchkey_core::access::ClassChoice;
use latchkey_core::limit::{Algorithm, ClassId, Limit, Per, Subjects, When, demands};

use crate::template::View;

/// A bucket as it is shown.
pub(crate) struct Gauge<'a> {
    pub(crate) per: Per,
    pub(crate) class: &'a str,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: Duration,
    pub(crate) retry: Duration,
}

impl<'a> Gauge<'a> {
    /// The tightest bucket, where the call has any.
    pub(crate) fn of(view: &View<'a>) -> Option<Self> {
        let Some(level) = view.facts.seen.levels.first() else { return untouched(view) };
        Some(Self {
            per: level.bucket.per,
            class: view.judged_by().classes.name_of(level.bucket),
            limit: level.limit,
            remaining: level.remaining,
            reset: level.reset,
            retry: level.retry,
        })
    }
}

fn untouched<'a>(view: &View<'a>) -> Option<Gauge<'a>> {
    let policy = view.judged_by();
    let class = class(view)?;
    let tenant = view.facts.seen.principal.as_ref().map(|p| &*p.tenant);
    let plan = tenant.and_then(|t| policy.plans.get(t.plan.as_deref()?));
    let subject = view.facts.seen.principal.as_ref().map(|p| (p.bucket(), p.limits()));
    let whose = Subjects { subject, tenant: tenant.map(|t| (t, plan)), address: None };
    let own = demands(&policy.classes, class, When::Allowed, &whose);
    let (per, limit, algorithm) = if let Some(demand) = own.first() {
        (demand.bucket.per, demand.limit, demand.algorithm)
    } else {
        let rule = policy.classes.rules(class).iter().find(|r| r.when == When::Allowed)?;
        (rule.per, rule.limit, rule.algorithm)
    };
    let most = capacity(limit, algorithm);
    let class = policy.classes.name(class);
    let none = Duration::ZERO;
    Some(Gauge { per, class, limit: most, remaining: most, reset: none, retry: none })
}

/// The class that the call falls under.
fn class(view: &View<'_>) -> Option<ClassId> {
    let classes = &view.judged_by().classes;
    let of_route = || view.route().and_then(|r| r.class);
    let named = match view.facts.class {
        ClassChoice::Always(name) => classes.find(name),
        ClassChoice::Otherwise(name) => of_route().or_else(|| classes.find(name)),
        ClassChoice::Route => of_route(),
    };
    named.or_else(|| classes.fallback())
}

fn capacity(limit: Limit, algorithm: Algorithm) -> u64 {
    match algorithm {
        Algorithm::TokenBucket => limit.burst,
        Algorithm::FixedWindow => limit.tokens,
    }
}
