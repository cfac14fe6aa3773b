//! The database's URL, parsed once, with the settings that every connection needs.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions, Error as SqlxError, SqliteConnection};
use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use tokio::time::{Instant, sleep, timeout};

use super::pg_session::ServerOptions;
use super::postgres::PostgresTarget;
use super::postgres_url::named;
use super::raw_connection::RawConnection;
use super::{CONNECT_TIMEOUT, Dialect, OpenError};

/// A database URL that cannot be used. The message does not repeat the URL, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Unknown scheme.
    #[error("the database URL must begin with sqlite: or postgres:")]
    Scheme,
    /// Known scheme, but the rest is malformed.
    #[error("the database URL is not of the form sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Form,
    /// No user. The library would use the name of the process's user, which a container does not have.
    #[error("the database URL has no user: give the user, as in postgres://USER@HOST/NAME")]
    User,
    /// A parameter that has no meaning: its number, and its name as far as an error may have it.
    #[error(
        "the database URL has an unknown parameter, number {}{}; known are sslmode, sslrootcert, sslcert, sslkey, \
         target_session_attrs, host, hostaddr, port, dbname, user, password, application_name, options and \
         statement-cache-capacity",
        .0,
        named(*.1)
    )]
    Parameter(usize, Option<&'static str>),
    /// A server that accepts no writes, or attributes that are unknown.
    #[error("target_session_attrs must be read-write: Latchkey writes to its database")]
    SessionAttributes,
    /// A value of `sslmode` that does not exist.
    #[error("sslmode must be disable, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// Certificates of public CAs that are accepted for any name.
    #[error(
        "the system's CAs certify every name: use sslmode=verify-full, or give the database's own CA as sslrootcert"
    )]
    WeakVerification,
    /// A database in memory, which each connection would have for itself.
    #[error(
        "a SQLite database must be a file: a database in memory would lose all keys when the process ends"
    )]
    InMemory,
}

/// Checks the URL of a database without connecting.
pub fn check_url(url: &str) -> Result<(), InvalidUrl> {
    DatabaseTarget::parse(url, CONNECT_TIMEOUT, ServerOptions::default()).map(drop)
}

/// Time that migrations wait for their connection: fifty processes may open one SQLite file at once.
pub(super) const MIGRATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for which attempts to open a SQLite file that another connection is creating are repeated, and the pause
/// between them.
const RETRY_FOR: Duration = Duration::from_secs(1);
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// A supported database.
#[derive(Clone)]
pub(crate) enum DatabaseTarget {
    /// SQLite, with true if the file is created where it does not exist.
    Sqlite(Box<SqliteConnectOptions>, bool),
    Postgres(Arc<PostgresTarget>),
}

impl DatabaseTarget {
    /// Parses the URL. `deadline` is the longest time that a caller waits; the database need not work longer
    /// than that.
    pub(crate) fn parse(
        url: &str,
        deadline: Duration,
        server: impl Into<ServerOptions>,
    ) -> Result<Self, InvalidUrl> {
        if url.starts_with("sqlite:") {
            return Ok(Self::Sqlite(Box::new(sqlite(url, deadline)?), creates_file(url)));
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::Postgres(Arc::new(PostgresTarget::parse(url, deadline, server.into())?)));
        }
        Err(InvalidUrl::Scheme)
    }

    /// Returns whether the database accepts one writer at a time and refuses others.
    pub(crate) fn has_single_writer(&self) -> bool {
        matches!(self, Self::Sqlite(..))
    }

    /// Returns the file of a SQLite database.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(options, _) => Some(options.get_filename()),
            Self::Postgres(_) => None,
        }
    }

    /// Returns whether the file of a SQLite database is created where it does not exist.
    pub(super) fn creates_file(&self) -> bool {
        matches!(self, Self::Sqlite(_, true))
    }

    /// Returns the kind of a server that speaks PostgreSQL's protocol.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        self.postgres().map(|target| target.dialect())
    }

    /// Returns the PostgreSQL database, if this is one.
    pub(crate) fn postgres(&self) -> Option<&Arc<PostgresTarget>> {
        match self {
            Self::Sqlite(..) => None,
            Self::Postgres(target) => Some(target),
        }
    }

    /// Opens a connection that serves callers, within [`CONNECT_TIMEOUT`] for each host.
    pub(super) async fn open(&self) -> Result<RawConnection, OpenError> {
        match self {
            Self::Sqlite(options, _) => match timeout(CONNECT_TIMEOUT, open_sqlite(options)).await {
                Ok(opened) => Ok(RawConnection::Sqlite(opened?)),
                Err(_) => Err(OpenError::TimedOut(CONNECT_TIMEOUT)),
            },
            Self::Postgres(target) => target.open().await.map(RawConnection::Postgres),
        }
    }

    /// Returns sea-orm's own kind of connection for migrations, one for each host. It is opened when it is used and
    /// closed right after.
    pub(crate) fn connections(&self) -> Vec<DatabaseConnection> {
        match self {
            Self::Sqlite(options, _) => {
                let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(MIGRATION_TIMEOUT);
                let pool = pool.idle_timeout(None).max_lifetime(None);
                let pool = pool.after_release(|_, _| Box::pin(async { Ok(false) }));
                let pool = pool.connect_lazy_with((**options).clone());
                vec![SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)]
            }
            Self::Postgres(target) => target.connections(),
        }
    }
}

