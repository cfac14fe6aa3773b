//! Errors of queries and writes, and their conversion to core's errors: unavailable if a retry may help, a
//! request error if the caller's request cannot be fulfilled, internal if a row or the program is corrupt.
//!
//! A database's own messages are never passed on, because PostgreSQL quotes the values that violate a
//! constraint.

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

/// An error that ends a query or a write.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// The database returned an error or did not respond.
    Database(DbErr),
    /// A row that the store cannot have written: names the row and the wrong column.
    Corrupt(String),
    /// The rule or a unique constraint refused the write.
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

/// Returns whether the connection is unusable after this error.
pub(crate) fn breaks_connection(error: &SqlxError) -> bool {
    match error {
        SqlxError::Database(database) => database.code().is_some_and(|code| code.starts_with("57P")),
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
    let SqlxError::Database(database) = error else {
        return if breaks_connection(error) {
            SystemError::database()
        } else {
            SystemError::Internal(error.to_string())
        };
    };
    let code = database.code().unwrap_or_default();
    if is_transient(&code) {
        return SystemError::database();
    }
    let table = database.table().unwrap_or("unknown");
    let constraint = database.constraint().unwrap_or("none");
    SystemError::Internal(format!(
        "the database refused with {code} (table {table}, constraint {constraint})"
    ))
}

/// Returns whether a database's error code describes the state of the database and not an error in the
/// statement. The code is a SQLSTATE of five characters, or SQLite's result code in decimals, whose lowest byte
/// is the primary code.
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
