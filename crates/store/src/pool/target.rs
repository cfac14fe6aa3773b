//! Where the database is and how it is to be spoken to: a URL, read once, with the settings that every
//! connection needs.

use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions, Error as SqlxError};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};

use super::raw_connection::RawConnection;

/// A database URL that can't be used. Says nothing of its text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Neither of the databases that are known.
    #[error("the database URL must begin with sqlite: or postgres:")]
    Scheme,
    /// The right beginning, and then something wrong.
    #[error("the database URL is not of the form sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Form,
    /// Each connection would have a database of its own.
    #[error("a SQLite database must be a file: keys that are gone with the process are no use")]
    InMemory,
}

/// How long migrations wait for their connection: a SQLite file that fifty processes open at once is
/// handed round among them.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(5);

/// One of the two databases.
pub(crate) enum DatabaseTarget {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

impl DatabaseTarget {
    /// Reads the URL. `deadline` is how long a caller waits at limit, so the database need not go on longer.
    pub(crate) fn parse(url: &str, deadline: Duration) -> Result<Self, InvalidUrl> {
        if url.starts_with("sqlite:") {
            return sqlite(url, deadline).map(Self::Sqlite);
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return postgres(url).map(Self::Postgres);
        }
        Err(InvalidUrl::Scheme)
    }

    /// Whether the database takes one writer at a time and sends others away.
    pub(crate) fn has_single_writer(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// The same settings with a bound on each statement, for connections that serve callers.
    pub(crate) fn with_statement_timeout(self, deadline: Duration) -> Self {
        match self {
            Self::Sqlite(options) => Self::Sqlite(options),
            Self::Postgres(options) => {
                // What a caller gave up, the server gives up too: a process that is stopped in the middle of
                // a transaction must not hold everybody's locks.
                let bound = deadline.as_millis().to_string();
                let names = ["statement_timeout", "idle_in_transaction_session_timeout"];
                Self::Postgres(options.options(names.map(|name| (name, bound.clone()))))
            }
        }
    }

    /// The settings of a connection to PostgreSQL.
    pub(crate) fn postgres(&self) -> Option<&PgConnectOptions> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(options) => Some(options),
        }
    }

    pub(super) async fn open(&self) -> Result<RawConnection, SqlxError> {
        match self {
            Self::Sqlite(options) => options.connect().await.map(RawConnection::Sqlite),
            Self::Postgres(options) => options.connect().await.map(RawConnection::Postgres),
        }
    }

    /// sea-orm's own kind of connection, opened when it is used and closed right after: for migrations.
    pub(crate) fn connection(&self) -> DatabaseConnection {
        match self {
            Self::Sqlite(options) => {
                let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(MIGRATION_TIMEOUT);
                let pool = pool.idle_timeout(None).max_lifetime(None);
                let pool = pool.after_release(|_, _| Box::pin(async { Ok(false) }));
                SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.connect_lazy_with(options.clone()))
            }
            Self::Postgres(options) => {
                let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(MIGRATION_TIMEOUT);
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
        // WAL with the default of NORMAL may lose the last commits in a power cut: a revocation among them.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(deadline)
        .disable_statement_logging())
}

/// TLS is what the URL's `sslmode` says, once the workspace turns on one of sqlx's TLS features; until
/// then `prefer`, the default, means none, and `require` is refused when connecting.
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
