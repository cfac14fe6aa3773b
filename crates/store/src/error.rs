//! Errors of queries and writes, and their conversion to core's errors: unavailable if a retry may help, a
//! request error if the caller's request cannot be fulfilled, internal if a row or the program is corrupt.
//!
//! A database's own messages are never passed on to callers, because PostgreSQL quotes the values that violate a
//! constraint. The log has those that describe the database itself (see [`cause_of`]).

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

use crate::pool::{cause_of, is_unconfirmed};

/// Problem of a database that refuses connections or must not be used. The pool has recorded and logged the cause.
const UNUSABLE: &str = "can't be used: see /readyz or Latchkey's log";
/// Problem of a database that is behind.
const BEHIND: &str = "can't be used: it lacks commits that are known to exist";

/// Problem of a database that committed and warned that its standby may lack the commit.
const UNCONFIRMED: &str = "committed with a warning: its standby may lack the change; repeat the call";
/// Problem of a database that does not do what a statement says. The log names the table.
const NOT_STORED: &str = "refused the call: a trigger, a rule or row-level security keeps rows from being stored, see Latchkey's log";

/// An error that ends a query or a write.
#[derive(Clone, Debug)]
pub(crate) enum StoreError {
    /// The database returned an error or did not respond.
    Database(DbErr),
    /// A row that the store cannot have written: names the row and the wrong column.
    Corrupt(String),
    /// A statement that succeeded and did not change the rows that it names (see [`crate::write::stored`]).
    NotStored,
    /// The rule or a unique constraint refused the write.
    Refused(RequestError),
    /// An answer from a server that is behind: it does not know of commits that are known to exist.
    Stale,
}

impl StoreError {
    /// Returns whether no connection could be used, or the one that was used is unusable after this error.
    pub(crate) fn breaks_connection(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
                breaks_connection(error)
            }
            _ => false,
        }
    }
}

impl StoreError {
    /// Returns whether a row refers to one that is missing, or is referred to by one that stays.
    pub(crate) fn is_foreign_key(&self) -> bool {
        let Self::Database(error) = self else { return false };
        matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<RequestError> for StoreError {
    fn from(refusal: RequestError) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for SystemError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => classify_error(&error),
            StoreError::Corrupt(what) => Self::Internal(what),
            StoreError::NotStored => Self::database_refused(NOT_STORED),
            StoreError::Refused(refusal) => Self::Internal(format!("a read was refused: {refusal}")),
            StoreError::Stale => Self::database_refused(BEHIND),
        }
    }
}

impl From<StoreError> for ManagementError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Database(_) | StoreError::Corrupt(_) | StoreError::NotStored | StoreError::Stale => {
                SystemError::from(error).into()
            }
        }
    }
}

/// Returns whether the connection is unusable after this error.
pub(crate) fn breaks_connection(error: &SqlxError) -> bool {
    match error {
        SqlxError::Database(database) => database.code().is_some_and(|code| ends_session(&code)),
        SqlxError::RowNotFound
        | SqlxError::ColumnDecode { .. }
        | SqlxError::ColumnIndexOutOfBounds { .. }
        | SqlxError::ColumnNotFound(_)
        | SqlxError::Decode(_)
        | SqlxError::Encode(_)
        | SqlxError::TypeNotFound { .. } => false,
        _ => true,
    }
}

/// Returns whether the error says that the server does not accept writes: it is a standby, or became one while
/// a connection to it was open.
pub(crate) fn shows_standby(error: &SqlxError) -> bool {
    let SqlxError::Database(database) = error else { return false };
    database.code().is_some_and(|code| is_standby(&code))
}

/// Returns whether a session is of no use after an error with this SQLSTATE: the server ended it (connection
/// exceptions, a shutdown, a time limit of an idle session or of a transaction), or does not accept writes.
fn ends_session(code: &str) -> bool {
    let ended = code.len() == 5 && (code.starts_with("08") || code.starts_with("57P"));
    ended || ["25P03", "25P04"].contains(&code) || is_standby(code)
}

/// Returns whether this SQLSTATE is that of a write on a standby. `BEGIN READ WRITE` is refused there as a
/// feature that is not supported. This crate's statements have that code for two other reasons: a change of the
/// schema, after which the prepared statements of a session are outdated and a new session is needed as well; and
/// once, on a server that does not name its timeline.
fn is_standby(code: &str) -> bool {
    matches!(code, "25006" | "0A000")
}

