//! The database: whether it answers, fast enough, by a clock like ours; whether its schema is there, and whether
//! the master key opens what lies sealed in it.

use std::time::Duration;

use latchkey_config::{MasterKey, Settings, sealer};
use latchkey_core::seal::Sealer;
use latchkey_core::time::{Clock as _, Timestamp};
use latchkey_core::token::Ring;
use latchkey_management::ports::tokens::TokenLedger as _;
use latchkey_management::reseal::Opener;
use latchkey_store::Store;
use tokio::time::Instant;

use super::{Area, Finding, Weight};
use crate::clock::SystemClock;
use crate::schema;

/// Questions whose time is taken.
const QUESTIONS: usize = 20;
/// A Check gives up after so long.
const DEADLINE: Duration = Duration::from_millis(80);
/// Two clocks that differ by more let a key live too long somewhere.
const SKEW: i64 = 5_000;

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let store = match schema::store(&settings.database) {
        Ok(store) => store,
        Err(bad) => {
            let what = format!("database_url: {bad}");
            return vec![Finding::new(
                Area::Settings,
                Weight::Wrong,
                what,
                "write sqlite://PATH or postgres://…",
            )];
        }
    };
    if settings.database.url.embedded().is_some_and(|path| !path.exists()) {
        let what = format!("{} is not there yet: the first start makes it", settings.database.url);
        return vec![Finding::new(
            Area::Database,
            Weight::Doubtful,
            what,
            "nothing, where this is a first start",
        )];
    }
    let found = look(settings, &store).await;
    store.close().await;
    found
}

async fn look(settings: &Settings, store: &Store) -> Vec<Finding> {
    if store.ping().await.is_err() {
        let what = format!("{} does not answer", settings.database.url);
        let remedy = "start it, or mend database_url: host, port, user, password, database, pg_hba.conf";
        return vec![Finding::new(Area::Database, Weight::Unreachable, what, remedy)];
    }
    let mut found = Vec::new();
    found.extend(late(store).await);
    found.extend(clocks(store).await);
    match steps(settings, store).await {
        Some(behind) => found.push(behind),
        None => found.extend(unsealed(settings, store).await),
    }
    if found.is_empty() {
        let what = format!(
            "{} answers in time, its schema is there, and the master key opens it",
            settings.database.url
        );
        found.push(Finding::new(Area::Database, Weight::Good, what, ""));
    }
    found
}

fn one(weight: Weight, what: impl Into<String>, remedy: &str) -> Finding {
    Finding::new(Area::Database, weight, what, remedy)
}

async fn late(store: &Store) -> Option<Finding> {
    let mut times = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let start = Instant::now();
        if store.ping().await.is_err() {
            return Some(one(
                Weight::Unreachable,
                "it answers now and then",
                "look into its log and its network",
            ));
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    judge(times[QUESTIONS / 2])
}

fn judge(median: Duration) -> Option<Finding> {
    let weight = match median {
        slow if slow >= DEADLINE => Weight::Wrong,
        slow if slow >= DEADLINE / 4 => Weight::Doubtful,
        _ => return None,
    };
    let what =
        format!("it answers after {median:?} (median of {QUESTIONS}): a Check gives up after {DEADLINE:?}");
    Some(one(weight, what, "bring it nearer, or look what keeps it busy"))
}

async fn clocks(store: &Store) -> Vec<Finding> {
    let Ok((theirs, closed)) = store.clock().await else {
        return vec![one(
            Weight::Wrong,
            "it does not tell its time",
            "use PostgreSQL 13 or newer, or SQLite 3.42",
        )];
    };
    let mut found = Vec::new();
    if closed {
        found.push(one(
            Weight::Wrong,
            "it takes no writes: a standby, or read-only",
            "name the primary in database_url",
        ));
    }
    found.extend(apart(theirs, SystemClock.now().wall));
    found
}

fn apart(theirs: Timestamp, ours: Timestamp) -> Option<Finding> {
    let apart = theirs.0.abs_diff(ours.0);
    let what = format!("its clock and this machine's are {apart} ms apart: expiry is judged differently");
    (apart > SKEW.unsigned_abs()).then(|| one(Weight::Wrong, what, "let both follow NTP"))
}

async fn steps(settings: &Settings, store: &Store) -> Option<Finding> {
    let steps = match latchkey_migrations::status(store.connection()).await {
        Ok(steps) => steps,
        Err(error) => {
            let what = format!("its schema can't be read: {error}");
            return Some(one(
                Weight::Wrong,
                what,
                "use the version of latchkey that it was migrated with, or a newer one",
            ));
        }
    };
    let missing = steps.iter().filter(|step| !step.applied).count();
    let what = format!("its schema is behind by {missing} of {} steps", steps.len());
    let (weight, remedy) = if settings.database.migrate {
        (Weight::Doubtful, "the next start brings it up to date")
    } else {
        (Weight::Wrong, "run `latchkey migrate up`, or serve with --migrate")
    };
    (missing > 0).then(|| one(weight, what, remedy))
}

async fn unsealed(settings: &Settings, store: &Store) -> Option<Finding> {
    // One that isn't there yet would be made by looking.
    if matches!(&settings.master_key, MasterKey::InFile(path) if !path.exists()) {
        let nothing = Sealer::new(&[0; 32]);
        let holds = Opener { seals: store, sealer: &nothing }.holds_any().await.unwrap_or(true);
        let what = "values lie sealed in it, and the master key's file is gone";
        return holds.then(|| one(Weight::Wrong, what, "put the file back from where it was kept"));
    }
    let sealer = sealer(&settings.master_key, &settings.previous_master_keys).ok()?;
    let keys = store.signing_keys().await.ok()?;
    let all = keys.keys.len();
    let (_, spoiled) = Ring::open(keys, &sealer, SystemClock.now().wall);
    let opens = Opener { seals: store, sealer: &sealer }.opens().await.ok()?;
    let what = match spoiled.len() {
        0 if opens => return None,
        0 => "the master key is not the one that values lie sealed under".to_owned(),
        shut => format!("the master key does not open {shut} of {all} signing keys"),
    };
    Some(one(
        Weight::Wrong,
        what,
        "give the master_key that this database was last served with, here or in previous_master_keys",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_told_before_calls_fail() {
        let weight = |millis| judge(Duration::from_millis(millis)).map(|finding| finding.weight);
        assert_eq!((weight(19), weight(20), weight(80)), (None, Some(Weight::Doubtful), Some(Weight::Wrong)));
    }

    #[test]
    fn clocks_that_differ_either_way_are_told() {
        let at = |theirs| apart(Timestamp(theirs), Timestamp(100_000)).is_some();
        assert!(!at(95_000) && !at(105_000) && at(94_999) && at(105_001));
    }
}
