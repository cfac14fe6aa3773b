//! The gate decides whether a call is allowed: it authenticates the caller, authorizes the call and charges
//! its buckets. Each step takes the result of the one before, so that they cannot run in another order, and
//! only the last step makes a [`Permit`](crate::decision::Permit).

mod authenticate;
mod authorize;
mod caller;
mod explain;
mod jwt;
mod lookup;
mod missing_route;
mod preload;
mod rate_limit;
mod resource_names;
mod shadow;
mod status;
mod usage;
mod value;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use self::authenticate::AuthenticatedCaller;
use self::explain::ExplainLog;
pub use self::preload::LookupSubject;
use crate::cache::ReplicaCache;
use crate::check_input::{CheckInput, Path, RequestedEnvironment};
use crate::decision::{Decision, DecisionContext, Denial, Verdict};
use crate::error::SystemError;
use crate::policy::Policy;
use crate::ports::usage::UsageLog;
use crate::ports::{KeyStore, LeaseRenewal, Limiter, Policies};
use crate::reason::Reason;
use crate::route::{Route, RouteMatch, RouteRefusal};
use crate::time::{Clock, Moment};

/// Dependencies of a gate.
pub struct GateParts<L> {
    /// Looks up keys, users and token families that are not in the cache.
    pub store: Arc<dyn KeyStore>,
    /// The profiles in force.
    pub policies: Arc<dyn Policies>,
    /// Charges buckets.
    pub limiter: L,
    /// The replica's cache.
    pub cache: Arc<ReplicaCache>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Records the use of keys.
    pub usage: Arc<dyn UsageLog>,
    /// Renews the cache's lease for calls that find it expired.
    pub lease: Arc<dyn LeaseRenewal>,
}

/// Decides about calls. One gate is shared by all calls.
pub struct Gate<L> {
    parts: GateParts<L>,
}

/// Result of a step: the value for the next step, or the denial of the call.
type StepResult<T> = Result<T, Denial>;

/// State of one evaluation: the input, the moment, and the facts collected so far.
struct EvalContext<'a, 'b> {
    input: &'a CheckInput<'b>,
    now: Moment,
    /// Borrowed from the caller, since it is large: moving it costs as much as a lookup.
    context: &'a mut DecisionContext,
    explain: ExplainLog,
}

impl<'a, 'b> EvalContext<'a, 'b> {
    /// Starts an evaluation at `now`.
    fn new(input: &'a CheckInput<'b>, now: Moment, context: &'a mut DecisionContext) -> Self {
        Self { input, now, context, explain: ExplainLog::new(input.explain) }
    }

    /// Records the failed step and returns the denial of this reason with its default message.
    fn fail(&mut self, step: &'static str, reason: Reason) -> Denial {
        self.explain.fail(step, Denial::new(reason))
    }
}

impl<L: Limiter> Gate<L> {
    /// Returns a gate with these dependencies.
    pub fn new(parts: GateParts<L>) -> Self {
        Self { parts }
    }

