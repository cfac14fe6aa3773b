//! A connection to either database, and the few commands that are sent over it. The only file that
//! distinguishes the two databases statement by statement.

use sea_orm::sqlx::{self, AssertSqlSafe, Connection, Error as SqlxError, PgConnection, SqliteConnection};
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement, Values};
use sea_query_sqlx::SqlxValues;

/// A connection to one of the two databases.
pub(super) enum RawConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A command for the database.
#[derive(Clone, Copy)]
pub(super) enum SqlCommand<'a> {
    /// SQL text without values (`BEGIN`).
    Plain(&'a str),
    /// A statement whose rows, if any, are ignored.
    Run(&'a Statement),
    /// A statement whose rows are returned.
    Rows(&'a Statement),
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

    /// Returns the SQL that begins a write. SQLite takes its write lock at once, since a transaction that
    /// starts as a reader cannot wait for the lock later. PostgreSQL is told everything that a role could set
    /// otherwise.
    pub(super) fn begin(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }

    pub(super) async fn run(&mut self, command: SqlCommand<'_>) -> Result<SqlOutcome, SqlxError> {
        match self {
            Self::Sqlite(raw) => match command {
                SqlCommand::Plain(text) => sqlx::raw_sql(AssertSqlSafe(text)).execute(raw).await.map(done),
                SqlCommand::Run(statement) => query(statement).execute(raw).await.map(done),
                SqlCommand::Rows(statement) => query(statement).fetch_all(raw).await.map(rows),
            },
            Self::Postgres(raw) => match command {
                SqlCommand::Plain(text) => sqlx::raw_sql(AssertSqlSafe(text)).execute(raw).await.map(done),
                SqlCommand::Run(statement) => query(statement).execute(raw).await.map(done),
                SqlCommand::Rows(statement) => query(statement).fetch_all(raw).await.map(rows),
            },
        }
    }

    pub(super) async fn close(self) -> Result<(), SqlxError> {
        match self {
            Self::Sqlite(raw) => raw.close().await,
            Self::Postgres(raw) => raw.close().await,
        }
    }
}

fn query<DB: sqlx::Database>(statement: &Statement) -> sqlx::query::Query<'static, DB, SqlxValues>
where
    SqlxValues: sqlx::IntoArguments<DB>,
{
    let values = statement.values.clone().unwrap_or(Values(Vec::new()));
    // Safe: statements are built by sea-query from this crate's own code, and every value is passed separately
    // from the text.
    sqlx::query_with(AssertSqlSafe(statement.sql.clone()), SqlxValues(values))
}

fn done(result: impl Into<ExecResult>) -> SqlOutcome {
    SqlOutcome::Done(result.into())
}

fn rows(rows: Vec<impl Into<QueryResult>>) -> SqlOutcome {
    SqlOutcome::Rows(rows.into_iter().map(Into::into).collect())
}
