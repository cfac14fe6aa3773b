//! Observers of decisions: metrics, traces, the decision log. An observer is called once for each answered
//! Check, with the decision's context borrowed, so that the call needs no allocation. An observer must not
//! block, because the caller of the Check is waiting for the answer.

use std::time::Duration;

use crate::decision::{Decision, DecisionContext, DecisionSource, Denial};
use crate::error::SystemError;

/// Receives every answered Check, token event and finished RPC.
pub trait CheckObserver: Send + Sync {
    /// Called when a Check is answered.
    fn on_check(&self, event: &CheckEvent<'_>);

    /// Called when tokens are issued, refreshed or reused, or a login is attempted.
    fn on_token_event(&self, _: TokenEvent) {}

    /// Called when an RPC other than Check ends.
    fn on_rpc(&self, _: &RpcEvent) {}
}

/// Observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopObserver;

impl CheckObserver for NoopObserver {
    fn on_check(&self, _: &CheckEvent<'_>) {}
}

/// Entrypoint of a Check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrypoint {
    /// Envoy's ext_authz RPC.
    ExtAuthz,
    /// Latchkey's own Check RPC.
    Native,
    /// A product's own HTTP endpoint.
    Http,
}

impl Entrypoint {
    /// Every entrypoint.
    pub const ALL: [Self; 3] = [Self::ExtAuthz, Self::Native, Self::Http];

    /// Returns the value of the metric label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ExtAuthz => "ext_authz",
            Self::Native => "native",
            Self::Http => "http",
        }
    }
}

/// Outcome of a Check.
#[derive(Clone, Copy, Debug)]
pub enum CheckOutcome<'a> {
    /// The call is allowed.
    Allowed,
    /// The call is denied.
    Denied(&'a Denial),
    /// The message could not be read as a Check.
    Malformed,
    /// No decision exists.
    Error(&'a SystemError),
}

impl<'a> CheckOutcome<'a> {
    /// Returns the outcome of a decision.
    #[must_use]
    pub fn of(decision: &'a Decision) -> Self {
        match decision {
            Decision::Allow(_) => Self::Allowed,
            Decision::Deny(denial) => Self::Denied(denial),
        }
    }

    /// Returns `ALLOW`, `DENY` or `ERROR`.
    #[must_use]
    pub fn decision(self) -> &'static str {
        match self {
            Self::Allowed => "ALLOW",
            Self::Denied(_) | Self::Malformed => "DENY",
            Self::Error(_) => "ERROR",
        }
    }

    /// Returns `OK`, the denial's reason, or the kind of the error.
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

/// Metadata of the request that a Check is about. A value is searched for when an observer asks for it, and
/// not before.
pub trait RequestMetadata {
    /// Returns the trace context of the request, as it was sent (W3C `traceparent`).
    fn traceparent(&self) -> Option<&[u8]> {
        None
    }

    /// Returns the vendor part of the trace context (W3C `tracestate`).
    fn tracestate(&self) -> Option<&[u8]> {
        None
    }

    /// Returns Envoy's identifier of the request.
    fn envoy_request_id(&self) -> Option<&[u8]> {
        None
    }
}

/// Metadata of a request that has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetadata;

impl RequestMetadata for NoMetadata {}

/// An answered Check. `context.started_at` is the moment at which the evaluation began.
#[derive(Clone, Copy)]
pub struct CheckEvent<'a> {
    /// The entrypoint.
    pub entrypoint: Entrypoint,
    /// The outcome.
    pub outcome: CheckOutcome<'a>,
    /// The context of the decision, as far as the gate filled it.
    pub context: &'a DecisionContext,
    /// The request's identifier; empty if it has none.
    pub request_id: &'a str,
    /// The HTTP method, as sent; empty if unknown.
    pub method: &'a str,
    /// The request's metadata.
    pub metadata: &'a dyn RequestMetadata,
}

impl CheckEvent<'_> {
    /// Returns the source of the decision. An error counts as the database's, because a query failed.
    #[must_use]
    pub fn source(&self) -> DecisionSource {
        match self.outcome {
            CheckOutcome::Error(_) => DecisionSource::Database,
            CheckOutcome::Allowed | CheckOutcome::Denied(_) | CheckOutcome::Malformed => {
                self.context.source()
            }
        }
    }

    /// Returns the pattern of the route that matched the call.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        let (policy, number) = self.context.policy.as_ref().zip(self.context.route)?;
        policy.routes.get(number).map(|route| route.pattern.text())
    }
}

/// An event of tokens and logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEvent {
    /// A login with a password.
    Login(LoginOutcome),
    /// A request for tokens.
    Issue {
        /// True if it was made with a password, false if with a key.
        password: bool,
        /// The outcome.
        outcome: CallOutcome,
    },
    /// A refresh of tokens.
    Refresh(CallOutcome),
    /// Use of a refresh token that had been used before. Its family was ended.
    Reuse,
}

/// Outcome of a token call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// The call succeeded.
    Ok,
    /// The call was rejected.
    Rejected,
    /// The service failed.
    Error,
}

/// Outcome of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The password is the user's.
    Success,
    /// The password is wrong, or the user does not exist.
    Failure,
    /// The user has too many failed attempts; the password was not checked.
    Locked,
    /// Too many logins were waiting; the password was not checked.
    Busy,
}

/// A finished RPC other than Check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcEvent {
    /// The RPC, as in the request's path.
    pub method: &'static str,
    /// The code of its gRPC status.
    pub code: i32,
    /// The duration of the call.
    pub duration: Duration,
}