    /// Decides about a call by a policy; without one, by the policy of the credential's tenant. An `Err`
    /// means that no decision exists: the call must not be treated as allowed.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use latchkey_core::cache::ReplicaCache;
    /// # use latchkey_core::error::SystemError;
    /// # use latchkey_core::limit::local::LocalLimiter;
    /// # use latchkey_core::operator;
    /// # use latchkey_core::policy::Policy;
    /// # use latchkey_core::ports::usage::NoopUsageLog;
    /// # use latchkey_core::ports::{KeyStore, LookupResult, NoRenewal, Policies, ReadAt};
    /// # use latchkey_core::secret::KeyHash;
    /// # use latchkey_core::time::{Clock, Moment, MonotonicInstant};
    /// use latchkey_core::check_input::{CheckInput, PresentedCredential};
    /// use latchkey_core::gate::{Gate, GateParts};
    /// use latchkey_core::reason::Reason;
    ///
    /// # struct EmptyStore;
    /// # #[async_trait::async_trait]
    /// # impl KeyStore for EmptyStore {
    /// #     async fn key_by_hash(&self, _: &KeyHash) -> Result<LookupResult, SystemError> {
    /// #         Ok(LookupResult { entry: None, read_at: ReadAt::revision(1) })
    /// #     }
    /// # }
    /// # struct NoPolicies;
    /// # impl Policies for NoPolicies {
    /// #     fn named(&self, _: &str) -> Option<Arc<Policy>> { None }
    /// #     fn matches_key_format(&self, _: &str) -> bool { false }
    /// # }
    /// # struct FixedClock;
    /// # impl Clock for FixedClock {
    /// #     fn now(&self) -> Moment { Moment::default() }
    /// # }
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let cache = ReplicaCache::new(1 << 20);
    /// cache.extend_lease(MonotonicInstant(u64::MAX));
    /// let gate = Gate::new(GateParts {
    ///     store: Arc::new(EmptyStore),
    ///     policies: Arc::new(NoPolicies),
    ///     limiter: LocalLimiter::new(),
    ///     cache: Arc::new(cache),
    ///     clock: Arc::new(FixedClock),
    ///     usage: Arc::new(NoopUsageLog),
    ///     lease: Arc::new(NoRenewal),
    /// });
    /// let input = CheckInput { credential: PresentedCredential::of("unknown"), ..CheckInput::default() };
    /// let verdict = gate.check(Some(&operator::policy()), &input).await?;
    /// assert_eq!(verdict.denial().map(|denial| denial.reason), Some(Reason::InvalidCredential));
    /// # Ok::<(), SystemError>(())
    /// # }).unwrap();
    /// ```
    pub async fn check(
        &self,
        policy: Option<&Arc<Policy>>,
        input: &CheckInput<'_>,
    ) -> Result<Verdict, SystemError> {
        let mut context = DecisionContext::default();
        let decision = self.check_into(policy, input, &mut context).await?;
        Ok(Verdict { decision, context })
    }

    /// Decides as [`Gate::check`] does, and writes the facts that it collects into `context`, which must be
    /// empty. The future is ready on its first poll if the cache and the limiter hold everything that the
    /// decision needs.
    pub async fn check_into(
        &self,
        policy: Option<&Arc<Policy>>,
        input: &CheckInput<'_>,
        context: &mut DecisionContext,
    ) -> Result<Decision, SystemError> {
        debug_assert!(context.principal.is_none(), "the context of another call must not be reused");
        let mut now = self.parts.clock.now();
        if !self.parts.cache.lease_valid(now.monotonic) {
            now = self.renew_lease().await?;
        }
        context.policy = policy.cloned();
        context.revision = self.parts.cache.applied_revision();
        context.started_at = now;
        let mut eval = EvalContext::new(input, now, context);
        let decision = match self.evaluate(&mut eval).await? {
            Ok(permit) => Decision::Allow(permit),
            Err(denial) => {
                let denial = self.deny(&mut eval, denial).await?;
                let denial = missing_route::instead_of(denial, &mut eval);
                shadow::finish(&mut eval, denial)
            }
        };
        self.record_usage(&eval, &decision);
        eval.context.steps = eval.explain.into_steps();
        Ok(decision)
    }

    /// Waits until the cache's lease is valid again, and returns the moment from which the call counts as begun.
    /// Without a lease nothing is decided, because revocations since its end are unknown.
    async fn renew_lease(&self) -> Result<Moment, SystemError> {
        self.parts.lease.renew().await?;
        let now = self.parts.clock.now();
        let valid = self.parts.cache.lease_valid(now.monotonic);
        valid.then_some(now).ok_or_else(SystemError::database)
    }