/// Returns whether the server does not have a function that a statement calls, does not support it, or does not permit
/// it.
pub(crate) fn lacks_function(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(sea_orm::sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(code.as_ref(), "42883" | "42501" | "0A000"))
}

fn classify_error(error: &DbErr) -> SystemError {
    match error {
        DbErr::ConnectionAcquire(_) => SystemError::database(),
        // An internal error of connecting is the pool's own: a server or a file that must not be used.
        DbErr::Conn(RuntimeErr::Internal(_)) => SystemError::database_refused(UNUSABLE),
        DbErr::Conn(RuntimeErr::SqlxError(e)) if is_outage(e) => classify_failed_connection(e),
        DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) if is_outage(e) => {
            refusal(e).map_or_else(SystemError::database, SystemError::database_refused)
        }
        DbErr::Conn(RuntimeErr::SqlxError(_))
        | DbErr::Exec(RuntimeErr::SqlxError(_))
        | DbErr::Query(RuntimeErr::SqlxError(_)) => SystemError::Internal(cause_of(error)),
        other => SystemError::Internal(other.to_string()),
    }
}

/// Returns the error of a connection that could not be opened. A database that gave a reason has answered.
fn classify_failed_connection(error: &SqlxError) -> SystemError {
    match refusal(error) {
        Some(problem) => SystemError::database_refused(problem),
        None if error.as_database_error().is_some() => SystemError::database_refused(UNUSABLE),
        None => SystemError::database(),
    }
}

fn is_outage(error: &SqlxError) -> bool {
    match error {
        SqlxError::Database(database) => is_transient(&database.code().unwrap_or_default()),
        other => breaks_connection(other),
    }
}

/// Returns what the database answered instead of a result: why it refused a statement or a session, which then had no
/// effect, or why it can't be used. `None` if nothing more is known than that there is no result.
fn refusal(error: &SqlxError) -> Option<&'static str> {
    if is_unconfirmed(error) {
        return Some(UNCONFIRMED);
    }
    let SqlxError::Database(database) = error else { return None };
    problem_of(&database.code()?)
}

/// Returns the sort of a refusal by its code, in this program's words. A session that the server ended, and a statement
/// that it cancelled, may have been committed before. A file that can't be used may have the change or not.
fn problem_of(code: &str) -> Option<&'static str> {
    if code.len() != 5 {
        return Some(match code.parse::<u32>().ok()? & 0xff {
            3 | 23 => "refused the call: a permission of its file is missing",
            5 | 6 => "refused the call: another process has locked it",
            7 => "refused the call: it is out of memory",
            8 => "refused the call: it accepts no writes",
            9 => "refused the call: it was interrupted",
            10 => "can't be used: its file can't be read or written, see /readyz or Latchkey's log",
            13 => "refused the call: its disk is full",
            14 => "can't be used: its file can't be opened, see /readyz or Latchkey's log",
            15 => "refused the call: its locks are not available",
            _ => return None,
        });
    }
    Some(match code {
        "25006" => "refused the call: it accepts no writes",
        "40001" | "40P01" => "refused the call: another one changed the same rows",
        "42501" => "refused the call: the role lacks a permission",
        "53100" => "refused the call: its disk is full",
        "53200" => "refused the call: it is out of memory",
        "53300" => "refused the call: it accepts no more connections",
        "55P03" => "refused the call: another one holds a lock",
        code if code.starts_with("28") => "refused the call: it does not accept the role or its password",
        code if code.starts_with("3D") => "refused the call: it has no database of this name",
        code if code.starts_with("53") => "refused the call: it lacks resources",
        _ => return None,
    })
}

/// Returns whether a database's error code describes the state of the database and not an error in the
/// statement. The code is a SQLSTATE of five characters, or SQLite's result code in decimals, whose lowest byte
/// is the primary code.
fn is_transient(code: &str) -> bool {
    const POSTGRES: [&str; 12] = ["08", "25", "26", "28", "3D", "3F", "40", "42501", "53", "55", "57", "58"];
    /// Permission, busy, locked, out of memory, read-only, interrupted, I/O, full, can't open, protocol.
    const SQLITE: [u32; 10] = [3, 5, 6, 7, 8, 9, 10, 13, 14, 15];
    if code.len() == 5 {
        return POSTGRES.iter().any(|class| code.starts_with(class)) || is_standby(code);
    }
    code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests;
