//! Mutual exclusion of migrations: the transaction in which the schema is changed makes concurrent ones wait.
//!
//! PostgreSQL offers an advisory lock that ends with the transaction, so that a process which dies or is cut
//! off leaves no lock behind (a session's lock would outlive a pooled connection). SQLite's write lock does the
//! same across processes. Its one gap is that switching a file to WAL does not wait for the lock; it is closed
//! by retrying.

use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

/// Identifier of the advisory lock of migrations in PostgreSQL: "latchkey" in ASCII.
const ADVISORY: i64 = 0x6c61_7463_686b_6579;

/// No time limits, a durable commit, and no prepared statements of an earlier user of the session: their names could
/// be those of the library's own.
const SETTINGS: &str = "DEALLOCATE ALL; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0; SET TRANSACTION READ WRITE; \
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
    WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)";

/// Number of attempts to open a file that other processes are opening; the pause between them follows. In all
/// other cases, SQLite itself waits.
const MAX_ATTEMPTS: u32 = 500;
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// Begins the exclusive transaction.
pub(crate) async fn begin_exclusive(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let transaction = begin_on_postgres(db).await?;
            let lock = format!("SELECT pg_advisory_xact_lock({ADVISORY})");
            transaction.execute_raw(Statement::from_string(DbBackend::Postgres, lock)).await?;
            Ok(transaction)
        }
        _ => begin_immediate(db).await,
    }
}

/// Begins a transaction for reading the state of the schema.
pub(crate) async fn begin_reading(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    match db.get_database_backend() {
        DbBackend::Postgres => begin_on_postgres(db).await,
        _ => db.begin().await,
    }
}

/// Begins a transaction that has all settings for itself, since a pooler may give it any session of the server.
async fn begin_on_postgres(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = db.begin().await?;
    transaction.execute_unprepared(SETTINGS).await?;
    Ok(transaction)
}

/// Commits a transaction of either kind, and leaves no prepared statement to a session that others use.
pub(crate) async fn end(transaction: DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared("DEALLOCATE ALL").await?;
    }
    transaction.commit().await
}

async fn begin_immediate(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let mode = Some(SqliteTransactionMode::Immediate);
    let options = TransactionOptions { sqlite_transaction_mode: mode, ..TransactionOptions::default() };
    let mut tries = 0;
    loop {
        match db.begin_with_options(options).await {
            Err(error) if is_busy(&error) && tries < MAX_ATTEMPTS => {
                tries += 1;
                tokio::time::sleep(RETRY_DELAY).await;
            }
            begun => return begun,
        }
    }
}

/// Returns whether an error is `SQLITE_BUSY`, by its message, which is the same in all builds.
fn is_busy(error: &DbErr) -> bool {
    error.to_string().contains("database is locked")
}
