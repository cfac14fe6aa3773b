//! Checks of the settings of a PostgreSQL server that decide whether a committed write survives a crash or a
//! failover, and that a session can't change. Each session sets the others itself.

use latchkey_store::{Durability, Store};

use super::{finding, unchecked};
use crate::doctor::{Finding, Severity};

pub(super) async fn examine(store: &Store) -> Vec<Finding> {
    match store.durability().await {
        Ok(durability) => durability.map(findings).unwrap_or_default(),
        Err(error) => vec![unchecked(store, "whether commits survive a crash", &error)],
    }
}

fn findings(durability: Durability) -> Vec<Finding> {
    let mut found = Vec::new();
    if !durability.fsync {
        found.push(finding(
            Severity::Error,
            "fsync is off: when its machine crashes, revocations and other commits are lost, or the whole database is",
            "set fsync = on in postgresql.conf, and reload it",
        ));
    }
    if !durability.full_page_writes {
        found.push(finding(
            Severity::Error,
            "full_page_writes is off: when its machine crashes, pages that were half written corrupt the database",
            "set full_page_writes = on in postgresql.conf, and reload it",
        ));
    }
    if durability.asynchronous_standbys > 0 {
        let what = format!(
            "no commit waits for a standby, and {} follow (pg_stat_replication): a failover to one of them can lose \
             the last commits, revocations among them",
            durability.asynchronous_standbys
        );
        found.push(finding(
            Severity::Warning,
            what,
            "set synchronous_standby_names, with synchronous_commit = on or remote_apply, and a failover loses nothing",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_that_loses_commits_is_reported() {
        let good = Durability { fsync: true, full_page_writes: true, asynchronous_standbys: 0 };
        assert!(findings(good).is_empty());
        let one = |durability: Durability, severity: Severity, words: &str| {
            let found = findings(durability);
            assert!(found.len() == 1 && found[0].severity == severity, "{found:?}");
            assert!(format!("{found:?}").contains(words), "{found:?}");
        };
        one(Durability { fsync: false, ..good }, Severity::Error, "fsync = on");
        one(Durability { full_page_writes: false, ..good }, Severity::Error, "full_page_writes = on");
        one(Durability { asynchronous_standbys: 2, ..good }, Severity::Warning, "synchronous_standby_names");
    }
}
