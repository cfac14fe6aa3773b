//! The counts of registrations and removals, with a copy that shows whether another program has altered them. The table
//! `fleet` has them in its row 1. Row 2 is the copy: [`OFFSET`] is added to both counts, and the longest lease to that of
//! registrations. Earlier releases change both rows alike and read the first alone, so that replicas of both can run at once.
//! A lease that such a release makes the longest, or a count that it accepts, looks altered: writes wait for a lease once.
//! As with the checksums of replicas' rows, mistakes are detected, and no forgery.

use std::time::Duration;

use latchkey_core::ports::FleetCounts;
use sea_orm::{ConnectionTrait as _, QueryResult, Statement, Value};

use super::run;
use crate::error::StoreError;
use crate::pool::PooledConnection;

/// Difference between a count and its copy, which no mistake makes.
const OFFSET: i64 = 1 << 40;
/// Longest lease that the settings permit, in milliseconds.
const LONGEST_MS: i64 = 600_000;

/// Columns of the counts and of their copy, for a query.
pub(super) const COLUMNS: &str = "(SELECT registrations FROM fleet WHERE id = 1) AS registrations, \
    (SELECT removals FROM fleet WHERE id = 1) AS removals, \
    (SELECT longest_lease_ms FROM fleet WHERE id = 1) AS longest, \
    (SELECT registrations FROM fleet WHERE id = 2) AS registrations_copy, \
    (SELECT removals FROM fleet WHERE id = 2) AS removals_copy, \
    (SELECT longest_lease_ms FROM fleet WHERE id = 2) AS longest_copy";

/// Counts that no other program has altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) counts: FleetCounts,
    /// The longest lease that was ever registered, in milliseconds.
    longest: i64,
}

impl Counts {
    /// Reads the counts; `None` if they are missing or altered.
    pub(super) fn read(row: &QueryResult) -> Result<Option<Self>, StoreError> {
        let number = |column: &str| Ok::<_, StoreError>(row.try_get::<Option<i64>>("", column)?);
        let of = |registrations: Option<i64>, removals: Option<i64>, longest: Option<i64>| {
            let counts = FleetCounts { registrations: registrations?, removals: removals? };
            Some(Self { counts, longest: longest? })
        };
        let counts = of(number("registrations")?, number("removals")?, number("longest")?);
        let copied = [number("registrations_copy")?, number("removals_copy")?, number("longest_copy")?];
        // The first registration by this release makes the copy.
        if copied == [None; 3] {
            return Ok(counts);
        }
        let copy = of(copied[0], copied[1], copied[2]);
        Ok(counts.filter(|counts| counts.copy().is_some() && counts.copy() == copy))
    }

    /// Returns what the copy must be.
    fn copy(self) -> Option<Self> {
        let registrations = self.counts.registrations.checked_add(OFFSET)?.checked_add(self.longest)?;
        let removals = self.counts.removals.checked_add(OFFSET)?;
        Some(Self { counts: FleetCounts { registrations, removals }, ..self })
    }

    /// Returns the longest lease that was ever registered.
    pub(super) fn longest(self) -> Duration {
        Duration::from_millis(u64::try_from(self.longest).unwrap_or_default())
    }
}

/// Counts a registration, and the rows that it replaces, in the transaction of the registration.
pub(super) async fn register(
    connection: &PooledConnection,
    lease: Value,
    replaced: i64,
) -> Result<(), StoreError> {
    let set = "registrations = registrations + 1 \
               + CASE WHEN id = 2 AND longest_lease_ms < $1 THEN $1 - longest_lease_ms ELSE 0 END, \
               removals = removals + $2, \
               longest_lease_ms = CASE WHEN longest_lease_ms < $1 THEN $1 ELSE longest_lease_ms END";
    change(connection, set, [lease, replaced.into()]).await
}

/// Counts a removal, in the transaction of the removal.
pub(super) async fn remove(connection: &PooledConnection) -> Result<(), StoreError> {
    change(connection, "removals = removals + $1", [1_i64.into()]).await
}

/// Changes the counts and their copy alike, and makes the copy if there is none.
async fn change<const N: usize>(
    connection: &PooledConnection,
    set: &str,
    values: [Value; N],
) -> Result<(), StoreError> {
    if run(connection, &format!("UPDATE fleet SET {set}"), values.clone()).await? > 1 {
        return Ok(());
    }
    let make = "INSERT INTO fleet (id, registrations, removals, longest_lease_ms) \
                SELECT 2, registrations + $1 + longest_lease_ms, removals + $1, longest_lease_ms \
                FROM fleet WHERE id = 1 ON CONFLICT (id) DO NOTHING";
    if run(connection, make, [OFFSET.into()]).await? == 0 {
        // Another transaction made the copy while this one waited for it, so that the statement did not find the copy.
        run(connection, &format!("UPDATE fleet SET {set} WHERE id = 2"), values).await?;
    }
    Ok(())
}

/// Makes the present number of rows the expected one, and the copy that of the counts. If they were altered, the longest lease
/// that the settings permit is assumed from then on.
pub(super) async fn accept(connection: PooledConnection) -> Result<(), StoreError> {
    // First, so that the statements that follow see registrations that this one waited for.
    run(&connection, "UPDATE fleet SET removals = removals", []).await?;
    let sql = format!("SELECT {COLUMNS}");
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let read = connection.query_one_raw(statement).await?;
    let known = read.as_ref().map(Counts::read).transpose()?.flatten();
    let longest = known.map_or(LONGEST_MS, |counts| counts.longest);
    let missing = "INSERT INTO fleet (id, registrations, removals, longest_lease_ms) VALUES (1, 0, 0, 0), (2, 0, 0, 0) \
                   ON CONFLICT (id) DO NOTHING";
    run(&connection, missing, []).await?;
    let sql = format!(
        "UPDATE fleet SET longest_lease_ms = $1, removals = CASE WHEN id = 2 THEN {OFFSET} ELSE 0 END, \
         registrations = (SELECT COUNT(*) FROM replicas) + CASE WHEN id = 2 THEN {OFFSET} + $1 ELSE 0 END"
    );
    run(&connection, &sql, [longest.into()]).await?;
    Ok(connection.commit().await?)
}
