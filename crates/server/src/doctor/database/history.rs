//! Check of the audit log for commits that the database has lost.

use std::time::Duration;

use latchkey_core::time::{Clock as _, Timestamp};
use latchkey_management::ports::audit::AuditEvent;
use latchkey_store::Store;

use super::{finding, unchecked};
use crate::clock::SystemClock;
use crate::doctor::{Finding, Severity};
use crate::follower::HISTORY_LOST;

/// Time for which a loss is reported.
const REPORTED_FOR: Duration = Duration::from_hours(7 * 24);

pub(super) async fn examine(store: &Store) -> Option<Finding> {
    let week = i64::try_from(REPORTED_FOR.as_millis()).unwrap_or(i64::MAX);
    let since = Timestamp(SystemClock.now().wall.0.saturating_sub(week));
    match store.newest_event(HISTORY_LOST.text(), since).await {
        Ok(event) => event.as_ref().map(lost),
        Err(error) => Some(unchecked(store, "the audit log", &error)),
    }
}

fn lost(event: &AuditEvent) -> Finding {
    let again = event.details.get("taken_away_again").map_or("0", String::as_str);
    let what = format!(
        "at {} a replica found that the database had lost {}: {again} revocations were written again, and everything \
         else that was written then is missing",
        event.time, event.target
    );
    finding(
        Severity::Warning,
        what,
        "compare keys, tenants, users and profiles with what was changed shortly before; docs/revocation.md says how to make a loss impossible",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_loss_names_the_revisions_and_the_repeated_revocations() {
        let event = AuditEvent {
            sequence: 9,
            time: Timestamp(0),
            tenant: None,
            actor: "latchkey".into(),
            action: HISTORY_LOST.text().into(),
            target: "revisions 8 to 12".into(),
            request_id: String::new(),
            details: BTreeMap::from([("taken_away_again".to_owned(), "2".to_owned())]),
            hash: Vec::new(),
        };
        let found = format!("{:?}", lost(&event));
        assert!(found.contains("revisions 8 to 12") && found.contains("2 revocations"), "{found}");
    }
}
