//! A connection to PostgreSQL, and the checks at the start of each of its transactions.
//!
//! A connection is one session of the server, directly or through a pooler in session mode; its settings were set when
//! it was opened. Every write checks that it still runs in that session, with durable commits, so that a pooler which
//! works otherwise is noticed before a write is acknowledged. A commit that the server warns of is an error (see
//! [`super::notices`]).
//!
//! Through a pooler in transaction mode, each transaction may run in another session of the server. Then every
//! statement runs in a transaction, which sets the settings for itself, and there are no prepared statements.

use std::time::Duration;

use sea_orm::sqlx::{
    self, AssertSqlSafe, Connection as _, Error as SqlxError, Executor as _, PgConnection, Row as _,
    SqlSafeStr as _,
};

use super::notices::UnconfirmedCommit;
use super::raw_connection::{SqlCommand, SqlOutcome, done, query, rows};
use super::{Dialect, OpenError, notices, session};
use crate::query::{check, feed};

/// Connection pooler between the store and PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// No pooler, or one that gives each connection a session of its own.
    #[default]
    Session,
    /// A pooler that gives a session to each transaction.
    Transaction,
}

/// Kinds of the server and of the pooler in front of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerOptions {
    pub(super) pooler: Pooler,
    pub(super) dialect: Dialect,
}

impl From<Pooler> for ServerOptions {
    fn from(pooler: Pooler) -> Self {
        Self { pooler, ..Self::default() }
    }
}

impl From<(Pooler, Dialect)> for ServerOptions {
    fn from((pooler, dialect): (Pooler, Dialect)) -> Self {
        Self { pooler, dialect }
    }
}

/// A connection to PostgreSQL.
pub(crate) struct PgSession {
    raw: PgConnection,
    dialect: Dialect,
    proof: Proof,
    /// True while a transaction is open.
    open: bool,
    /// True if commits waited for a standby when the last transaction began.
    waits: bool,
}

/// Values that the beginning of a transaction is compared with.
enum Proof {
    /// Process identifier of the server's session.
    Session(String),
    /// SQL that sets the settings, and the time at which the server started, which tells servers apart.
    Transaction(String, String),
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

impl PgSession {
    /// Prepares a connection that was opened right now. `path` is the search path, once it is known.
    pub(super) async fn prepare(
        mut raw: PgConnection,
        ServerOptions { pooler, dialect }: ServerOptions,
        deadline: Duration,
        path: Option<&str>,
    ) -> Result<Self, OpenError> {
        let prepared = match pooler {
            Pooler::Session => {
                let prepared = session::prepare(&mut raw, deadline, dialect, path).await.map(Proof::Session);
                // Until the search path is known, connections serve the start alone, and are replaced as soon as it is.
                let serves_checks = path.is_some() || dialect == Dialect::Compatible;
                if prepared.is_ok() && serves_checks {
                    // A first Check then takes one round trip instead of two. Where a table is missing, that is reported
                    // elsewhere.
                    for text in [check::text_for_one(), feed::text_of_history()] {
                        let _ = raw.prepare(AssertSqlSafe(text).into_sql_str()).await;
                    }
                }
                prepared
            }
            Pooler::Transaction => {
                let settings = session::for_transaction(deadline, path);
                let sql = format!("{BEGIN}; {settings}{probe}", probe = notices::probe(dialect));
                let (state, arrived) = notices::with_notices(begin(&mut raw, &sql, dialect)).await;
                match state {
                    Ok(state) => checked(&mut raw, settings, state, dialect)
                        .await
                        .and_then(|proof| notices::check(arrived, dialect).map(|()| proof)),
                    Err(error) => Err(error.into()),
                }
            }
        };
        match prepared {
            Ok(proof) => Ok(Self { raw, dialect, proof, open: false, waits: false }),
            Err(error) => {
                // The reason for closing it is reported, and not how that went.
                let _ = raw.close().await;
                Err(error)
            }
        }
    }

    pub(super) async fn run(&mut self, command: SqlCommand) -> Result<SqlOutcome, SqlxError> {
        match command {
            SqlCommand::Begin(lock) => self.begin(lock).await.map(|()| SqlOutcome::Rows(Vec::new())),
            SqlCommand::Plain(_) | SqlCommand::Run(_) | SqlCommand::Rows(_)
                if !self.open && matches!(self.proof, Proof::Transaction(..)) =>
            {
                let reads = matches!(command, SqlCommand::Rows(_));
                let outcome = match self.begin(None).await {
                    Ok(()) => self.execute(command).await,
                    Err(error) => Err(error),
                };
                self.waits &= !reads;
                let end = if outcome.is_ok() { SqlCommand::Commit(None) } else { SqlCommand::Rollback };
                // The statement's own error says more than that of a connection that it broke.
                let ended = self.execute(end).await;
                outcome.and_then(|outcome| ended.map(|_| outcome))
            }
            command => self.execute(command).await,
        }
    }

