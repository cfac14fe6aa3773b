//! Locks that a session holds, as a long transaction of another client does.

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Postgres, psql};
use crate::{eventually, reaper};

/// A session that locks a table until it is dropped.
#[derive(Debug)]
pub struct TableLock<'a> {
    postgres: &'a Postgres,
    session: Child,
    /// Name of the session, by which it is found. No other lock of the test process has the same.
    holder: String,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Postgres {
    /// Locks a table against every other use, until the result is dropped.
    #[must_use]
    pub fn lock(&self, url: &str, table: &str) -> TableLock<'_> {
        let holder = format!("holder_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let hold = format!(
            "SET application_name = '{holder}'; BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; \
             SELECT pg_sleep(600)"
        );
        let mut command = psql(url, &hold);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let session = command.spawn().expect("psql starts");
        reaper::process(session.id());
        let held = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                    WHERE mode = 'AccessExclusiveLock' AND granted AND application_name = ";
        let held = format!("{held}'{holder}'");
        eventually("the table is locked", || (self.sql(url, &held) == "1").then_some(()));
        TableLock { postgres: self, session, holder }
    }
}

impl Drop for TableLock<'_> {
    fn drop(&mut self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ";
        // A server that was stopped has ended it already.
        let _ = psql(&self.postgres.url("postgres"), &format!("{end}'{}'", self.holder)).output();
        let _ = self.session.wait();
        reaper::ended(self.session.id());
    }
}
