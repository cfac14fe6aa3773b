//! Detection of a backup that is still being restored into a PostgreSQL database. `pg_restore` and the text of `pg_dump` make
//! the primary key of a table after they have filled it, and commit each step unless a single transaction is asked for.
//! Until then, a key that is not found can be one whose row was not restored yet.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::StoreError;
use crate::pool::{Dialect, PooledConnection};

/// Tables that decisions, and writes of what was taken away, depend on.
const TABLES: &str = "'audit_events', 'changes', 'deletions', 'fleet', 'grants', 'head', 'keys', \
    'profile_secrets', 'profiles', 'refresh_tokens', 'replicas', 'signing_keys', 'tenants', 'token_families', \
    'users'";

/// Fails while a table has no primary key. Succeeds on SQLite, whose file is restored as a whole, and on servers that are not
/// PostgreSQL.
pub(crate) async fn require_end(connection: &PooledConnection) -> Result<(), StoreError> {
    if connection.dialect() != Some(Dialect::Postgres) {
        return Ok(());
    }
    let sql = format!(
        "SELECT wanted.name FROM unnest(ARRAY[{TABLES}]) AS wanted (name) WHERE NOT EXISTS (SELECT 1 FROM pg_index \
         WHERE indrelid = to_regclass(wanted.name) AND indisprimary AND indisvalid)"
    );
    let rows = connection.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    let names: Vec<String> =
        rows.iter().map(|row| row.try_get::<String>("", "name")).collect::<Result<_, _>>()?;
    if names.is_empty() {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!(
        "tables have no primary key ({}): a backup is still being restored, or its restore failed. Nothing is decided before \
         they have one: if pg_restore has ended, stop the replicas, and restore the backup again",
        names.join(", ")
    )))
}
