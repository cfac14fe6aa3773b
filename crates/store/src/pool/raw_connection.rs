//! A connection to either database, and the few commands that are sent over it.

use sea_orm::sqlx::{self, AssertSqlSafe, Connection, Error as SqlxError, SqliteConnection};
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement, Values};
use sea_query_sqlx::SqlxValues;

use super::pg_session::PgSession;

/// A connection to one of the two databases.
pub(super) enum RawConnection {
    Sqlite(SqliteConnection),
    Postgres(PgSession),
}

/// A command for the database.
#[derive(Clone)]
pub(super) enum SqlCommand {
    /// The beginning of a write. With an identifier, also a wait for that advisory lock of PostgreSQL, which the
    /// transaction then holds.
    Begin(Option<i64>),
    /// The end of a write. With a number, the commit is marked with it in SQLite.
    Commit(Option<i32>),
    /// The end of a write that has no effect.
    Rollback,
    /// SQL text without values.
    Plain(String),
    /// A statement whose rows, if any, are ignored.
    Run(Box<Statement>),
    /// A statement whose rows are returned.
    Rows(Box<Statement>),
}

/// The result of a command.
pub(super) enum SqlOutcome {
    Done(ExecResult),
    Rows(Vec<QueryResult>),
}

impl RawConnection {
    pub(super) fn backend(&self) -> DbBackend {
        match self {
            Self::Sqlite(_) => DbBackend::Sqlite,
            Self::Postgres(_) => DbBackend::Postgres,
        }
    }

    pub(super) async fn run(&mut self, command: SqlCommand) -> Result<SqlOutcome, SqlxError> {
        match self {
            Self::Sqlite(raw) => match command {
                // The write lock is taken at once, since a transaction that starts as a reader cannot wait for it later. The
                // mark of the last commit is read in the same step.
                SqlCommand::Begin(_) => {
                    sqlx::raw_sql("BEGIN IMMEDIATE; PRAGMA user_version").fetch_all(raw).await.map(rows)
                }
                SqlCommand::Commit(None) => sqlx::raw_sql("COMMIT").execute(raw).await.map(done),
                SqlCommand::Commit(Some(mark)) => {
                    let text = format!("PRAGMA user_version = {mark}; COMMIT");
                    sqlx::raw_sql(AssertSqlSafe(text)).execute(raw).await.map(done)
                }
                SqlCommand::Rollback => sqlx::raw_sql("ROLLBACK").execute(raw).await.map(done),
                SqlCommand::Plain(text) => sqlx::raw_sql(AssertSqlSafe(text)).execute(raw).await.map(done),
                SqlCommand::Run(statement) => query(*statement).execute(raw).await.map(done),
                SqlCommand::Rows(statement) => query(*statement).fetch_all(raw).await.map(rows),
            },
            Self::Postgres(session) => session.run(command).await,
        }
    }

    pub(super) async fn close(self) -> Result<(), SqlxError> {
        match self {
            Self::Sqlite(raw) => raw.close().await,
            Self::Postgres(session) => session.close().await,
        }
    }
}

pub(super) fn query<DB: sqlx::Database>(statement: Statement) -> sqlx::query::Query<'static, DB, SqlxValues>
where
    SqlxValues: sqlx::IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    // Safe: statements are built by sea-query from this crate's own code, and every value is passed separately
    // from the text.
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

pub(super) fn done(result: impl Into<ExecResult>) -> SqlOutcome {
    SqlOutcome::Done(result.into())
}

pub(super) fn rows(rows: Vec<impl Into<QueryResult>>) -> SqlOutcome {
    SqlOutcome::Rows(rows.into_iter().map(Into::into).collect())
}
