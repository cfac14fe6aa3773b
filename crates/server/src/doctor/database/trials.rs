//! Trials of the database: what a running process does with it, and a check of all pages of a SQLite file.

use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_store::{Integrity, Store};
use tokio::time::sleep;

use super::finding;
use crate::doctor::{Finding, Severity};

/// Time limit for reading all pages of a SQLite file.
const PAGES_LIMIT: Duration = Duration::from_secs(20);
/// Number of attempts to open a connection, and the pause between them.
const OPENINGS: u32 = 3;
const OPENING_DELAY: Duration = Duration::from_millis(100);

/// Uses the database as a running process does.
pub(super) async fn examine(store: &Store) -> Option<Finding> {
    // Opened without the deadline of the calls that follow, which report a failure. The server may still count the last
    // connection.
    for _ in 0..OPENINGS {
        if store.reach().await.is_ok() {
            break;
        }
        sleep(OPENING_DELAY).await;
    }
    if let Err(error) = store.try_check().await {
        let what = format!("the query of a Check fails: {}", cause(store, &error));
        return Some(finding(Severity::Error, what, "correct what is named: no uncached key can be checked"));
    }
    let error = store.try_connections().await.err()?;
    let what = format!("several connections at once, or a write, fail: {}", cause(store, &error));
    Some(finding(Severity::Error, what, "correct what is named: no replica becomes ready, or stays so"))
}

/// Returns the cause that the database named, or the error of the call.
pub(super) fn cause(store: &Store, error: &SystemError) -> String {
    match (store.failure(), error) {
        (Some(failure), _) => failure.cause,
        (None, SystemError::Internal(text)) => text.clone(),
        (None, SystemError::Unavailable { .. }) => error.to_string(),
    }
}

/// Looks for damaged pages in a SQLite file.
pub(super) async fn check_pages(store: &Store) -> Option<Finding> {
    of_pages(store.integrity(PAGES_LIMIT).await)
}

fn of_pages(integrity: Integrity) -> Option<Finding> {
    match integrity {
        Integrity::Sound => None,
        Integrity::Damaged(damage) => Some(finding(
            Severity::Error,
            format!("its file is damaged: {damage}"),
            "stop Latchkey, keep the file, and restore it from a backup",
        )),
        Integrity::Unknown => Some(finding(
            Severity::Warning,
            format!("its file could not be read as a whole within {PAGES_LIMIT:?}, to look for damage"),
            "run `PRAGMA quick_check` with sqlite3 on a backup of it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_pages_are_an_error_and_unread_ones_a_warning() {
        let severity = |integrity| of_pages(integrity).map(|found| found.severity);
        assert_eq!(severity(Integrity::Sound), None);
        assert_eq!(severity(Integrity::Damaged("Page 7".to_owned())), Some(Severity::Error));
        assert_eq!(severity(Integrity::Unknown), Some(Severity::Warning));
    }
}
