//! Who is told of every answer: metrics, traces, a log of decisions. Told once an answer, where it is given, with
//! what was seen on the way borrowed, so that telling costs no allocation. A witness never waits: whoever asked
//! is waiting for the answer.

use std::time::Duration;

use crate::decision::{Decision, Denial, Seen, Source};
use crate::trouble::Trouble;

/// Hears of what happens.
pub trait Witness: Send + Sync {
    /// A question was answered.
    fn saw(&self, answered: &Answered<'_>);

    /// Something happened to tokens.
    fn noted(&self, _: Event) {}

    /// A call of another RPC came to its end.
    fn served(&self, _: &Served) {}
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blind;

impl Witness for Blind {
    fn saw(&self, _: &Answered<'_>) {}
}

/// Where a question came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// From Envoy.
    Envoy,
    /// By our own API.
    Native,
    /// With a product's own call.
    Rest,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 3] = [Self::Envoy, Self::Native, Self::Rest];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Native => "native",
            Self::Rest => "rest",
        }
    }
}

/// What a question came to.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It may pass.
    Allowed,
    /// It may not.
    Denied(&'a Denial),
    /// There was no question in what came.
    Unreadable,
    /// Nobody could decide.
    Troubled(&'a Trouble),
}

impl<'a> Outcome<'a> {
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
            Self::Denied(_) | Self::Unreadable => "DENY",
            Self::Troubled(_) => "ERROR",
        }
    }

    /// `OK`, the denial's reason, or what was in the way.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Allowed => "OK",
            Self::Denied(denial) => denial.reason.name(),
            Self::Unreadable => "UNREADABLE",
            Self::Troubled(Trouble::Outage { .. }) => "OUTAGE",
            Self::Troubled(Trouble::Fault(_)) => "FAULT",
        }
    }
}

/// What came along with a question. It is looked for where somebody wants it, and not before.
pub trait Sent {
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
pub struct Bare;

impl Sent for Bare {}

/// A question that was answered. `seen.began` says when judging began.
#[derive(Clone, Copy)]
pub struct Answered<'a> {
    /// Where it came in.
    pub door: Door,
    /// The answer.
    pub outcome: Outcome<'a>,
    /// What was seen on the way, as far as the gate got.
    pub seen: &'a Seen,
    /// The request's identifier; empty where none is known.
    pub request_id: &'a str,
    /// The HTTP method, as sent; empty where none is known.
    pub method: &'a str,
    /// What came along.
    pub sent: &'a dyn Sent,
}

impl Answered<'_> {
    /// Who knew the answer. Where there is none, somebody was asked in vain.
    #[must_use]
    pub fn source(&self) -> Source {
        match self.outcome {
            Outcome::Troubled(_) => Source::Store,
            Outcome::Allowed | Outcome::Denied(_) | Outcome::Unreadable => self.seen.source(),
        }
    }

    /// The pattern of the route that took the call.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        let (policy, number) = self.seen.policy.as_ref().zip(self.seen.route)?;
        policy.routes.get(number).map(|route| route.pattern.text())
    }
}

/// What happens to tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody came with a password.
    Login(Login),
    /// Somebody asked for tokens, and got them or not.
    Issue {
        /// With a password; otherwise, with a key.
        password: bool,
        /// How it ended.
        ended: Ended,
    },
    /// Somebody asked for tokens to be renewed.
    Refresh(Ended),
    /// A refresh token came that was spent before; its family ended.
    Reuse,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As was asked.
    Done,
    /// Refused.
    Refused,
    /// Nobody could do it.
    Failed,
}

/// What came of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// It is the user's.
    Right,
    /// It isn't, or there is no such user.
    Wrong,
    /// The user has tried too often, and it wasn't looked at.
    Locked,
    /// Too many others were waiting.
    Busy,
}

/// A call of an RPC that isn't a Check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The RPC, as it stands in the request's path.
    pub method: &'static str,
    /// The code of its gRPC status.
    pub code: i32,
    /// How long it took.
    pub took: Duration,
}
