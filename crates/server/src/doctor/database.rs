//! The database: whether it answers, fast enough, by a clock like ours; whether its schema is there, and whether
//! the master key opens what lies sealed in it.

use std::time::Duration;

use latchkey_config::{MasterKey, Settings, sealer};
use latchkey_core::seal::Sealer;
use latchkey_core::time::{Clock as _, Timestamp};
use latchkey_core::token::KeyRing;
use latchkey_management::ports::tokens::TokenStore as _;
use latchkey_management::rewrap::MasterKeyRotation;
use latchkey_store::Store;
use tokio::time::Instant;

use super::{Area, Finding, Severity};
use crate::clock::SystemClock;
use crate::migrate;

/// Questions whose time is taken.
const PINGS: usize = 20;
/// A Check gives up after so long.
const DEADLINE: Duration = Duration::from_millis(80);
/// Two clocks that differ by more let a key live too long somewhere.
const MAX_CLOCK_SKEW_MS: i64 = 5_000;

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let store = match migrate::open_store(&settings.database) {
        Ok(store) => store,
        Err(bad) => {
            let what = format!("database_url: {bad}");
            return vec![Finding::new(
                Area::Settings,
                Severity::Error,
                what,
                "write sqlite://PATH or postgres://…",
            )];
        }
    };
    if settings.database.url.embedded().is_some_and(|path| !path.exists()) {
        let what = format!("{} is not there yet: the first start makes it", settings.database.url);
        return vec![Finding::new(
            Area::Database,
            Severity::Warning,
            what,
            "nothing, where this is a first start",
        )];
    }
    let found = examine_store(settings, &store).await;
    store.close().await;
    found
}

async fn examine_store(settings: &Settings, store: &Store) -> Vec<Finding> {
    if store.ping().await.is_err() {
        let what = format!("{} does not answer", settings.database.url);
        let remedy = "start it, or mend database_url: host, port, user, password, database, pg_hba.conf";
        return vec![Finding::new(Area::Database, Severity::Unreachable, what, remedy)];
    }
    let mut found = Vec::new();
    found.extend(check_latency(store).await);
    found.extend(check_clock(store).await);
    match check_migrations(settings, store).await {
        Some(behind) => found.push(behind),
        None => found.extend(check_master_key(settings, store).await),
    }
    if found.is_empty() {
        let what = format!(
            "{} answers in time, its schema is there, and the master key opens it",
            settings.database.url
        );
        found.push(Finding::new(Area::Database, Severity::Ok, what, ""));
    }
    found
}

fn finding(severity: Severity, what: impl Into<String>, remedy: &str) -> Finding {
    Finding::new(Area::Database, severity, what, remedy)
}

async fn check_latency(store: &Store) -> Option<Finding> {
    let mut times = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let start = Instant::now();
        if store.ping().await.is_err() {
            return Some(finding(
                Severity::Unreachable,
                "it answers now and then",
                "look into its log and its network",
            ));
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    latency_finding(times[PINGS / 2])
}

fn latency_finding(median: Duration) -> Option<Finding> {
    let severity = match median {
        slow if slow >= DEADLINE => Severity::Error,
        slow if slow >= DEADLINE / 4 => Severity::Warning,
        _ => return None,
    };
    let what =
        format!("it answers after {median:?} (median of {PINGS}): a Check gives up after {DEADLINE:?}");
    Some(finding(severity, what, "bring it nearer, or look what keeps it busy"))
}

async fn check_clock(store: &Store) -> Vec<Finding> {
    let Ok((theirs, read_only)) = store.clock().await else {
        return vec![finding(
            Severity::Error,
            "it does not tell its time",
            "use PostgreSQL 13 or newer, or SQLite 3.42",
        )];
    };
    let mut found = Vec::new();
    if read_only {
        found.push(finding(
            Severity::Error,
            "it takes no writes: a standby, or read-only",
            "name the primary in database_url",
        ));
    }
    found.extend(clock_skew_finding(theirs, SystemClock.now().wall));
    found
}

fn clock_skew_finding(theirs: Timestamp, ours: Timestamp) -> Option<Finding> {
    let apart = theirs.0.abs_diff(ours.0);
    let what = format!("its clock and this machine's are {apart} ms apart: expiry is judged differently");
    (apart > MAX_CLOCK_SKEW_MS.unsigned_abs()).then(|| finding(Severity::Error, what, "let both follow NTP"))
}

async fn check_migrations(settings: &Settings, store: &Store) -> Option<Finding> {
    let steps = match latchkey_migrations::status(store.connection()).await {
        Ok(steps) => steps,
        Err(error) => {
            let what = format!("its schema can't be read: {error}");
            return Some(finding(
                Severity::Error,
                what,
                "use the version of latchkey that it was migrated with, or a newer one",
            ));
        }
    };
    let missing = steps.iter().filter(|step| !step.applied).count();
    let what = format!("its schema is behind by {missing} of {} steps", steps.len());
    let (severity, remedy) = if settings.database.migrate {
        (Severity::Warning, "the next start brings it up to date")
    } else {
        (Severity::Error, "run `latchkey migrate up`, or serve with --migrate")
    };
    (missing > 0).then(|| finding(severity, what, remedy))
}

async fn check_master_key(settings: &Settings, store: &Store) -> Option<Finding> {
    // One that isn't there yet would be made by looking.
    if matches!(&settings.master_key, MasterKey::File(path) if !path.exists()) {
        let nothing = Sealer::new(&[0; 32]);
        let holds =
            MasterKeyRotation { seals: store, sealer: &nothing }.has_sealed_values().await.unwrap_or(true);
        let what = "values lie sealed in it, and the master key's file is gone";
        return holds.then(|| finding(Severity::Error, what, "put the file back from where it was kept"));
    }
    let sealer = sealer(&settings.master_key, &settings.previous_master_keys).ok()?;
    let keys = store.signing_keys().await.ok()?;
    let all = keys.keys.len();
    let (_, undecryptable) = KeyRing::open(keys, &sealer, SystemClock.now().wall);
    let opens = MasterKeyRotation { seals: store, sealer: &sealer }.keys_match().await.ok()?;
    let what = match undecryptable.len() {
        0 if opens => return None,
        0 => "the master key is not the one that values lie sealed under".to_owned(),
        shut => format!("the master key does not open {shut} of {all} signing keys"),
    };
    Some(finding(
        Severity::Error,
        what,
        "give the master_key that this database was last served with, here or in previous_master_keys",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_told_before_calls_fail() {
        let severity =
            |millis| latency_finding(Duration::from_millis(millis)).map(|finding| finding.severity);
        assert_eq!(
            (severity(19), severity(20), severity(80)),
            (None, Some(Severity::Warning), Some(Severity::Error))
        );
    }

    #[test]
    fn clocks_that_differ_either_way_are_told() {
        let at = |theirs| clock_skew_finding(Timestamp(theirs), Timestamp(100_000)).is_some();
        assert!(!at(95_000) && !at(105_000) && at(94_999) && at(105_001));
    }
}
