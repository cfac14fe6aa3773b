//! What goes wrong besides a denial, which is an answer. Four fates: a *refusal* of a management call
//! says what the caller did wrong; an *outage* means that nobody could decide just now; a *fault* is ours.

use std::time::Duration;

/// No decision exists: a store could not be asked. Never remembered, never turned into a denial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SystemError {
    /// A store did not answer in time, or at all; trying again later may help.
    #[error("{dependency} did not answer")]
    Unavailable {
        /// Which one, for the log and the caller ("the database").
        dependency: &'static str,
        /// How long to wait before trying again.
        retry_after: Duration,
    },
    /// A bug or a spoiled row; the text is for our log alone.
    #[error("internal fault")]
    Internal(String),
}

impl SystemError {
    /// The database could not be asked.
    #[must_use]
    pub fn database() -> Self {
        Self::Unavailable { dependency: "the database", retry_after: Duration::from_secs(1) }
    }
}

/// One field of a request that is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path as in the .proto (`key.scopes[1]`).
    pub field: String,
    /// What is wrong with it, in a sentence.
    pub description: String,
}

impl FieldViolation {
    /// A wrong field.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

/// Why a management call was refused; its sender can do something about each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Fields are wrong: every one of them is named.
    #[error("invalid argument")]
    InvalidArgument(Vec<FieldViolation>),
    /// Nothing of that name that the caller may know of.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// Something else holds that name already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The thing isn't in a state that allows this (a revoked key can't be rotated).
    #[error("{0}")]
    FailedPrecondition(String),
    /// Nobody said who they are, or not truly.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Known, and not allowed.
    #[error("{0}")]
    PermissionDenied(String),
    /// There is more of this to do than can be done at once; it may be asked again soon.
    #[error("{0}")]
    ResourceExhausted(&'static str),
}

impl RequestError {
    /// One wrong field.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::InvalidArgument(vec![FieldViolation::new(field, description)])
    }
}

/// What a management call may end in besides its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagementError {
    /// The caller's to mend.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Ours.
    #[error(transparent)]
    System(#[from] SystemError),
}
