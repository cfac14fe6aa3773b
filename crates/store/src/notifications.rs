//! PostgreSQL's notifications of commits. Each write notifies in its own transaction; a dedicated connection
//! listens. A connection that has gone silent is probed with a query, so that a dead network is not mistaken
//! for an idle database. Correctness does not depend on notifications: the feed is polled as well.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::ports::ChangeNotifications;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sea_orm::sqlx::{self, Error as SqlxError};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, timeout};

use crate::pool::{Dialect, PooledConnection, PostgresTarget};

const CHANNEL: &str = "latchkey_changes";
/// Silence after which the connection is probed, and the time that the probe may take. Together they stay under
/// a second.
const IDLE_BEFORE_PROBE: Duration = Duration::from_millis(400);
const PROBE_TIMEOUT: Duration = Duration::from_millis(400);
/// Time limit for connecting, which suffices for TLS and a password over a slow line.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause between two attempts to connect.
const RECONNECT_DELAY: Duration = Duration::from_millis(200);

/// Time after which a connection is replaced, as those of callers are: a name that was moved leads to another server then,
/// although the earlier one still answers.
const MAX_LIFETIME: Duration = Duration::from_mins(10);

/// Returns the SQL expression that notifies listeners when its transaction commits. `None` on SQLite, where one process
/// serves, and on servers that lack notifications.
pub(crate) fn call(connection: &PooledConnection) -> Option<Expr> {
    let notifies = connection.dialect().is_some_and(Dialect::notifies);
    notifies.then(|| Func::cust("pg_notify").args([Expr::val(CHANNEL), Expr::val("")]).into())
}

/// A subscription to PostgreSQL's notifications.
pub(crate) struct PgNotifications {
    target: Arc<PostgresTarget>,
    notifications: Option<Receiver<()>>,
}

impl PgNotifications {
    pub(crate) fn new(target: Arc<PostgresTarget>) -> Self {
        Self { target, notifications: None }
    }
}

#[async_trait]
impl ChangeNotifications for PgNotifications {
    async fn next(&mut self) {
        loop {
            let target = &self.target;
            let notifications = self.notifications.get_or_insert_with(|| listen(Arc::clone(target)));
            if notifications.recv().await.is_some() {
                return;
            }
            tracing::debug!(
                "lost the database connection for change notifications; the change feed is polled until it reconnects"
            );
            self.notifications = None;
            sleep(RECONNECT_DELAY).await;
        }
    }
}

/// Listens over one connection until it is lost or the receiver is dropped.
///
/// Runs on a runtime of its own: when a connection is dropped, the library sends a termination message and
/// waits for the reply without a time limit. Dropping the runtime ends that wait and the connection.
fn listen(target: Arc<PostgresTarget>) -> Receiver<()> {
    let (sender, notifications) = channel(1);
    std::thread::spawn(move || {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(relay(&target, &sender));
        runtime.shutdown_background();
    });
    notifications
}

/// Sends once when the connection is established, and then for each notification. At most one wake-up is
/// pending. Ends as well when the connection is to be replaced.
async fn relay(target: &PostgresTarget, sender: &Sender<()>) {
    let (opened, host) = (Instant::now(), target.current());
    let Some(mut listener) = connect_to_any(target).await else { return };
    let serves = || !sender.is_closed() && !is_over(opened.elapsed(), (host, target.current()));
    loop {
        let _ = sender.try_send(());
        if !recv(&mut listener, serves).await {
            return;
        }
    }
}

/// Returns whether a connection of this age is to be replaced. `hosts` are the numbers of the host that callers were
/// connected to when it was opened, and now: only the present one is notified of commits.
fn is_over(age: Duration, hosts: (usize, usize)) -> bool {
    age >= MAX_LIFETIME || hosts.0 != hosts.1
}

/// Listens at the first host that lets it; a standby does not.
async fn connect_to_any(target: &PostgresTarget) -> Option<PgListener> {
    for options in target.options() {
        match timeout(CONNECT_TIMEOUT, connect(&options)).await {
            Ok(Ok(listener)) => return Some(listener),
            // The pool reports why it can't connect; correctness does not depend on wake-ups.
            Ok(Err(error)) => tracing::debug!(%error, "can't listen for notifications of PostgreSQL"),
            Err(_) => tracing::debug!("can't listen for notifications of PostgreSQL in time"),
        }
    }
    None
}

async fn connect(options: &PgConnectOptions) -> Result<PgListener, SqlxError> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_TIMEOUT);
    let mut listener = PgListener::connect_with(&pool.connect_lazy_with(options.clone())).await?;
    // A lost connection must be reported and not silently replaced by the library.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Returns true after a notification; false if the connection is lost, or `serves` returns false.
async fn recv(listener: &mut PgListener, serves: impl Fn() -> bool) -> bool {
    while serves() {
        if let Ok(notification) = timeout(IDLE_BEFORE_PROBE, listener.try_recv()).await {
            return notification.is_ok_and(|notification| notification.is_some());
        }
        let asked = sqlx::raw_sql("SELECT 1").execute(&mut *listener);
        if !timeout(PROBE_TIMEOUT, asked).await.is_ok_and(|answer| answer.is_ok()) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::str::FromStr as _;

    use latchkey_testing::Postgres;

    use super::*;

    #[test]
    fn a_connection_is_replaced_when_it_is_old_or_callers_use_another_host() {
        assert!(!is_over(Duration::ZERO, (1, 1)));
        assert!(is_over(Duration::ZERO, (0, 1)));
        assert!(is_over(MAX_LIFETIME, (1, 1)));
    }

    #[tokio::test]
    async fn a_quiet_connection_ends_once_it_is_to_be_replaced() {
        let options = PgConnectOptions::from_str(&Postgres::shared().url("postgres")).unwrap();
        let mut listener = connect(&options).await.unwrap();
        let asked = Cell::new(0);
        let serves = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        assert!(!recv(&mut listener, serves).await);
        assert_eq!(asked.get(), 3, "the connection answered, and was asked for until then");
    }
}
