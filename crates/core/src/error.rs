//! Errors, as opposed to denials, which are results. A [`RequestError`] says what the caller of a management
//! RPC did wrong. A [`SystemError`] means that no result exists: a dependency is unavailable, or there is an
//! internal error.

use std::time::Duration;

use crate::excerpt::Quoted;

/// Failure to reach a decision or result. It is never cached and never turned into a denial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SystemError {
    /// A dependency did not respond, or not in time. A later attempt may succeed.
    #[error("{dependency} {problem}")]
    Unavailable {
        /// Name of the dependency, for the log and the caller ("the database").
        dependency: &'static str,
        /// Problem of the dependency, as the rest of a sentence: [`SystemError::NO_ANSWER`], or why it refused the call or
        /// can't be used.
        problem: &'static str,
        /// Time to wait before the next attempt.
        retry_after: Duration,
    },
    /// A bug or a corrupt row. The text is meant for the log and is not sent to the caller.
    #[error("internal error")]
    Internal(String),
}

impl SystemError {
    /// Problem of a dependency that did not respond: the call may or may not have had its effect.
    pub const NO_ANSWER: &'static str = "did not answer";

    /// Returns the error of a dependency that did not respond.
    #[must_use]
    pub fn no_answer(dependency: &'static str, retry_after: Duration) -> Self {
        Self::Unavailable { dependency, problem: Self::NO_ANSWER, retry_after }
    }

    /// Returns whether a dependency did not respond, or not in time.
    #[must_use]
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unavailable { problem, .. } if *problem == Self::NO_ANSWER)
    }

    /// Returns the error of a database that did not respond.
    #[must_use]
    pub fn database() -> Self {
        Self::no_answer("the database", Duration::from_secs(1))
    }

    /// Returns the error of a database that refused the call, which then had no effect. The problem is the rest of a
    /// sentence about the database.
    #[must_use]
    pub fn database_refused(problem: &'static str) -> Self {
        Self::Unavailable { dependency: "the database", problem, retry_after: Duration::from_secs(1) }
    }

    /// Returns the text for the log: the error and, of an internal error, its cause, which callers do not get.
    #[must_use]
    pub fn log_text(&self) -> String {
        match self {
            Self::Unavailable { .. } => self.to_string(),
            Self::Internal(cause) => format!("{self}: {cause}"),
        }
    }
}

/// Violation of one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path of the field as in the .proto file (`key.scopes[1]`).
    pub field: String,
    /// Description of the violation, in a sentence.
    pub description: String,
}

impl FieldViolation {
    /// Returns the violation of this field.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

/// Name of an object that was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingName {
    /// Name as the caller wrote it.
    Written(String),
    /// A text that is not repeated, since it does not have the form of a name and may be a credential. The field describes
    /// the form ("the id of a key (key_…)").
    Malformed(&'static str),
    /// No name: the request has none, or it may be a credential.
    Withheld,
    /// Text of the error, which names the object and what there is in its place.
    Described(String),
}

/// Reason why a management call was rejected. The sender of the call can correct each of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Fields are invalid; all of them are listed.
    #[error("invalid argument")]
    InvalidArgument(Vec<FieldViolation>),
    /// No object of that name exists, or the caller may not know of it.
    #[error("{}", describe_missing(.what, .name))]
    NotFound {
        /// Type of the object ("key").
        what: &'static str,
        /// Name of the object in the request.
        name: MissingName,
    },
    /// Another object has that name or identifier already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The object's state does not allow the operation (a revoked key cannot be rotated).
    #[error("{0}")]
    FailedPrecondition(String),
    /// No credential, or an invalid one.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// A login with a tenant, an e-mail address and a password that do not belong together. One error for all causes.
    #[error("the tenant, the e-mail address or the password is wrong")]
    InvalidLogin,
    /// The caller is known and may not do this.
    #[error("{0}")]
    PermissionDenied(String),
    /// The limit of concurrent work of this type is reached; a later attempt may succeed.
    #[error("{0}")]
    ResourceExhausted(&'static str),
    /// Too many calls of this type were made; one after the wait may succeed.
    #[error("{message}")]
    TooManyCalls {
        /// Description of the limit.
        message: &'static str,
        /// Time until the limit has room.
        retry_after: Duration,
    },
}

impl RequestError {
    /// Returns the error of one invalid field.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::InvalidArgument(vec![FieldViolation::new(field, description)])
    }

    /// Returns the error of an object that is missing, with its name. The name is repeated, so it must not be a credential.
    pub fn not_found(what: &'static str, name: &(impl ToString + ?Sized)) -> Self {
        Self::NotFound { what, name: MissingName::Written(name.to_string()) }
    }

    /// Returns the error of an object that is missing, without a name.
    #[must_use]
    pub fn no_such(what: &'static str) -> Self {
        Self::NotFound { what, name: MissingName::Withheld }
    }
}

fn describe_missing(what: &str, name: &MissingName) -> String {
    match name {
        MissingName::Written(name) => format!("{what} {} was not found", Quoted(name)),
        MissingName::Malformed(form) => format!("no such {what}: the text is not {form}"),
        MissingName::Withheld => format!("no such {what}"),
        MissingName::Described(text) => text.clone(),
    }
}

/// Error of a management call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagementError {
    /// The caller can correct it.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The service failed.
    #[error(transparent)]
    System(#[from] SystemError),
}

impl ManagementError {
    /// Returns the text for the log: the error with all that it consists of.
    #[must_use]
    pub fn log_text(&self) -> String {
        match self {
            Self::Request(RequestError::InvalidArgument(violations)) => {
                let violations = violations.iter().map(|one| format!("{}: {}", one.field, one.description));
                format!("{self}: {}", violations.collect::<Vec<_>>().join("; "))
            }
            Self::Request(error) => error.to_string(),
            Self::System(error) => error.log_text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_for_the_log_has_what_callers_do_not_get() {
        let damage = SystemError::Internal("the row 7 of keys is corrupt".to_owned());
        assert_eq!(damage.to_string(), "internal error");
        assert_eq!(ManagementError::from(damage).log_text(), "internal error: the row 7 of keys is corrupt");
        assert_eq!(SystemError::database().log_text(), "the database did not answer");
        let invalid = ManagementError::from(RequestError::field("key.name", "is empty"));
        assert_eq!(invalid.log_text(), "invalid argument: key.name: is empty");
    }
}
