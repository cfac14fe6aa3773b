//! May this one pass? A straight line: who is it, may it do this, has it any quota left. Each step takes what
//! the one before returned, so that they can't be run in another order, and only the end of the line makes a
//! [`Permit`](crate::decision::Permit).

mod authenticate;
mod bearer;
mod caller;
mod find;
mod note;
mod order;
mod permit;
mod shadow;
mod spend;
mod trail;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use self::authenticate::Authenticated;
use self::trail::Trail;
use crate::access::{Access, Path};
use crate::decision::{Decision, Denial, Seen, Verdict};
use crate::memory::Memory;
use crate::policy::Policy;
use crate::ports::usage::UsageLog;
use crate::ports::{KeyStore, Limiter, Policies};
use crate::reason::Reason;
use crate::route::Route;
use crate::time::{Clock, Moment};
use crate::trouble::Trouble;

/// What a gate is made of.
pub struct GateParts<L> {
    /// Where keys are looked up that aren't remembered.
    pub store: Arc<dyn KeyStore>,
    /// The profiles in force.
    pub policies: Arc<dyn Policies>,
    /// Who counts.
    pub limiter: L,
    /// What is remembered.
    pub memory: Arc<Memory>,
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
type Judged<T> = Result<T, Denial>;

/// What a call runs through with: the question, the moment, and what has been seen so far.
struct Case<'a, 'b> {
    access: &'a Access<'b>,
    now: Moment,
    /// Borrowed from the caller, since it is large: moving it costs as much as a look-up.
    seen: &'a mut Seen,
    trail: Trail,
}

impl<'a, 'b> Case<'a, 'b> {
    /// A call that is judged from now on.
    fn new(access: &'a Access<'b>, now: Moment, seen: &'a mut Seen) -> Self {
        Self { access, now, seen, trail: Trail::new(access.explain) }
    }

    /// Records the step that failed, and returns the plain denial of this reason.
    fn fail(&mut self, step: &'static str, reason: Reason) -> Denial {
        self.trail.fail(step, Denial::plain(reason))
    }
}

impl<L: Limiter> Gate<L> {
    /// A gate of these parts.
    pub fn new(parts: GateParts<L>) -> Self {
        Self { parts }
    }

    /// Judges a call by a policy; by none, by that of the credential's tenant. An `Err` means that no
    /// decision exists.
    pub async fn check(&self, policy: Option<&Arc<Policy>>, access: &Access<'_>) -> Result<Verdict, Trouble> {
        let mut seen = Seen::default();
        let decision = self.check_into(policy, access, &mut seen).await?;
        Ok(Verdict { decision, seen })
    }

    /// Judges as [`Gate::check`] does, and writes what it has seen into `seen`, an empty one, as it goes on.
    /// It is ready on its first poll where memory and the limiter have all that the decision takes.
    pub async fn check_into(
        &self,
        policy: Option<&Arc<Policy>>,
        access: &Access<'_>,
        seen: &mut Seen,
    ) -> Result<Decision, Trouble> {
        debug_assert!(seen.principal.is_none(), "a call must not be judged by what another call has seen");
        let now = self.parts.clock.now();
        seen.policy = policy.cloned();
        seen.revision = self.parts.memory.applied();
        seen.began = now;
        let mut case = Case::new(access, now, seen);
        let decision = match self.judge(&mut case).await? {
            Ok(permit) => Decision::Allow(permit),
            Err(denial) => {
                let denial = self.deny(&mut case, denial).await?;
                shadow::end(&mut case, denial)
            }
        };
        self.note(&case, &decision);
        case.seen.steps = case.trail.into_steps();
        Ok(decision)
    }

    async fn judge(&self, case: &mut Case<'_, '_>) -> Result<Judged<crate::decision::Permit>, Trouble> {
        let given = case.seen.policy.clone();
        if let Path::Unsafe = case.access.path {
            let denial = case.trail.fail("route", unsafe_path());
            if case.tries_profile(given.as_deref()) {
                // It passes: the upstream is to know from whom, and the denial stays this one.
                let _known: Judged<Authenticated> = self.authenticate(case, given).await?;
            }
            return Ok(Err(denial));
        }
        if let Some(policy) = &given
            && let Some(route) =
                route(case, policy).filter(|r| r.public && case.access.route_scopes.is_none())
        {
            case.trail.pass("route", || format!("{} is public", route.pattern.text()));
            return self.spend(case, policy, Some(route)).await;
        }
        let Authenticated { principal, policy } = match self.authenticate(case, given).await? {
            Ok(authenticated) => authenticated,
            Err(denial) => return Ok(Err(denial)),
        };
        let route = route(case, &policy);
        if let Err(denial) = permit::permit(case, &policy, &principal, route) {
            return Ok(Err(denial));
        }
        self.spend(case, &policy, route).await
    }

    /// A denied call takes no quota. Where it is known who called, the levels are looked at; where it isn't,
    /// the failed attempt counts against its address, if the profile says so.
    async fn deny(&self, case: &mut Case<'_, '_>, denial: Denial) -> Result<Denial, Trouble> {
        if denial.reason == Reason::RateLimited {
            return Ok(denial);
        }
        if case.seen.principal.is_some() {
            self.look(case).await?;
        }
        if spend::counts_as_attempt(denial.reason)
            && let Some(limited) = self.attempt(case).await?
        {
            return Ok(limited);
        }
        Ok(denial)
    }
}

/// The route that takes the call. Found again it costs little, and nothing has to be carried about.
fn route<'p>(case: &mut Case<'_, '_>, policy: &'p Policy) -> Option<&'p Route> {
    let Path::Canonical(path) = &case.access.path else { return None };
    let (number, route) = policy.routes.find(case.access.method, path)?;
    case.seen.route = Some(number);
    Some(route)
}

/// The denial of a credential that is not valid. It says the same for every cause.
fn invalid_credential() -> Denial {
    Denial::plain(Reason::InvalidCredential)
}

fn unsafe_path() -> Denial {
    let message = "The path can be read in more than one way.";
    Denial { reason: Reason::RouteNotAllowed, message: message.into() }
}
