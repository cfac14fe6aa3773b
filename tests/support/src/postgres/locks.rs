//! Locks that a session holds, as a long transaction of another client does.

use std::process::{Child, Stdio};

use super::{Postgres, psql};
use crate::{eventually, reaper};

/// A session that locks a table until it is dropped.
#[derive(Debug)]
pub struct TableLock<'a> {
    postgres: &'a Postgres,
    session: Child,
}

/// Name of the session, by which it is found.
const HOLDER: &str = "holder";

impl Postgres {
    /// Locks a table against every other use, until the result is dropped.
    #[must_use]
    pub fn lock(&self, url: &str, table: &str) -> TableLock<'_> {
        let hold = format!(
            "SET application_name = '{HOLDER}'; BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; \
             SELECT pg_sleep(600)"
        );
        let mut command = psql(url, &hold);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let session = command.spawn().expect("psql starts");
        reaper::process(session.id());
        let held = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                    WHERE mode = 'AccessExclusiveLock' AND granted AND application_name = ";
        let held = format!("{held}'{HOLDER}'");
        eventually("the table is locked", || (self.sql(url, &held) == "1").then_some(()));
        TableLock { postgres: self, session }
    }
}

impl Drop for TableLock<'_> {
    fn drop(&mut self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ";
        // A server that was stopped has ended it already.
        let _ = psql(&self.postgres.url("postgres"), &format!("{end}'{HOLDER}'")).output();
        let _ = self.session.wait();
        reaper::ended(self.session.id());
    }
}
