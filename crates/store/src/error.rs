//! Why a query or a write stopped, and which of core's fates that is: an outage where asking again may
//! help, a refusal where the caller asked the wrong thing, a fault where a row or the program is corrupt.
//!
//! A database's own json_map are never passed on: PostgreSQL quotes the values of a violated constraint.

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

/// What ends a piece of work on the store early.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// The database said no, or nothing.
    Database(DbErr),
    /// A row that is none of ours; which, and what is wrong with it.
    Corrupt(String),
    /// The rule or a unique name said no.
    Refused(RequestError),
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
            StoreError::Refused(refusal) => Self::Internal(format!("a read was refused: {refusal}")),
        }
    }
}

impl From<StoreError> for ManagementError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Database(_) | StoreError::Corrupt(_) => SystemError::from(error).into(),
        }
    }
}

/// Whether the connection is no longer usable after this error.
pub(crate) fn breaks_connection(error: &SqlxError) -> bool {
    match error {
        SqlxError::Database(told) => told.code().is_some_and(|code| code.starts_with("57P")),
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

fn classify_error(error: &DbErr) -> SystemError {
    match error {
        DbErr::ConnectionAcquire(_) => SystemError::database(),
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => classify_sqlx_error(e),
        other => SystemError::Internal(other.to_string()),
    }
}

fn classify_sqlx_error(error: &SqlxError) -> SystemError {
    let SqlxError::Database(told) = error else {
        return if breaks_connection(error) {
            SystemError::database()
        } else {
            SystemError::Internal(error.to_string())
        };
    };
    let code = told.code().unwrap_or_default();
    if is_transient(&code) {
        return SystemError::database();
    }
    let table = told.table().unwrap_or("unknown");
    let constraint = told.constraint().unwrap_or("none");
    SystemError::Internal(format!(
        "the database refused with {code} (table {table}, constraint {constraint})"
    ))
}

/// Whether a database's code tells of its state and not of what it was asked: a SQLSTATE class of five
/// characters, or SQLite's result code in decimals, whose lowest byte is the primary one.
fn is_transient(code: &str) -> bool {
    const POSTGRES: [&str; 8] = ["08", "25", "28", "40", "53", "55", "57", "58"];
    /// Permission, busy, locked, out of memory, read-only, interrupted, I/O, full, can't open, protocol.
    const SQLITE: [u32; 10] = [3, 5, 6, 7, 8, 9, 10, 13, 14, 15];
    if code.len() == 5 {
        return POSTGRES.iter().any(|class| code.starts_with(class)) || code == "3D000";
    }
    code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_busy_or_going_away_is_an_outage() {
        for code in ["57014", "57P01", "40P01", "53300", "25006", "5", "13", "1032", "266"] {
            assert!(is_transient(code), "{code}");
        }
    }

    #[test]
    fn a_wrong_question_is_no_outage() {
        for code in ["42P01", "23505", "22P02", "1", "19", "2067", "11", ""] {
            assert!(!is_transient(code), "{code}");
        }
    }
}
