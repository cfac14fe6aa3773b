//! Mutual exclusion of migrations: the transaction in which the schema is changed makes concurrent ones wait.
//!
//! PostgreSQL offers an advisory lock that ends with the transaction, so that a process that is killed or cut
//! off leaves no lock behind (a session's lock would outlive a pooled connection). Other servers that speak its protocol
//! do not have it, or have it in name only. The row of a table of its own is therefore locked as well. SQLite's write
//! lock does the same across processes. Its one gap is that switching a file to WAL does not wait for the lock; it is closed
//! by retrying.

use std::time::Duration;

use sea_orm_migration::sea_orm::sqlx::error::DatabaseError;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::place::Place;

/// Identifier of the advisory lock of migrations in PostgreSQL: "latchkey" in ASCII.
const ADVISORY: i64 = 0x6c61_7463_686b_6579;

/// No time limits, a durable commit, warnings, no quotes around the names that the schema is compared by, and no prepared
/// statements of an earlier user of the session: their names could be those of the library's own. `SET TRANSACTION READ
/// WRITE` is refused after a statement that reads, and after `DEALLOCATE`.
const SETTINGS: &str = "SET LOCAL statement_timeout = 0; SET TRANSACTION READ WRITE; SET LOCAL lock_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL client_min_messages = notice; DEALLOCATE ALL; \
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
    WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true); \
    SELECT set_config('quote_all_identifiers', 'off', true) \
    WHERE current_setting('quote_all_identifiers', true) IS NOT NULL";

/// Table whose row is locked. Its name is not that of a table of the schema, which the migrations create and drop.
const LOCK_TABLE: &str = "migration_lock";
/// Number of attempts to create the table: processes that create it at the same time can conflict.
const CREATIONS: u32 = 10;

/// Number of attempts to open a file that other processes are opening; the pause between them follows. In all
/// other cases, SQLite itself waits.
const MAX_ATTEMPTS: u32 = 500;
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// Begins the exclusive transaction.
pub(crate) async fn begin_exclusive(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    match db.get_database_backend() {
        DbBackend::Postgres => {
            create_lock_table(db).await?;
            let transaction = begin_on_postgres(db).await?;
            lock_advisory(&transaction).await?;
            lock_row(&transaction).await?;
            Ok(transaction)
        }
        _ => begin_immediate(db).await,
    }
}

/// Creates the table whose row is locked, if it is missing, unless nothing may be created in the schema. Another process
/// can create it at the same moment, which is an error of a unique index or of the name here; the next attempt finds it.
async fn create_lock_table(db: &DatabaseConnection) -> Result<(), DbErr> {
    let mut attempts = 1;
    loop {
        let created = async {
            let transaction = begin_on_postgres(db).await?;
            let place = Place::read(&transaction).await?;
            if let Some(conflict) = place.conflict() {
                return Err(DbErr::Custom(conflict));
            }
            if !place.has_lock {
                let create = format!("CREATE TABLE IF NOT EXISTS {LOCK_TABLE} (id integer PRIMARY KEY)");
                transaction.execute_unprepared(&create).await?;
            }
            end(transaction).await
        };
        match created.await {
            Err(error) if exists_already(&error) && attempts < CREATIONS => attempts += 1,
            created => return created,
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

/// Takes the advisory lock, which releases before the row's lock know, if the server has it and permits it.
async fn lock_advisory(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    transaction.execute_unprepared("SAVEPOINT advisory").await?;
    let lock = format!("SELECT pg_advisory_xact_lock({ADVISORY})");
    match transaction.execute_raw(Statement::from_string(DbBackend::Postgres, lock)).await {
        Ok(_) => Ok(()),
        Err(error) if lacks_function(&error) => {
            transaction.execute_unprepared("ROLLBACK TO SAVEPOINT advisory").await.map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Locks the row until the end of the transaction.
async fn lock_row(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let insert = format!("INSERT INTO {LOCK_TABLE} (id) VALUES (1) ON CONFLICT (id) DO NOTHING");
    transaction.execute_unprepared(&insert).await?;
    let lock = format!("SELECT id FROM {LOCK_TABLE} WHERE id = 1 FOR UPDATE");
    transaction.execute_unprepared(&lock).await.map(drop)
}

/// Returns whether the server does not have a function, does not support it, or does not permit it.
fn lacks_function(error: &DbErr) -> bool {
    has_code(error, &["42883", "42501", "0A000"])
}

/// Returns whether a table exists already: by its name, or by that of its type in an index of the catalog.
fn exists_already(error: &DbErr) -> bool {
    has_code(error, &["42P07", "23505", "42710"])
}

fn has_code(error: &DbErr, codes: &[&str]) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| codes.contains(&code.as_ref()))
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
    end_by(transaction, DatabaseTransaction::commit).await
}

/// Ends a transaction as [`end`] does, with another way to commit.
pub(crate) async fn end_by<F: Future<Output = Result<(), DbErr>>>(
    transaction: DatabaseTransaction,
    commit: impl FnOnce(DatabaseTransaction) -> F,
) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared("DEALLOCATE ALL").await?;
    }
    commit(transaction).await
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
