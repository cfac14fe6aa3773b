//! Standbys by streaming replication, and the steps of a failover.

use super::programs::{give, program, run, user};
use super::{Folder, Postgres};
use crate::eventually;

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
        self.set("synchronous_standby_names", "*");
        self.wait_for_standby("streaming", "sync");
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
