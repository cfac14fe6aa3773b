//! Look-ups of keys, by the query of a Check. The database can refuse it while the change feed is still read, so that the
//! lease goes on: a permission on one table was taken away, or a table is damaged.

use latchkey_core::error::SystemError;
use latchkey_store::Store;

use super::{HostCheck, HostFinding, finding};
use crate::doctor::{Area, Severity};

/// Returns the finding about look-ups that are refused; `None` if the database does not answer, which the end of the lease
/// reports.
pub(super) async fn examine(store: &Store) -> Option<Vec<HostFinding>> {
    match try_lookups(store).await {
        LookupTrial::Answered => Some(Vec::new()),
        LookupTrial::Refused(cause) => Some(vec![describe(&cause)]),
        LookupTrial::NoAnswer => None,
    }
}

/// Result of look-ups that were made as a trial.
#[derive(Debug)]
pub(super) enum LookupTrial {
    /// The database answered.
    Answered,
    /// The database refused them, with the cause.
    Refused(String),
    /// The database did not answer in time, or can't be reached.
    NoAnswer,
}

/// Makes look-ups as a trial.
pub(super) async fn try_lookups(store: &Store) -> LookupTrial {
    match store.try_check().await {
        Ok(()) => LookupTrial::Answered,
        Err(error) if error.is_no_answer() => LookupTrial::NoAnswer,
        // The text of an internal error is the database's own, or names the corrupt row.
        Err(SystemError::Internal(cause)) => LookupTrial::Refused(cause),
        Err(error) => {
            let failure = store.failure();
            LookupTrial::Refused(failure.map_or_else(|| error.to_string(), |failure| failure.cause))
        }
    }
}

/// Returns what a refusal means, with its cause.
pub(super) fn consequence(cause: &str) -> String {
    format!("it refuses look-ups of keys, so that only cached keys are admitted: {cause}")
}

fn describe(cause: &str) -> HostFinding {
    let what = consequence(cause);
    let remedy = "correct what is named; no restart is needed";
    HostFinding::new(HostCheck::Lookups, "refused", finding(Area::Database, Severity::Error, what, remedy))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use latchkey_store::{Dialect, Pooler, StoreOptions};

    use super::*;

    #[tokio::test]
    async fn look_ups_that_are_refused_are_a_finding_until_they_are_answered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::connect_lazy(StoreOptions {
            url: format!("sqlite:{}", folder.path().join("latchkey.db").display()),
            connections: 2,
            check_deadline: Duration::from_mins(1),
            deadline: Duration::from_mins(1),
            pooler: Pooler::Session,
            dialect: Dialect::Postgres,
        })
        .unwrap();
        let found = examine(&store).await.unwrap();
        let message = &found[0].finding.message;
        assert!(
            message.contains("it refuses look-ups of keys") && message.contains("no such table: keys"),
            "{message}"
        );
        latchkey_migrations::up(store.connection()).await.unwrap();
        assert_eq!(examine(&store).await, Some(Vec::new()));
    }
}
