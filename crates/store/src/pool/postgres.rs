//! A PostgreSQL database with one host or several. Hosts are tried one after the other, beginning with the one that
//! was connected to last; a standby is passed over. Of a host's name with several addresses, the others are tried as well
//! ([`super::routes`]).

mod tls_file;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{ConnectOptions, Error as SqlxError};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use tokio::time::timeout;

use super::pg_session::{PgSession, Pooler, ServerOptions};
use super::postgres_url::{self, Host, Transport};
use super::routes::Route;
use super::target::MIGRATION_TIMEOUT;
use super::url_file::UrlFile;
use super::{CONNECT_TIMEOUT, Dialect, InvalidUrl, OpenError, session};

/// A PostgreSQL database.
pub(crate) struct PostgresTarget {
    /// The hosts; their users and passwords are replaced when those in the file change.
    hosts: Mutex<Arc<Vec<Host>>>,
    /// The ways to the hosts, by their numbers.
    routes: Vec<Route>,
    /// File that the URL was read from.
    file: OnceLock<UrlFile>,
    /// Number of the host that was connected to last.
    current: AtomicUsize,
    /// Longest time that a caller waits.
    deadline: Duration,
    server: ServerOptions,
    /// Search path whose first schema has the tables, once it is known.
    search_path: Mutex<Option<String>>,
}

impl PostgresTarget {
    pub(super) fn parse(url: &str, deadline: Duration, server: ServerOptions) -> Result<Self, InvalidUrl> {
        let hosts = postgres_url::parse(url)?;
        let routes = hosts.iter().map(|_| Route::default()).collect();
        Ok(Self {
            hosts: Mutex::new(Arc::new(hosts)),
            routes,
            file: OnceLock::new(),
            current: AtomicUsize::new(0),
            deadline,
            server,
            search_path: Mutex::default(),
        })
    }

    /// Reads the URL's user and password from this file for each new connection, whose content was `url` at the start.
    pub(crate) fn follow_file(&self, path: PathBuf, url: &str) {
        // Called once, before the first connection.
        let _ = self.file.set(UrlFile::new(path, url));
    }

    /// Returns the hosts, with the present user and password.
    fn hosts(&self) -> Arc<Vec<Host>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = self.file.get().and_then(|file| file.changed(&hosts)) {
            *hosts = Arc::new(changed);
        }
        Arc::clone(&hosts)
    }

    /// Gives the connections that are opened from now on a search path, quoted as in the setting. Returns false if the earlier
    /// ones have it.
    pub(crate) fn pin_search_path(&self, path: &str) -> bool {
        let mut pinned = self.search_path();
        let is_new = pinned.as_deref() != Some(path);
        *pinned = Some(path.to_owned());
        is_new
    }

    fn search_path(&self) -> MutexGuard<'_, Option<String>> {
        self.search_path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a connection can listen for notifications, which needs a session of its own.
    pub(crate) fn can_listen(&self) -> bool {
        self.server.pooler == Pooler::Session && self.server.dialect.notifies()
    }

    /// Returns the kind of server.
    pub(crate) fn dialect(&self) -> Dialect {
        self.server.dialect
    }

    /// Returns the weakest protection among the hosts.
    pub(crate) fn transport(&self) -> Transport {
        let order = [Transport::Plain, Transport::Unverified, Transport::Local];
        let hosts = self.hosts();
        let has = |wanted: &Transport| hosts.iter().any(|host| host.transport == *wanted);
        order.into_iter().find(has).unwrap_or(Transport::Verified)
    }

    /// Returns the number of the host that was connected to last.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::SeqCst)
    }

    /// Returns the options of all hosts, beginning with the one that was connected to last. They lead to the address that
    /// was connected to last.
    pub(crate) fn options(&self) -> Vec<PgConnectOptions> {
        let hosts = self.hosts();
        self.order().map(|index| self.routes[index].options(&hosts[index])).collect()
    }

    fn order(&self) -> impl Iterator<Item = usize> {
        let (first, count) = (self.current(), self.routes.len());
        (0..count).map(move |step| (first + step) % count)
    }

    /// Opens a connection that serves callers, to the first host that accepts writes.
    pub(super) async fn open(&self) -> Result<PgSession, OpenError> {
        let (hosts, mut failures) = (self.hosts(), Vec::new());
        for index in self.order() {
            let host = &hosts[index];
            match self.routes[index].open(host, self).await {
                Ok(connection) => {
                    self.current.store(index, Ordering::SeqCst);
                    return Ok(connection);
                }
                Err(error) => failures.push((host.name.clone(), error)),
            }
        }
        match failures.len() {
            1 => Err(failures.remove(0).1),
            _ => Err(OpenError::Hosts(failures)),
        }
    }

    /// Opens a connection to a host by these options, within [`CONNECT_TIMEOUT`].
    pub(super) async fn open_at(
        &self,
        host: &Host,
        options: &PgConnectOptions,
    ) -> Result<PgSession, OpenError> {
        let opening = async {
            let raw = options.connect().await.map_err(|error| explain(host, error))?;
            let path = self.search_path().clone();
            PgSession::prepare(raw, self.server, self.deadline, path.as_deref()).await
        };
        timeout(CONNECT_TIMEOUT, Box::pin(opening)).await.unwrap_or(Err(OpenError::TimedOut(CONNECT_TIMEOUT)))
    }

    /// Gives the migrations' connection to the present host its present password and address.
    pub(crate) fn refresh(&self, connection: &DatabaseConnection) {
        let (index, hosts) = (self.current(), self.hosts());
        connection
            .get_postgres_connection_pool()
            .set_connect_options(self.routes[index].options(&hosts[index]));
    }

    /// Returns sea-orm's own kind of connection to each host, for migrations.
    pub(super) fn connections(&self) -> Vec<DatabaseConnection> {
        let connection = |host: &Host| {
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(MIGRATION_TIMEOUT);
            // A pooler would keep the settings for others; the migrations' own transaction sets what it needs.
            let dialect = self.server.dialect;
            let pool = match self.server.pooler {
                Pooler::Session => {
                    pool.after_connect(move |raw, _| Box::pin(session::prepare_for_migrations(raw, dialect)))
                }
                Pooler::Transaction => pool,
            };
            let pool = pool.idle_timeout(None).max_lifetime(None);
            let pool = pool.after_release(|_, _| Box::pin(async { Ok(false) }));
            SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy_with(host.options.clone()))
        };
        self.hosts().iter().map(connection).collect()
    }
}

/// Names the file that can't be read or has other content than its parameter needs, if that is the cause.
fn explain(host: &Host, error: SqlxError) -> OpenError {
    let about_files = match &error {
        // rustls reports what it can't verify as invalid data.
        SqlxError::Io(error) => matches!(
            error.kind(),
            ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::IsADirectory
                | ErrorKind::InvalidData
        ),
        SqlxError::Tls(_) | SqlxError::Configuration(_) => true,
        _ => false,
    };
    let found = about_files.then(|| tls_file::unusable(&host.files)).flatten();
    found.unwrap_or(OpenError::Database(error))
}
