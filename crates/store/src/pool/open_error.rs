//! Reasons why a connection could not be opened for use, in the words of the database or the operating system.

use std::time::Duration;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

use super::{DatabaseFileError, OpenFailure};

/// Error of opening a connection. The text holds no password: the database's own messages about connecting name
/// the user and the database at most.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The database, or the network on the way to it, refused.
    #[error("{}", describe(.0))]
    Database(#[from] SqlxError),
    /// No connection in time.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// A server that replays another one's log.
    #[error("the server is a standby (in recovery): it does not accept writes")]
    Standby,
    /// A setting that the session does not have although it was set.
    #[error(
        "the session's {name} is {actual} and not {wanted}, although it was set: remove what overrides it in the \
         connection pooler or the server"
    )]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Value that was set.
        wanted: String,
        /// Value that the session reports.
        actual: String,
    },
    /// The SQLite file is not the one that this process uses.
    #[error(transparent)]
    File(#[from] DatabaseFileError),
}

impl From<&OpenError> for OpenFailure {
    fn from(error: &OpenError) -> Self {
        let refused = !matches!(error, OpenError::Database(_) | OpenError::TimedOut(_));
        Self { cause: error.to_string(), refused }
    }
}

/// Returns an error's own words, with the database's code for it.
fn describe(error: &SqlxError) -> String {
    if let SqlxError::Io(cause) = error {
        return cause.to_string();
    }
    let SqlxError::Database(cause) = error else { return error.to_string() };
    match cause.code() {
        Some(code) if code.len() == 5 => format!("{} (SQLSTATE {code})", cause.message()),
        Some(code) => format!("{} (SQLite code {code})", cause.message()),
        None => cause.message().to_owned(),
    }
}

impl From<OpenError> for DbErr {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Database(error) => Self::Conn(RuntimeErr::SqlxError(error.into())),
            error => Self::Conn(RuntimeErr::Internal(error.to_string())),
        }
    }
}
