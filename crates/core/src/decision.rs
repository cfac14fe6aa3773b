//! Result of a decision. A denial is a normal result, as a permit is, and never an error. Only the gate can
//! make a permit, so that no default value and no forgotten branch can allow a call.

use std::borrow::Cow;
use std::sync::Arc;

use crate::limit::Levels;
use crate::policy::Policy;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::scope::ScopeSet;
use crate::time::Moment;

/// Proof that the gate allowed a call.
#[derive(Clone, Debug)]
pub struct Permit {
    _private: (),
}

impl Permit {
    pub(crate) fn new() -> Self {
        Self { _private: () }
    }
}

/// Refusal of a call, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The reason, by its name in the contract.
    pub reason: Reason,
    /// A human-readable sentence.
    pub message: Cow<'static, str>,
}

impl Denial {
    /// Returns a denial with the default message of its reason.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, message: Cow::Borrowed(reason.message()) }
    }

    /// Returns a denial with a message of its own.
    #[must_use]
    pub fn with_message(reason: Reason, message: String) -> Self {
        Self { reason, message: Cow::Owned(message) }
    }
}

/// Decision about one call.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The call is allowed.
    Allow(Permit),
    /// The call is denied.
    Deny(Denial),
}

/// A step of an explained evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainStep {
    /// Name of the step: `credential`, `certificate`, `token`, `key`, `user`, `tenant`, `environment`,
    /// `route`, `scope`, `resource`, `network`, `rate_limit` or `shadow`.
    pub name: &'static str,
    /// True if the step found no reason to deny the call.
    pub passed: bool,
    /// Human-readable finding of the step.
    pub detail: String,
}

/// A decision and the context that it was made in.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// The context, as far as the gate filled it.
    pub context: DecisionContext,
}

/// Place where the data of a decision was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecisionSource {
    /// The cache, or the request alone.
    #[default]
    Cache,
    /// The database: at least one query was necessary.
    Database,
}

impl DecisionSource {
    /// Every source.
    pub const ALL: [Self; 2] = [Self::Cache, Self::Database];

    /// Returns the value of the metric label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Database => "database",
        }
    }
}

/// Cache lookups of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupCounts {
    /// Lookups that found an entry.
    pub hits: u8,
    /// Lookups that found a negative entry.
    pub negative_hits: u8,
    /// Lookups that needed a query.
    pub misses: u8,
}

/// Facts that the gate collected on the way to a decision, as far as it got.
#[derive(Clone, Debug, Default)]
pub struct DecisionContext {
    /// The key or user that the credential belongs to, valid or not; absent if the credential was not
    /// recognised.
    pub principal: Option<Principal>,
    /// The policy that the call was evaluated by.
    pub policy: Option<Arc<Policy>>,
    /// Index of the route that matched the call.
    pub route: Option<usize>,
    /// Scopes that were needed and not granted.
    pub missing_scopes: ScopeSet,
    /// Needed scopes that the profile does not declare.
    pub unknown_scopes: Vec<String>,
    /// Levels of every bucket that was consulted, the tightest first.
    pub levels: Levels,
    /// Steps of the evaluation; empty unless the input asked for an explanation.
    pub steps: Vec<ExplainStep>,
    /// The revision that the decision was made at.
    pub revision: u64,
    /// Moment at which the evaluation began.
    pub started_at: Moment,
    /// Cache lookups by result.
    pub lookups: LookupCounts,
    /// The first denial that was not enforced because the rule behind it is in shadow.
    pub shadow: Option<Denial>,
    /// True if the caller of Check misspelt a name in its request, so that the request is malformed.
    pub malformed: bool,
    /// True if the credential belongs to a known principal and is not valid now (revoked, disabled, expired,
    /// of a suspended tenant). Such a call can pass in shadow alone, and then the principal is not passed on
    /// as verified.
    pub principal_invalid: bool,
}

impl DecisionContext {
    /// Returns the source of the decision: the database if any lookup needed a query, the cache otherwise.
    #[must_use]
    pub fn source(&self) -> DecisionSource {
        if self.lookups.misses > 0 { DecisionSource::Database } else { DecisionSource::Cache }
    }

    /// Returns the principal if its credential is valid: the one to name to the upstream for a call that
    /// passes.
    #[must_use]
    pub fn verified_principal(&self) -> Option<&Principal> {
        self.principal.as_ref().filter(|_| !self.principal_invalid)
    }
}

impl Verdict {
    /// Returns the denial, if the call was denied.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match &self.decision {
            Decision::Allow(_) => None,
            Decision::Deny(denial) => Some(denial),
        }
    }
}
