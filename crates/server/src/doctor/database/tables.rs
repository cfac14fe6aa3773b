//! Check for tables that a person has altered, or restored without the others.

use latchkey_core::ports::{ChangeFeed as _, FeedExtent};
use latchkey_management::ports::recovery::RecoveryStore as _;
use latchkey_store::Store;

use super::{finding, unchecked};
use crate::doctor::{Finding, Severity};

/// Number of objects that are counted.
const LIMIT: u32 = 1_000;

pub(super) async fn examine(store: &Store) -> Vec<Finding> {
    let mut found = match store.extent().await {
        Ok(extent) => of_feed(extent),
        Err(error) => vec![unchecked(store, "the change feed", &error)],
    };
    let outdated = match store.outdated(0, LIMIT).await {
        Ok(outdated) => outdated,
        Err(error) => {
            found.push(unchecked(store, "whether tables have all changes of the change feed", &error));
            return found;
        }
    };
    if !outdated.is_empty() {
        let what = format!(
            "the change feed has {} changes that keys, tenants, users or tokens lack: a table was altered, or restored alone, \
             and revoked keys may be accepted",
            outdated.len()
        );
        let remedy =
            "the next start takes away again what was taken away; restore the whole database from one backup";
        found.push(finding(Severity::Error, what, remedy));
    }
    found
}

fn of_feed(extent: FeedExtent) -> Vec<Finding> {
    let behind = extent.rows_behind().map(|what| (Severity::Error, what, "no replica decides until then"));
    let missing =
        extent.missing_rows().map(|what| (Severity::Warning, what, "nothing, if nothing else is missing"));
    let others = extent.other_heads().map(|what| (Severity::Warning, what, "correct the table"));
    let all = [behind, missing, others].into_iter().flatten();
    all.map(|(severity, what, remedy)| finding(severity, what, remedy)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_that_does_not_end_with_the_head_is_reported() {
        let severities = |head, newest, heads| {
            let found = of_feed(FeedExtent { head, newest, heads });
            found.into_iter().map(|finding| finding.severity).collect::<Vec<_>>()
        };
        assert_eq!(severities(7, Some(7), 1), []);
        assert_eq!(severities(0, None, 1), []);
        assert_eq!(severities(5, Some(7), 1), [Severity::Error]);
        assert_eq!(severities(7, Some(6), 2), [Severity::Warning, Severity::Warning]);
    }
}
