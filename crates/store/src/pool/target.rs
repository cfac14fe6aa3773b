//! The database's URL, parsed once, with the settings that every connection needs.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions, Connection as _};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};

use super::raw_connection::RawConnection;
use super::{OpenError, session};

/// A database URL that cannot be used. The message does not repeat the URL, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Unknown scheme.
    #[error("the database URL must begin with sqlite: or postgres:")]
    Scheme,
    /// Known scheme, but the rest is malformed.
    #[error("the database URL is not of the form sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Form,
    /// A database in memory, which each connection would have for itself.
    #[error(
        "a SQLite database must be a file: a database in memory would lose all keys when the process ends"
    )]
    InMemory,
}

/// Time that migrations wait for their connection: fifty processes may open one SQLite file at once.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(5);

/// A supported database.
pub(crate) enum DatabaseTarget {
    Sqlite(SqliteConnectOptions),
    /// The settings, and the time limit of sessions that serve callers.
    Postgres(PgConnectOptions, Duration),
}

impl DatabaseTarget {
    /// Parses the URL. `deadline` is the longest time that a caller waits; the database need not work longer
    /// than that.
    pub(crate) fn parse(url: &str, deadline: Duration) -> Result<Self, InvalidUrl> {
        if url.starts_with("sqlite:") {
            return sqlite(url, deadline).map(Self::Sqlite);
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return postgres(url).map(|options| Self::Postgres(options, deadline));
        }
        Err(InvalidUrl::Scheme)
    }

    /// Returns whether the database accepts one writer at a time and refuses others.
    pub(crate) fn has_single_writer(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Sets the time limit of statements, waits for locks and idle transactions, for connections that serve
    /// callers. SQLite needs none: it works in this process.
    pub(crate) fn with_statement_timeout(self, deadline: Duration) -> Self {
        match self {
            Self::Sqlite(options) => Self::Sqlite(options),
            Self::Postgres(options, _) => Self::Postgres(options, deadline),
        }
    }

    /// Returns the file of a SQLite database.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(options) => Some(options.get_filename()),
            Self::Postgres(..) => None,
        }
    }

    /// Returns the settings of a connection to PostgreSQL, if this is one.
    pub(crate) fn postgres(&self) -> Option<&PgConnectOptions> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(options, _) => Some(options),
        }
    }

    /// Opens a connection that serves callers.
    pub(super) async fn open(&self) -> Result<RawConnection, OpenError> {
        match self {
            Self::Sqlite(options) => Ok(RawConnection::Sqlite(options.connect().await?)),
            Self::Postgres(options, deadline) => {
                let mut raw = options.connect().await?;
                if let Err(error) = session::prepare(&mut raw, *deadline).await {
                    // The reason for closing it is reported, and not how that went.
                    let _ = raw.close().await;
                    return Err(error);
                }
                Ok(RawConnection::Postgres(raw))
            }
        }
    }

    /// Returns sea-orm's own kind of connection for migrations. It is opened when it is used and closed right
    /// after.
    pub(crate) fn connection(&self) -> DatabaseConnection {
        match self {
            Self::Sqlite(options) => {
                let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(MIGRATION_TIMEOUT);
                let pool = pool.idle_timeout(None).max_lifetime(None);
                let pool = pool.after_release(|_, _| Box::pin(async { Ok(false) }));
                SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.connect_lazy_with(options.clone()))
            }
            Self::Postgres(options, _) => {
                let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(MIGRATION_TIMEOUT);
                let pool = pool.after_connect(|raw, _| Box::pin(session::prepare_for_migrations(raw)));
                let pool = pool.idle_timeout(None).max_lifetime(None);
                let pool = pool.after_release(|_, _| Box::pin(async { Ok(false) }));
                SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy_with(options.clone()))
            }
        }
    }
}

fn sqlite(url: &str, deadline: Duration) -> Result<SqliteConnectOptions, InvalidUrl> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(InvalidUrl::InMemory);
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|_| InvalidUrl::Form)?;
    Ok(options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // WAL with its default, NORMAL, may lose the last commits in a power failure, a revocation among them.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(deadline)
        .disable_statement_logging())
}

/// TLS follows the URL's `sslmode` once the workspace enables one of sqlx's TLS features. Until then `prefer`,
/// the default, means no TLS, and `require` fails when connecting.
fn postgres(url: &str) -> Result<PgConnectOptions, InvalidUrl> {
    let options = PgConnectOptions::from_str(url).map_err(|_| InvalidUrl::Form)?;
    Ok(options.application_name("latchkey").disable_statement_logging())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> Option<InvalidUrl> {
        DatabaseTarget::parse(url, Duration::ZERO).err()
    }

    #[test]
    fn both_databases_are_known_by_their_url() {
        assert_eq!(refused("sqlite:/var/lib/latchkey/keys.db"), None);
        assert_eq!(refused("postgres://u:p@localhost:5432/latchkey"), None);
        assert_eq!(refused("postgresql://localhost/latchkey"), None);
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
