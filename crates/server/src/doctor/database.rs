//! Checks of the database: its response time, its clock, its schema, its pages, the use of its connections, the durability
//! of its commits, commits that it has lost, and whether the master key decrypts the values in it.

mod durability;
mod first_start;
mod history;
mod keys;
mod schema;
mod tables;
mod trials;
mod writable;

use std::time::Duration;

use latchkey_config::{DatabaseDialect, DatabasePooler, Settings};
use latchkey_core::error::SystemError;
use latchkey_core::time::Clock as _;
use latchkey_store::{DatabaseFailure, Store, Transport};
use tokio::time::Instant;

use super::{Area, Finding, Severity};
use crate::clock::SystemClock;
use crate::{host_checks, migrate};

/// Number of queries whose time is measured.
const PINGS: usize = 20;

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let store = match migrate::open_store(&settings.database) {
        Ok(store) => store,
        Err(error) => {
            let what = format!("database_url: {error}");
            return vec![Finding::new(
                Area::Settings,
                Severity::Error,
                what,
                "write sqlite://PATH or postgres://…",
            )];
        }
    };
    if let Err(missing) = settings.database.check_present() {
        return vec![finding(Severity::Error, missing.to_string(), "restore it before the next start")];
    }
    // Opening the file would change it.
    if let Some(found) = first_start::examine(&settings.database, &store) {
        return vec![found];
    }
    // Before SQLite opens the files: it would apply a log to a file that it does not belong to.
    if let Err(error) = store.examine_database_file() {
        return vec![finding(Severity::Error, error.to_string(), "a start fails with this error")];
    }
    if let Some(found) = settings.database.url.embedded().and_then(writable::examine) {
        return vec![found];
    }
    let mut found: Vec<_> = transport_finding(store.transport()).into_iter().collect();
    found.extend(pooler_finding(settings.database.pooler));
    found.extend(dialect_finding(settings.database.dialect, settings.redis.is_some()));
    found.extend(examine_store(settings, &store).await);
    store.close().await;
    found
}

async fn examine_store(settings: &Settings, store: &Store) -> Vec<Finding> {
    if store.ping().await.is_err() {
        return vec![unusable_finding(&settings.database.url.to_string(), store.failure().as_ref())];
    }
    let mut found = Vec::new();
    found.extend(check_latency(store, settings.database.deadlines.check.query()).await);
    found.extend(check_clock(store).await);
    found.extend(durability::examine(store).await);
    found.extend(trials::check_pages(store).await);
    let (of_schema, usable) = schema::examine(settings, store).await;
    found.extend(of_schema);
    let failed = if usable { trials::examine(store).await } else { None };
    // Further checks would fail for the same reason. Through a pooler that mixes sessions they could get rows of other queries.
    if usable && failed.is_none() {
        found.extend(keys::check_master_key(settings, store).await);
        found.extend(history::examine(store).await);
        found.extend(tables::examine(store).await);
        found.extend(keys::check_signing_keys(store).await);
    }
    found.extend(failed);
    if found.is_empty() {
        let url = &settings.database.url;
        let what = if keys::is_loadable(settings) {
            format!("{url} responds in time, its schema is complete, and the master key is the right one")
        } else {
            format!("{url} responds in time, and its schema is complete")
        };
        found.push(Finding::new(Area::Database, Severity::Ok, what, ""));
    }
    found
}

fn finding(severity: Severity, what: impl Into<String>, remedy: &str) -> Finding {
    Finding::new(Area::Database, severity, what, remedy)
}

/// Reports the cost of a pooler in transaction mode.
fn pooler_finding(pooler: DatabasePooler) -> Option<Finding> {
    let what = "through a pooler in transaction mode a statement takes four round trips instead of one, and PostgreSQL \
                wakes no replica: only Redis does, or the next poll";
    (pooler == DatabasePooler::Transaction)
        .then(|| finding(Severity::Warning, what, "connect directly, or through a pooler in session mode"))
}

/// Reports a server that wakes no replica, unless Redis does.
fn dialect_finding(dialect: DatabaseDialect, redis: bool) -> Option<Finding> {
    let what = "with database_dialect = \"compatible\" the database wakes no replica: each sees a change at its next poll";
    (dialect == DatabaseDialect::Compatible && !redis)
        .then(|| finding(Severity::Warning, what, "set redis_url, or accept the delay of feed_poll_interval"))
}

