//! Difference between the clocks of the database's server and of this machine. Leases do not depend on it; expiries of
//! keys, tokens and signing keys do.

use latchkey_core::time::{Clock, Timestamp};
use latchkey_store::Store;

use super::{HostCheck, HostFinding, finding, span};
use crate::doctor::{Area, Finding, Severity};

/// Greatest difference between the clocks: with a larger one, keys expire noticeably late or early.
const MAX_SKEW_MS: u64 = 5_000;

/// Returns the database's clock minus this machine's in milliseconds, at the middle of a query; `None` if the database did
/// not answer.
pub(super) async fn clock_offset(store: &Store, clock: &dyn Clock) -> Option<i64> {
    let before = clock.now().wall;
    let (theirs, _) = store.clock().await.ok()?;
    let after = clock.now().wall;
    Some(theirs.0 - (before.0 + (after.0 - before.0) / 2))
}

/// Returns the finding about two clocks.
pub(crate) fn skew_finding(theirs: Timestamp, ours: Timestamp) -> Option<Finding> {
    let offset = theirs.0 - ours.0;
    if offset.unsigned_abs() <= MAX_SKEW_MS {
        return None;
    }
    let way = if offset > 0 { "ahead of" } else { "behind" };
    let by = span(i64::try_from((offset.unsigned_abs() + 500) / 1_000).unwrap_or(i64::MAX));
    let what = format!(
        "its clock and this machine's differ by {} ms: it is {by} {way} this machine, so keys and tokens expire late or \
         early",
        offset.unsigned_abs()
    );
    Some(finding(Area::Database, Severity::Error, what, "synchronize both with NTP"))
}

pub(super) fn examine(offset: i64, now: Timestamp) -> Option<HostFinding> {
    let found = skew_finding(Timestamp(now.0.saturating_add(offset)), now)?;
    Some(HostFinding::new(HostCheck::DatabaseClock, if offset > 0 { "ahead" } else { "behind" }, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_either_way_are_reported() {
        let at = |theirs| skew_finding(Timestamp(theirs), Timestamp(100_000)).map(|found| found.message);
        assert!(at(95_000).is_none() && at(105_000).is_none());
        assert!(at(94_999).unwrap().contains("5 s behind this machine"));
        assert!(at(3_700_000).unwrap().contains("1 h ahead of this machine"));
    }
}
