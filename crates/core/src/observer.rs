//! Who is told of every answer: metrics, traces, a decision log. Told once an answer, where it is given, with
//! what was seen on the way borrowed, so that telling costs no allocation. A witness never waits: whoever asked
//! is waiting for the answer.

use std::time::Duration;

use crate::decision::{Decision, DecisionContext, DecisionSource, Denial};
use crate::error::SystemError;

/// Hears of what happens.
pub trait CheckObserver: Send + Sync {
    /// A question was answered.
    fn on_check(&self, event: &CheckEvent<'_>);

    /// Something happened to tokens.
    fn on_token_event(&self, _: TokenEvent) {}

    /// A call of another RPC came to its end.
    fn on_rpc(&self, _: &RpcEvent) {}
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopObserver;

impl CheckObserver for NoopObserver {
    fn on_check(&self, _: &CheckEvent<'_>) {}
}

/// Where a question came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrypoint {
    /// From Envoy.
    ExtAuthz,
    /// By our own API.
    Native,
    /// With a product's own call.
    Http,
}

impl Entrypoint {
    /// Every door.
    pub const ALL: [Self; 3] = [Self::ExtAuthz, Self::Native, Self::Http];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ExtAuthz => "ext_authz",
            Self::Native => "native",
            Self::Http => "http",
        }
    }
}

/// What a question came to.
#[derive(Clone, Copy, Debug)]
pub enum CheckOutcome<'a> {
    /// It may pass.
    Allowed,
    /// It may not.
    Denied(&'a Denial),
    /// There was no question in what came.
    Malformed,
    /// Nobody could decide.
    Error(&'a SystemError),
}

impl<'a> CheckOutcome<'a> {
    /// That of a decision.
    #[must_use]
    pub fn of(decision: &'a Decision) -> Self {
        match decision {
            Decision::Allow(_) => Self::Allowed,
            Decision::Deny(denial) => Self::Denied(denial),
        }
    }

    /// `ALLOW`, `DENY` or `ERROR`.
    #[must_use]
    pub fn decision(self) -> &'static str {
        match self {
            Self::Allowed => "ALLOW",
            Self::Denied(_) | Self::Malformed => "DENY",
            Self::Error(_) => "ERROR",
        }
    }

    /// `OK`, the denial's reason, or what was in the way.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Allowed => "OK",
            Self::Denied(denial) => denial.reason.name(),
            Self::Malformed => "MALFORMED_REQUEST",
            Self::Error(SystemError::Unavailable { .. }) => "UNAVAILABLE",
            Self::Error(SystemError::Internal(_)) => "INTERNAL",
        }
    }
}

/// What came along with a question. It is looked for where somebody wants it, and not before.
pub trait RequestMetadata {
    /// The trace that the question belongs to, as it was sent (W3C `traceparent`).
    fn traceparent(&self) -> Option<&[u8]> {
        None
    }

    /// What else the tracing system says of it (`tracestate`).
    fn tracestate(&self) -> Option<&[u8]> {
        None
    }

    /// Envoy's own identifier of the request.
    fn envoy_request_id(&self) -> Option<&[u8]> {
        None
    }
}

/// Nothing came along.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetadata;

impl RequestMetadata for NoMetadata {}

/// A question that was answered. `seen.started_at` says when judging began.
#[derive(Clone, Copy)]
pub struct CheckEvent<'a> {
    /// Where it came in.
    pub entrypoint: Entrypoint,
    /// The answer.
    pub outcome: CheckOutcome<'a>,
    /// What was seen on the way, as far as the gate got.
    pub context: &'a DecisionContext,
    /// The request's identifier; empty where none is known.
    pub request_id: &'a str,
    /// The HTTP method, as sent; empty where none is known.
    pub method: &'a str,
    /// What came along.
    pub metadata: &'a dyn RequestMetadata,
}

impl CheckEvent<'_> {
    /// Who knew the answer. Where there is none, somebody was asked in vain.
    #[must_use]
    pub fn source(&self) -> DecisionSource {
        match self.outcome {
            CheckOutcome::Error(_) => DecisionSource::Database,
            CheckOutcome::Allowed | CheckOutcome::Denied(_) | CheckOutcome::Malformed => {
                self.context.source()
            }
        }
    }

    /// The pattern of the route that took the call.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        let (policy, number) = self.context.policy.as_ref().zip(self.context.route)?;
        policy.routes.get(number).map(|route| route.pattern.text())
    }
}

/// What happens to tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEvent {
    /// Somebody came with a password.
    Login(LoginOutcome),
    /// Somebody asked for tokens, and got them or not.
    Issue {
        /// With a password; otherwise, with a key.
        password: bool,
        /// How it ended.
        outcome: CallOutcome,
    },
    /// Somebody asked for tokens to be renewed.
    Refresh(CallOutcome),
    /// A refresh token came that was spent before; its family ended.
    Reuse,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// As was asked.
    Ok,
    /// Refused.
    Rejected,
    /// Nobody could do it.
    Error,
}

/// What came of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// It is the user's.
    Success,
    /// It isn't, or there is no such user.
    Failure,
    /// The user has tried too often, and it wasn't looked at.
    Locked,
    /// Too many others were waiting.
    Busy,
}

/// A call of an RPC that isn't a Check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcEvent {
    /// The RPC, as it stands in the request's path.
    pub method: &'static str,
    /// The code of its gRPC status.
    pub code: i32,
    /// How long it took.
    pub duration: Duration,
}
