//! Why a query or a write stopped, and which of core's fates that is: an outage where asking again may
//! help, a refusal where the caller asked the wrong thing, a fault where a row or the program is spoiled.
//!
//! A database's own words are never passed on: PostgreSQL quotes the values of a violated constraint.

use latchkey_core::trouble::{Failure, Refusal, Trouble};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

/// What ends a piece of work on the store early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The database said no, or nothing.
    Database(DbErr),
    /// A row that is none of ours; which, and what is wrong with it.
    Spoiled(String),
    /// The rule or a unique name said no.
    Refused(Refusal),
}

impl From<DbErr> for Stop {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Database(error) => fate(&error),
            Stop::Spoiled(what) => Self::Fault(what),
            Stop::Refused(refusal) => Self::Fault(format!("a read was refused: {refusal}")),
        }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => refusal.into(),
            Stop::Database(_) | Stop::Spoiled(_) => Trouble::from(stop).into(),
        }
    }
}

/// Whether the connection is no longer usable after this error.
pub(crate) fn breaks(error: &SqlxError) -> bool {
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

fn fate(error: &DbErr) -> Trouble {
    match error {
        DbErr::ConnectionAcquire(_) => Trouble::database(),
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => fate_of_statement(e),
        other => Trouble::Fault(other.to_string()),
    }
}

fn fate_of_statement(error: &SqlxError) -> Trouble {
    let SqlxError::Database(told) = error else {
        return if breaks(error) { Trouble::database() } else { Trouble::Fault(error.to_string()) };
    };
    let code = told.code().unwrap_or_default();
    if passes(&code) {
        return Trouble::database();
    }
    let table = told.table().unwrap_or("unknown");
    let constraint = told.constraint().unwrap_or("none");
    Trouble::Fault(format!("the database refused with {code} (table {table}, constraint {constraint})"))
}

/// Whether a database's code tells of its state and not of what it was asked: a SQLSTATE class of five
/// characters, or SQLite's result code in decimals, whose lowest byte is the primary one.
fn passes(code: &str) -> bool {
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
            assert!(passes(code), "{code}");
        }
    }

    #[test]
    fn a_wrong_question_is_no_outage() {
        for code in ["42P01", "23505", "22P02", "1", "19", "2067", "11", ""] {
            assert!(!passes(code), "{code}");
        }
    }
}
