//! One at a time: the transaction in which the schema is changed, begun so that a second one waits.
//!
//! PostgreSQL gives an advisory lock that ends with the transaction, so that a process which dies or is
//! cut off leaves none behind (a session's lock would outlive a pool's connection). SQLite's write lock
//! does the same across processes; its one gap, that switching a file to WAL doesn't wait for its turn,
//! is closed by asking again.

use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

/// "latchkey" in ASCII: what this program's migrations are known by among a database's advisory locks.
const ADVISORY: i64 = 0x6c61_7463_686b_6579;

/// How often a file that others are opening is asked for, and how long between. SQLite waits by itself
/// wherever it is able to.
const MAX_ATTEMPTS: u32 = 500;
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// Begins the transaction, alone.
pub(crate) async fn begin_exclusive(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let transaction = db.begin().await?;
            let lock = format!("SELECT pg_advisory_xact_lock({ADVISORY})");
            transaction.execute_raw(Statement::from_string(DbBackend::Postgres, lock)).await?;
            Ok(transaction)
        }
        _ => begin_immediate(db).await,
    }
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

/// `SQLITE_BUSY`, in the words that it is given everywhere.
fn is_busy(error: &DbErr) -> bool {
    error.to_string().contains("database is locked")
}