    async fn evaluate(
        &self,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<StepResult<crate::decision::Permit>, SystemError> {
        let given = eval.context.policy.clone();
        if let Some(denial) = unreadable(eval, given.as_deref()) {
            if eval.profile_in_shadow(given.as_deref()) {
                // The profile is in shadow, so the call passes. It is authenticated because the upstream
                // needs the caller's identity; the path or the host stays the reason of the denial.
                let _known: StepResult<AuthenticatedCaller> = self.authenticate(eval, given).await?;
            }
            return Ok(Err(denial));
        }
        let matched = given.as_deref().map(|policy| find_route(eval, policy));
        if let Some(policy) = &given
            && let Some(route) = matched.and_then(found).filter(|route| route.public)
            && !authorize::asks_for_more(eval.input)
        {
            if let Err(denial) = authorize::check_environment_name(eval, policy) {
                return Ok(Err(denial));
            }
            eval.explain.pass("route", || format!("{} is public", route.pattern.text()));
            return self.charge(eval, policy, Some(route)).await;
        }
        let AuthenticatedCaller { principal, policy } = match self.authenticate(eval, given.clone()).await? {
            Ok(authenticated) => authenticated,
            Err(denial) => return Ok(Err(denial)),
        };
        // A given policy stays the one to evaluate by.
        let matched = matched.unwrap_or_else(|| find_route(eval, &policy));
        if let Err(denial) = authorize::authorize(eval, &policy, &principal, matched) {
            return Ok(Err(denial));
        }
        self.charge(eval, &policy, found(matched)).await
    }

    /// Completes a denial, which takes no quota. If the principal is known, the levels of its buckets are
    /// read. A failed authentication is charged to the client's address if the profile has a bucket for that,
    /// and is denied as rate-limited if that bucket is empty.
    async fn deny(&self, eval: &mut EvalContext<'_, '_>, denial: Denial) -> Result<Denial, SystemError> {
        if denial.reason == Reason::RateLimited {
            return Ok(denial);
        }
        if eval.context.principal.is_some() {
            self.read_levels(eval).await?;
        }
        if rate_limit::is_failed_authentication(denial.reason)
            && let Some(limited) = self.charge_failed_attempt(eval).await?
        {
            return Ok(limited);
        }
        Ok(denial)
    }
}

/// Returns the route of a call, if there is one.
fn found(matched: RouteMatch<'_>) -> Option<&Route> {
    matched.found().map(|(_, route)| route)
}

/// Looks up the route of a call, and records its number.
fn find_route<'p>(eval: &mut EvalContext<'_, '_>, policy: &'p Policy) -> RouteMatch<'p> {
    let matched = policy.routes.resolve(eval.input.method, &eval.input.path);
    if let RouteMatch::Found(number, _) = matched {
        eval.context.route = Some(number);
    }
    matched
}

/// Returns the denial of a call to a host that does not belong to the profile, with a path that no route can
/// take, or by a route of Envoy with a mistake. Such a call is denied with any credential, and without one.
fn unreadable(eval: &mut EvalContext<'_, '_>, policy: Option<&Policy>) -> Option<Denial> {
    match eval.input.environment {
        RequestedEnvironment::UnknownHost => return Some(eval.fail("host", Reason::HostNotAllowed)),
        RequestedEnvironment::InvalidHost => {
            let message = "The Host header is not a host name or an address in its canonical form.";
            let denial = Denial { reason: Reason::HostNotAllowed, message: message.into() };
            return Some(eval.explain.fail("host", denial));
        }
        RequestedEnvironment::Any | RequestedEnvironment::Named(_) => {}
    }
    if let Some(mistake) = &eval.input.route_mistake {
        let denial = Denial::with_message(Reason::RouteNotAllowed, mistake.clone());
        return Some(eval.explain.fail("route", denial));
    }
    let refusal = match &eval.input.path {
        Path::NonCanonical(error) => RouteRefusal::NonCanonical(*error),
        Path::Ambiguous(readings)
            if readings.has_encoded_slash() && policy.is_some_and(|p| !p.routes.permits_encoded_slash()) =>
        {
            RouteRefusal::EncodedSlash
        }
        Path::Absent | Path::ScopesOnly | Path::Canonical(_) | Path::Ambiguous(_) => return None,
    };
    Some(eval.explain.fail("route", refused(refusal)))
}

/// Returns the denial of an invalid credential. It is the same for every cause, so that it reveals nothing.
fn invalid_credential() -> Denial {
    Denial::new(Reason::InvalidCredential)
}

fn refused(refusal: RouteRefusal) -> Denial {
    Denial { reason: Reason::RouteNotAllowed, message: refusal.message() }
}