/// Reports a connection to another machine that others on the network could read or answer.
fn transport_finding(transport: Option<Transport>) -> Option<Finding> {
    let what = match transport? {
        Transport::Local | Transport::Verified => return None,
        Transport::Plain => {
            "it is on another machine, and sslmode allows plain text: the password's proof and the rows can be read on \
             the network"
        }
        Transport::Unverified => {
            "it is on another machine, and its certificate is not verified: another server could take its place"
        }
    };
    Some(finding(
        Severity::Warning,
        what,
        "set sslmode=verify-full, and sslrootcert to the CA of its certificate",
    ))
}

fn unusable_finding(url: &str, failure: Option<&DatabaseFailure>) -> Finding {
    let (refused, unreachable) = if url.starts_with("sqlite") {
        let remedy = "correct what is named: the file must be readable and writable, and a database";
        (remedy, remedy)
    } else {
        (
            "correct what is named (user, password and database in database_url, pg_hba.conf), or name the primary",
            "start it, or correct host, port and TLS in database_url",
        )
    };
    match failure {
        Some(DatabaseFailure { cause, refused: true }) => {
            finding(Severity::Error, format!("{url} can't be used: {cause}"), refused)
        }
        Some(DatabaseFailure { cause, refused: false }) => {
            finding(Severity::Unreachable, format!("{url} can't be reached: {cause}"), unreachable)
        }
        None => finding(Severity::Unreachable, format!("{url} can't be reached"), unreachable),
    }
}

async fn check_latency(store: &Store, deadline: Duration) -> Option<Finding> {
    let mut times = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let start = Instant::now();
        if store.ping().await.is_err() {
            return Some(finding(
                Severity::Unreachable,
                "it responds only some of the time",
                "check its log and the network",
            ));
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    latency_finding(times[PINGS / 2], deadline)
}

fn latency_finding(median: Duration, deadline: Duration) -> Option<Finding> {
    let severity = match median {
        slow if slow >= deadline => Severity::Error,
        slow if slow >= deadline / 4 => Severity::Warning,
        _ => return None,
    };
    let what =
        format!("it responds after {median:?} (median of {PINGS}): a Check gives up after {deadline:?}");
    Some(finding(
        severity,
        what,
        "place it closer, find out what keeps it busy, or raise check_deadline and Envoy's timeout",
    ))
}

async fn check_clock(store: &Store) -> Vec<Finding> {
    let Ok((theirs, read_only)) = store.clock().await else {
        return vec![finding(
            Severity::Error,
            "its clock can't be read",
            "use PostgreSQL 13 or newer, or SQLite 3.42",
        )];
    };
    let mut found = Vec::new();
    if read_only {
        found.push(finding(
            Severity::Error,
            "it does not accept writes: it is a standby or read-only",
            "name the primary in database_url",
        ));
    }
    found.extend(host_checks::skew_finding(theirs, SystemClock.now().wall));
    found
}

/// Reports a check that could not be made, since a query failed.
fn unchecked(store: &Store, what: &str, error: &SystemError) -> Finding {
    let what = format!("{what} can't be checked: {}", trials::cause(store, error));
    finding(Severity::Error, what, "correct what is named, and run `latchkey doctor` again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_database_is_reported_before_calls_fail() {
        let severity = |millis| {
            latency_finding(Duration::from_millis(millis), Duration::from_millis(120))
                .map(|finding| finding.severity)
        };
        assert_eq!(
            (severity(29), severity(30), severity(120)),
            (None, Some(Severity::Warning), Some(Severity::Error))
        );
    }

    #[test]
    fn a_refused_server_is_distinguished_from_one_that_is_unreachable() {
        let severity = |refused| {
            let failure = DatabaseFailure { cause: "the server is a standby".to_owned(), refused };
            let finding = unusable_finding("postgres://db/latchkey", Some(&failure));
            assert!(finding.message.contains("the server is a standby"), "{finding:?}");
            finding.severity
        };
        assert_eq!((severity(true), severity(false)), (Severity::Error, Severity::Unreachable));
        assert_eq!(unusable_finding("postgres://db/latchkey", None).severity, Severity::Unreachable);
    }
}
