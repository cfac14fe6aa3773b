//! May this one pass? A straight line: who is it, may it do this, has it any quota left. Each step takes what
//! the one before returned, so that they can't be run in another order, and only the end of the line makes a
//! [`Permit`](crate::decision::Permit).

mod authenticate;
mod authorize;
mod caller;
mod explain;
mod jwt;
mod lookup;
mod rate_limit;
mod shadow;
mod status;
mod usage;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use self::authenticate::AuthenticatedCaller;
use self::explain::ExplainLog;
use crate::cache::ReplicaCache;
use crate::check_input::{CheckInput, Path};
use crate::decision::{Decision, DecisionContext, Denial, Verdict};
use crate::error::SystemError;
use crate::policy::Policy;
use crate::ports::usage::UsageLog;
use crate::ports::{KeyStore, Limiter, Policies};
use crate::reason::Reason;
use crate::route::Route;
use crate::time::{Clock, Moment};

/// What a gate is made of.
pub struct GateParts<L> {
    /// Where keys are looked up that aren't remembered.
    pub store: Arc<dyn KeyStore>,
    /// The profiles in force.
    pub policies: Arc<dyn Policies>,
    /// Who counts.
    pub limiter: L,
    /// What is remembered.
    pub cache: Arc<ReplicaCache>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who notes that a key was used.
    pub usage: Arc<dyn UsageLog>,
}

/// Decides. Shared by every call.
pub struct Gate<L> {
    parts: GateParts<L>,
}

/// A step's end: it goes on with a value, or the call is denied.
type StepResult<T> = Result<T, Denial>;

/// What a call runs through with: the question, the moment, and what has been seen so far.
struct EvalContext<'a, 'b> {
    input: &'a CheckInput<'b>,
    now: Moment,
    /// Borrowed from the caller, since it is large: moving it costs as much as a look-up.
    context: &'a mut DecisionContext,
    explain: ExplainLog,
}

impl<'a, 'b> EvalContext<'a, 'b> {
    /// A call that is judged from now on.
    fn new(input: &'a CheckInput<'b>, now: Moment, context: &'a mut DecisionContext) -> Self {
        Self { input, now, context, explain: ExplainLog::new(input.explain) }
    }

    /// Records the step that failed, and returns the plain denial of this reason.
    fn fail(&mut self, step: &'static str, reason: Reason) -> Denial {
        self.explain.fail(step, Denial::new(reason))
    }
}

impl<L: Limiter> Gate<L> {
    /// A gate of these parts.
    pub fn new(parts: GateParts<L>) -> Self {
        Self { parts }
    }

    /// Judges a call by a policy; by none, by that of the credential's tenant. An `Err` means that no
    /// decision exists.
    pub async fn check(
        &self,
        policy: Option<&Arc<Policy>>,
        input: &CheckInput<'_>,
    ) -> Result<Verdict, SystemError> {
        let mut context = DecisionContext::default();
        let decision = self.check_into(policy, input, &mut context).await?;
        Ok(Verdict { decision, context })
    }

    /// Judges as [`Gate::check`] does, and writes what it has seen into `seen`, an empty one, as it goes on.
    /// It is ready on its first poll where memory and the limiter have all that the decision takes.
    pub async fn check_into(
        &self,
        policy: Option<&Arc<Policy>>,
        input: &CheckInput<'_>,
        context: &mut DecisionContext,
    ) -> Result<Decision, SystemError> {
        debug_assert!(context.principal.is_none(), "a call must not be judged by what another call has seen");
        let now = self.parts.clock.now();
        context.policy = policy.cloned();
        context.revision = self.parts.cache.applied_revision();
        context.started_at = now;
        let mut eval = EvalContext::new(input, now, context);
        let decision = match self.evaluate(&mut eval).await? {
            Ok(permit) => Decision::Allow(permit),
            Err(denial) => {
                let denial = self.deny(&mut eval, denial).await?;
                shadow::finish(&mut eval, denial)
            }
        };
        self.record_usage(&eval, &decision);
        eval.context.steps = eval.explain.into_steps();
        Ok(decision)
    }

    async fn evaluate(
        &self,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<StepResult<crate::decision::Permit>, SystemError> {
        let given = eval.context.policy.clone();
        if let Path::NonCanonical = eval.input.path {
            let denial = eval.explain.fail("route", non_canonical());
            if eval.profile_in_shadow(given.as_deref()) {
                // It passes: the upstream is to know from whom, and the denial stays this one.
                let _known: StepResult<AuthenticatedCaller> = self.authenticate(eval, given).await?;
            }
            return Ok(Err(denial));
        }
        if let Some(policy) = &given
            && let Some(route) = route(eval, policy).filter(|r| r.public && eval.input.route_scopes.is_none())
        {
            eval.explain.pass("route", || format!("{} is public", route.pattern.text()));
            return self.charge(eval, policy, Some(route)).await;
        }
        let AuthenticatedCaller { principal, policy } = match self.authenticate(eval, given).await? {
            Ok(authenticated) => authenticated,
            Err(denial) => return Ok(Err(denial)),
        };
        let route = route(eval, &policy);
        if let Err(denial) = authorize::authorize(eval, &policy, &principal, route) {
            return Ok(Err(denial));
        }
        self.charge(eval, &policy, route).await
    }

    /// A denied call takes no quota. Where it is known who called, the levels are looked at; where it isn't,
    /// the failed attempt counts against its address, if the profile says so.
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

/// The route that takes the call. Found again it costs little, and nothing has to be carried about.
fn route<'p>(eval: &mut EvalContext<'_, '_>, policy: &'p Policy) -> Option<&'p Route> {
    let Path::Canonical(path) = &eval.input.path else { return None };
    let (number, route) = policy.routes.find(eval.input.method, path)?;
    eval.context.route = Some(number);
    Some(route)
}

/// The denial of a credential that is not valid. It says the same for every cause.
fn invalid_credential() -> Denial {
    Denial::new(Reason::InvalidCredential)
}

fn non_canonical() -> Denial {
    let message = "The path can be read in more than one way.";
    Denial { reason: Reason::RouteNotAllowed, message: message.into() }
}