/// Opens a SQLite file. SQLite does not wait for another connection that switches the file to WAL, which each does
/// with a new file; the attempt is repeated then.
async fn open_sqlite(options: &SqliteConnectOptions) -> Result<SqliteConnection, SqlxError> {
    let start = Instant::now();
    loop {
        match options.connect().await {
            Err(SqlxError::Database(error)) if is_busy(&*error) && start.elapsed() < RETRY_FOR => {
                sleep(RETRY_DELAY).await;
            }
            opened => return opened,
        }
    }
}

/// Returns whether an error is `SQLITE_BUSY`, in one of its variants.
fn is_busy(error: &dyn DatabaseError) -> bool {
    error.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

fn sqlite(url: &str, deadline: Duration) -> Result<SqliteConnectOptions, InvalidUrl> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(InvalidUrl::InMemory);
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|_| InvalidUrl::Form)?;
    Ok(options
        .create_if_missing(creates_file(url))
        .journal_mode(SqliteJournalMode::Wal)
        // WAL with its default, NORMAL, may lose the last commits in a power failure, a revocation among them.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(deadline)
        .disable_statement_logging())
}

/// Returns whether a URL permits to create the file: without a mode, it does.
fn creates_file(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mode = query.split('&').filter_map(|pair| pair.strip_prefix("mode=")).next_back();
    mode.is_none_or(|mode| mode == "rwc")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pooler;

    fn refused(url: &str) -> Option<InvalidUrl> {
        DatabaseTarget::parse(url, Duration::ZERO, Pooler::Session).err()
    }

    #[test]
    fn both_databases_are_known_by_their_url() {
        assert_eq!(refused("sqlite:/var/lib/latchkey/keys.db"), None);
        assert_eq!(refused("postgres://u:p@localhost:5432/latchkey"), None);
        assert_eq!(refused("postgresql://ada@localhost/latchkey"), None);
        assert_eq!(refused("postgresql://localhost/latchkey"), Some(InvalidUrl::User));
    }

    #[test]
    fn a_mode_that_creates_no_file_is_kept() {
        for (url, creates) in [
            ("sqlite:keys.db", true),
            ("sqlite://keys.db?mode=rwc", true),
            ("sqlite://keys.db?mode=rw", false),
            ("sqlite://keys.db?cache=private&mode=ro", false),
        ] {
            let target = DatabaseTarget::parse(url, Duration::ZERO, Pooler::Session).unwrap();
            assert_eq!(target.creates_file(), creates, "{url}");
        }
    }

    #[test]
    fn another_url_is_refused_without_being_repeated() {
        assert_eq!(refused("mysql://u:hunter2@h/d"), Some(InvalidUrl::Scheme));
        assert_eq!(refused(""), Some(InvalidUrl::Scheme));
        assert_eq!(refused("postgres://u:hunter2@h:port/d"), Some(InvalidUrl::Form));
        assert_eq!(refused("sqlite::memory:"), Some(InvalidUrl::InMemory));
        assert!(!InvalidUrl::Form.to_string().contains("hunter2"));
    }
}
