//! The answer. A denial is an answer like an admission, never an error; and an admission can be made by
//! the gate alone, so that no default value and no forgotten branch lets anyone in.

use std::borrow::Cow;
use std::sync::Arc;

use crate::limit::Levels;
use crate::policy::Policy;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::scope::ScopeSet;
use crate::time::Moment;

/// Proof that the gate let a call pass.
#[derive(Clone, Debug)]
pub struct Permit {
    _private: (),
}

impl Permit {
    pub(crate) fn new() -> Self {
        Self { _private: () }
    }
}

/// Why a call does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The reason, by the contract's name.
    pub reason: Reason,
    /// For people.
    pub message: Cow<'static, str>,
}

impl Denial {
    /// A denial that says what its reason says.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, message: Cow::Borrowed(reason.message()) }
    }

    /// A denial that says more.
    #[must_use]
    pub fn with_message(reason: Reason, message: String) -> Self {
        Self { reason, message: Cow::Owned(message) }
    }
}

/// May this one pass?
#[derive(Clone, Debug)]
pub enum Decision {
    /// Yes.
    Allow(Permit),
    /// No.
    Deny(Denial),
}

/// One thing that was examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainStep {
    /// `credential`, `token`, `key`, `user`, `tenant`, `environment`, `route`, `scope`, `resource`, `network`, `rate_limit`,
    /// `shadow`.
    pub name: &'static str,
    /// Whether it was in order.
    pub passed: bool,
    /// What was seen, for people.
    pub detail: String,
}

/// A decision, and what was seen on the way to it.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// What was seen.
    pub context: DecisionContext,
}

/// Who knew the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecisionSource {
    /// What is remembered, or the question itself.
    #[default]
    Cache,
    /// The store, which had to be asked.
    Database,
}

impl DecisionSource {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cache, Self::Database];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Database => "database",
        }
    }
}

/// What looking things up came to, of one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupCounts {
    /// Remembered.
    pub hits: u8,
    /// Remembered not to be there.
    pub negative_hits: u8,
    /// Asked of the store.
    pub misses: u8,
}

/// What the gate saw, as far as it got.
#[derive(Clone, Debug, Default)]
pub struct DecisionContext {
    /// Who is asking, wherever the credential was recognised.
    pub principal: Option<Principal>,
    /// The profile that was judged by.
    pub policy: Option<Arc<Policy>>,
    /// The number of the route that took the call.
    pub route: Option<usize>,
    /// Scopes that were needed and not granted.
    pub missing_scopes: ScopeSet,
    /// Needed scopes that the profile doesn't know at all.
    pub unknown_scopes: Vec<String>,
    /// Every bucket that was consulted, the tightest first.
    pub levels: Levels,
    /// What was examined, where that was asked for.
    pub steps: Vec<ExplainStep>,
    /// The revision that the decision was made at.
    pub revision: u64,
    /// When judging began.
    pub started_at: Moment,
    /// What was looked up, and where it was found.
    pub lookups: LookupCounts,
    /// The first denial that was not enforced, since what it falls under is tried only.
    pub shadow: Option<Denial>,
    /// Whether the credential names somebody and is not in order. Such a call passes in shadow alone, and then
    /// nobody vouches for who sent it.
    pub principal_invalid: bool,
}

impl DecisionContext {
    /// Who knew the answer: the store, where it was asked for anything at all.
    #[must_use]
    pub fn source(&self) -> DecisionSource {
        if self.lookups.misses > 0 { DecisionSource::Database } else { DecisionSource::Cache }
    }

    /// Who a call that passes is vouched to come from.
    #[must_use]
    pub fn verified_principal(&self) -> Option<&Principal> {
        self.principal.as_ref().filter(|_| !self.principal_invalid)
    }
}

impl Verdict {
    /// The reason of a denial.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match &self.decision {
            Decision::Allow(_) => None,
            Decision::Deny(denial) => Some(denial),
        }
    }
}