    async fn execute(&mut self, command: SqlCommand) -> Result<SqlOutcome, SqlxError> {
        let named = matches!(self.proof, Proof::Session(_));
        match command {
            SqlCommand::Begin(_) => Err(SqlxError::BeginFailed),
            SqlCommand::Commit(_) => self.commit().await,
            SqlCommand::Rollback => self.end("ROLLBACK").await,
            SqlCommand::Plain(text) => {
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut self.raw).await.map(done)
            }
            SqlCommand::Run(statement) if !self.open => {
                notices::run_alone(&mut self.raw, query(*statement).persistent(named)).await.map(done)
            }
            SqlCommand::Run(statement) => {
                query(*statement).persistent(named).execute(&mut self.raw).await.map(done)
            }
            SqlCommand::Rows(statement) => {
                query(*statement).persistent(named).fetch_all(&mut self.raw).await.map(rows)
            }
        }
    }

    /// Begins a transaction, waits for an advisory lock if one is named, and checks that the transaction is one in which
    /// a write may be acknowledged. One round trip.
    async fn begin(&mut self, lock: Option<i64>) -> Result<(), SqlxError> {
        let mut statements = vec![BEGIN.to_owned()];
        if let Proof::Transaction(settings, _) = &self.proof {
            statements.push(settings.clone());
        }
        if let Some(lock) = lock {
            statements.push(format!("SELECT pg_advisory_xact_lock({lock})"));
        }
        // Also if a later part of the statement fails: the server has then begun a transaction, and aborted it.
        self.open = true;
        let state = begin(&mut self.raw, &statements.join("; "), self.dialect).await?;
        self.waits = state.waits;
        let failure = match &self.proof {
            _ if !["on", "remote_apply"].contains(&state.commit.as_str()) => NOT_DURABLE,
            Proof::Session(pid) if *pid != state.pid => ANOTHER_SESSION,
            Proof::Transaction(_, server) if *server != state.server => ANOTHER_SERVER,
            Proof::Session(_) | Proof::Transaction(..) => return Ok(()),
        };
        Err(SqlxError::Configuration(failure.into()))
    }

    /// Commits the transaction. If commits waited for a standby when it began, the setting is read again: a session that
    /// was released since the setting was emptied reads the new one, which takes one round trip.
    async fn commit(&mut self) -> Result<SqlOutcome, SqlxError> {
        let (ended, arrived) = notices::with_notices(self.end("COMMIT")).await;
        let outcome = ended?;
        if arrived.warning {
            return Err(UnconfirmedCommit::Warned.into());
        }
        if self.waits && !waits(&mut self.raw, self.dialect).await? {
            return Err(UnconfirmedCommit::Released.into());
        }
        Ok(outcome)
    }

    /// Ends the transaction. The server ends it whatever it answers.
    async fn end(&mut self, sql: &'static str) -> Result<SqlOutcome, SqlxError> {
        self.open = false;
        sqlx::raw_sql(sql).execute(&mut self.raw).await.map(done)
    }

    pub(super) async fn close(self) -> Result<(), SqlxError> {
        self.raw.close().await
    }
}

const NOT_DURABLE: &str = "the transaction does not wait for its commit to be durable (synchronous_commit), although it \
    was set: remove what overrides it in the connection pooler or the server";
const ANOTHER_SESSION: &str = "a connection pooler in transaction mode answers, which gives each transaction another \
    session: set database_pooler = \"transaction\", or use the pooler's session mode";
const ANOTHER_SERVER: &str =
    "the connection pooler has changed to another server; the connection is opened again";

/// Report of a transaction when it begins.
struct TransactionState {
    pid: String,
    commit: String,
    standby: bool,
    server: String,
    encoding: String,
    /// True if commits wait for a standby.
    waits: bool,
}

/// Begins a transaction and reads its state, in one round trip.
async fn begin(raw: &mut PgConnection, sql: &str, dialect: Dialect) -> Result<TransactionState, SqlxError> {
    let sql = format!(
        "{sql}; SELECT pg_backend_pid()::text AS pid, {commit} AS commit, {standby} AS standby, {server} AS server, \
         {encoding} AS encoding, {waits} AS waits",
        commit = dialect.commit(),
        standby = dialect.standby(),
        server = dialect.server(),
        encoding = dialect.encoding(),
        waits = dialect.waits(),
    );
    // Safe: the text is this crate's own.
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(raw).await?;
    let row = rows.last().ok_or(SqlxError::RowNotFound)?;
    Ok(TransactionState {
        pid: row.try_get("pid")?,
        commit: row.try_get("commit")?,
        standby: row.try_get("standby")?,
        server: row.try_get("server")?,
        encoding: row.try_get("encoding")?,
        waits: row.try_get("waits")?,
    })
}

/// Returns whether commits wait for a standby.
async fn waits(raw: &mut PgConnection, dialect: Dialect) -> Result<bool, SqlxError> {
    let rows =
        sqlx::raw_sql(AssertSqlSafe(format!("SELECT {} AS waits", dialect.waits()))).fetch_all(raw).await?;
    rows.last().ok_or(SqlxError::RowNotFound)?.try_get("waits")
}

/// Checks the first transaction of a connection, and ends it.
async fn checked(
    raw: &mut PgConnection,
    settings: String,
    state: TransactionState,
    dialect: Dialect,
) -> Result<Proof, OpenError> {
    let sql = format!("SELECT {} AS replication_role; ROLLBACK", dialect.replication_role());
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(raw).await?;
    let row = rows.last().ok_or(SqlxError::RowNotFound)?;
    let replication_role: String = row.try_get("replication_role")?;
    session::check_server(state.standby, state.encoding, &replication_role)?;
    Ok(Proof::Transaction(settings, state.server))
}
