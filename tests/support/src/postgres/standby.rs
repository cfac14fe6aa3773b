//! Standbys by streaming replication, and the steps of a failover.

use std::thread;

use super::programs::{give, program, run, user};
use super::{Folder, Postgres};
use crate::eventually;

/// Statement whose commit shows whether commits wait for a standby.
const TRIAL: &str = "CREATE TABLE commit_trial (); DROP TABLE commit_trial";

impl Postgres {
    /// Starts a standby that streams from this server.
    #[must_use]
    pub fn standby(&self) -> Self {
        let (folder, user) = (Folder::new("standby"), user());
        give(folder.path(), user);
        let data = folder.path().join("data");
        let mut copy = program("pg_basebackup", folder.path(), user);
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string()]);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D"]).arg(&data);
        run(&mut copy);
        let standby = Self::run(folder, data, Vec::new());
        self.wait_for_standby("streaming", "async");
        standby
    }

    /// Makes every commit of this server wait for its standby.
    pub fn commit_with_standby(&self) {
        // The state of the standby does not show that commits obey the setting; one that waits for an absent standby does.
        self.commit_with_absent_standby();
        self.set("synchronous_standby_names", "*");
        self.wait_for_standby("streaming", "sync");
    }

    /// Makes every commit of this server wait for a standby that does not exist. A session shows the setting before commits
    /// obey it, which another process of the server has to notice first.
    pub fn commit_with_absent_standby(&self) {
        self.set("synchronous_standby_names", "absent");
        let url = self.url("postgres");
        eventually("commits wait for the standby", || {
            thread::scope(|scope| {
                let commit = scope.spawn(|| self.sql(&url, TRIAL));
                let mut waited = false;
                while !commit.is_finished() {
                    waited |= self.cancel_standby_waits("query LIKE '%commit_trial%'") > 0;
                }
                waited.then_some(())
            })
        });
    }

    /// Cancels the waits of commits for a standby, for sessions that meet a condition of `pg_stat_activity`, and returns
    /// their number. Such a commit has an effect on this server, and its session gets a warning.
    #[must_use]
    pub fn cancel_standby_waits(&self, condition: &str) -> u64 {
        let cancel = format!(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND {condition}"
        );
        self.sql(&self.url("postgres"), &cancel).parse().expect("a count")
    }

    /// Disconnects this standby from its primary permanently.
    pub fn stop_receiving(&self) {
        self.set("primary_conninfo", "");
        let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
        eventually("the WAL receiver ends", || {
            (self.sql(&self.url("postgres"), receivers) == "0").then_some(())
        });
    }

    /// Promotes this standby to a primary.
    pub fn promote(&self) {
        let promoted = self.sql(&self.url("postgres"), "SELECT pg_promote(true, 60)");
        assert_eq!(promoted, "t", "the standby is promoted: {}", self.log());
    }

    fn wait_for_standby(&self, state: &str, kind: &str) {
        let found = "SELECT state || ' ' || sync_state FROM pg_stat_replication";
        let wanted = format!("{state} {kind}");
        eventually("a standby streams", || (self.sql(&self.url("postgres"), found) == wanted).then_some(()));
    }
}
