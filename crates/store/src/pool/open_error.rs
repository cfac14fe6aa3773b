//! Reasons why a connection could not be opened for use, in the words of the database or the operating system.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

use super::cause::describe;
use super::{DatabaseFailure, DatabaseFileError};

/// Error of opening a connection. The text holds no password: the database's own messages about connecting name
/// the user and the database at most.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The database, or the network on the way to it, refused.
    #[error("{}", words(.0))]
    Database(#[from] SqlxError),
    /// No connection in time.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// Errors of several hosts, of which none works.
    #[error("{}", each(.0))]
    Hosts(Vec<(String, OpenError)>),
    /// A file that the URL names for TLS.
    #[error("{parameter} can't be used: {path}: {error}", path = .path.display())]
    TlsFile {
        /// Parameter of the URL.
        parameter: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        error: io::Error,
    },
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
    /// Notices of the server do not arrive.
    #[error(
        "the server's notices do not arrive, by which a commit that its standby lacks is noticed: let the connection \
         pooler pass them on, or connect without it"
    )]
    NoNotices,
    /// A database that can't hold every character.
    #[error(
        "the database's encoding is {0}, and Latchkey needs UTF8: create the database with ENCODING 'UTF8'"
    )]
    Encoding(String),
    /// A session in which the server does not enforce foreign keys.
    #[error(
        "session_replication_role is replica, so that foreign keys are not enforced: reset it for the role, the database and the \
         server (ALTER ROLE, ALTER DATABASE and ALTER SYSTEM ... RESET session_replication_role, or the server's parameters)"
    )]
    ForeignKeys,
    /// The SQLite file is not the one that this process uses.
    #[error(transparent)]
    File(#[from] DatabaseFileError),
}

impl From<&OpenError> for DatabaseFailure {
    fn from(error: &OpenError) -> Self {
        Self { cause: error.to_string(), refused: error.is_refusal() }
    }
}

impl OpenError {
    /// Returns whether the server, or the role, has as many connections as it may have.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Database(SqlxError::Database(error)) => error.code().is_some_and(|code| code == "53300"),
            Self::Hosts(hosts) => hosts.iter().any(|(_, error)| error.is_full()),
            _ => false,
        }
    }

    /// Returns whether the database answers, and refuses the connection or must not be used.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Hosts(hosts) => hosts.iter().all(|(_, error)| error.is_refusal()),
            // Whatever its code, the server or a pooler in front of it has answered.
            Self::Database(SqlxError::Database(_))
            | Self::Standby
            | Self::Setting { .. }
            | Self::NoNotices
            | Self::Encoding(_)
            | Self::ForeignKeys
            | Self::File(_) => true,
            Self::Database(_) | Self::TimedOut(_) | Self::TlsFile { .. } => false,
        }
    }
}

/// Returns the errors of all hosts in one line.
fn each(hosts: &[(String, OpenError)]) -> String {
    let lines: Vec<_> = hosts.iter().map(|(host, error)| format!("{host}: {error}")).collect();
    lines.join("; ")
}

/// Returns the cause in the database's words. Errors of connecting are the database's or the network's own.
fn words(error: &SqlxError) -> String {
    describe(error).unwrap_or_else(|| error.to_string())
}

/// Converts an error of opening: an internal error is a server or a file that must not be used, or a file for TLS; any
/// other is the database's own or the network's.
impl From<OpenError> for DbErr {
    fn from(error: OpenError) -> Self {
        let refused = error.is_refusal();
        match error {
            OpenError::Database(error) => Self::Conn(RuntimeErr::SqlxError(error.into())),
            error @ (OpenError::TimedOut(_) | OpenError::Hosts(_)) if !refused => {
                let no_answer = SqlxError::Io(io::Error::other(error.to_string()));
                Self::Conn(RuntimeErr::SqlxError(no_answer.into()))
            }
            error => Self::Conn(RuntimeErr::Internal(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::cause_of;

    #[test]
    fn hosts_that_all_refuse_are_distinguished_from_one_that_does_not_answer() {
        let host = |name: &str, error| (name.to_owned(), error);
        let silent = || host("db1", OpenError::TimedOut(Duration::from_secs(3)));
        let standby = || host("db2", OpenError::Standby);
        for (hosts, refused) in
            [(vec![standby(), standby()], true), (vec![silent(), standby()], false), (vec![silent()], false)]
        {
            let error = OpenError::Hosts(hosts);
            let failure = DatabaseFailure::from(&error);
            assert_eq!(failure.refused, refused, "{error}");
            let internal = matches!(DbErr::from(error), DbErr::Conn(RuntimeErr::Internal(_)));
            assert_eq!(internal, refused, "{failure:?}");
        }
    }

    #[test]
    fn the_hosts_that_do_not_answer_are_still_named() {
        let hosts = vec![("db1".to_owned(), OpenError::TimedOut(Duration::from_secs(3)))];
        let cause = cause_of(&OpenError::Hosts(hosts).into());
        assert_eq!(cause, "db1: no connection within 3s");
    }
}
