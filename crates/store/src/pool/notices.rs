//! Notices that PostgreSQL sends during a call, and commits of unknown outcome.
//!
//! A commit waits for a synchronous standby, and `pg_cancel_backend` ends that wait. The server then answers as after any
//! other commit, and says by a WARNING alone that the standby may lack it: if the standby is promoted, the commit is lost.
//! Therefore a commit with a warning is an error ([`UnconfirmedCommit`]), and its connection is closed. No query can replace the
//! warning: what the standby has received (`pg_stat_replication`) is shown only to roles with a special permission. The wait
//! also ends when `synchronous_standby_names` is emptied, without a warning; a session compares the setting before and after.
//!
//! sqlx 0.9.0 passes notices to nothing but `tracing`. [`with_notices`] polls a call with a subscriber of its own, which no setting of
//! the log changes. [`PROBE`] makes the server send a notice: a connection on which it does not arrive is refused, so that a
//! pooler that drops notices, or another version of sqlx, is noticed before a write is acknowledged.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::LazyLock;

use sea_orm::sqlx::postgres::PgQueryResult;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{Either, Error as SqlxError, Executor as _, PgConnection, Postgres};
use sea_orm::{DatabaseTransaction, DbErr};
use sea_query_sqlx::SqlxValues;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, dispatcher, span};

use super::{Dialect, OpenError};

/// SQL after which the server sends a notice, and writes nothing to its log: it shortens a name that is too long.
const PROBE: &str = "; SELECT to_regtype(repeat('n', 300)) IS NULL";
/// Target of the events that sqlx makes of notices.
const TARGET: &str = "sqlx::postgres::notice";

/// Error of a commit whose outcome is unknown. It ends the use of the connection.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum UnconfirmedCommit {
    /// A commit with a warning.
    #[error(
        "the server warned when it committed, as it does when its wait for a synchronous standby is cancelled \
         (pg_cancel_backend): the standby may lack the commit; see the server's log, let commits wait, and repeat the call"
    )]
    Warned,
    /// A commit during which the server stopped to wait for any standby.
    #[error(
        "synchronous_standby_names was emptied while the server committed, which ends the waits of commits: the standby may \
         lack the commit; repeat the call"
    )]
    Released,
}

impl From<UnconfirmedCommit> for SqlxError {
    fn from(error: UnconfirmedCommit) -> Self {
        Self::Configuration(Box::new(error))
    }
}

/// Returns whether an error is that of a commit with a warning.
pub(crate) fn is_unconfirmed(error: &SqlxError) -> bool {
    matches!(error, SqlxError::Configuration(cause) if cause.is::<UnconfirmedCommit>())
}

/// Notices that arrived during a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Notices {
    /// True if any arrived.
    any: bool,
    /// True if a warning did.
    pub(super) warning: bool,
}

/// Returns the SQL that follows the settings of a new connection, and makes the server send a notice.
pub(super) fn probe(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => PROBE,
        Dialect::Compatible => "",
    }
}

/// Checks that the notice of [`probe`] arrived.
pub(super) fn check(notices: Notices, dialect: Dialect) -> Result<(), OpenError> {
    if notices.any || dialect == Dialect::Compatible { Ok(()) } else { Err(OpenError::NoNotices) }
}

/// Waits for a call, and returns the notices that arrived meanwhile as well.
pub(super) async fn with_notices<F: Future>(call: F) -> (F::Output, Notices) {
    let mut call = pin!(call);
    let mut notices = Notices::default();
    let output = poll_fn(|context| poll_once(&mut notices, || call.as_mut().poll(context))).await;
    (output, notices)
}

/// Runs a statement outside of a transaction, which commits when it ends. Warnings of the statement itself arrive before
/// its result, and those of the commit after it.
pub(super) async fn run_alone(
    raw: &mut PgConnection,
    query: Query<'static, Postgres, SqlxValues>,
) -> Result<PgQueryResult, SqlxError> {
    let mut results = raw.fetch_many(query);
    let (mut done, mut since) = (PgQueryResult::default(), Notices::default());
    loop {
        let next = poll_fn(|context| poll_once(&mut since, || results.as_mut().poll_next(context))).await;
        match next.transpose()? {
            Some(Either::Left(result)) => {
                done.extend([result]);
                since = Notices::default();
            }
            Some(Either::Right(_)) => {}
            None => break,
        }
    }
    if since.warning { Err(UnconfirmedCommit::Warned.into()) } else { Ok(done) }
}

/// Commits a transaction of migrations. As for a write, a commit with a warning is an error.
pub async fn commit_migrations(transaction: DatabaseTransaction) -> Result<(), DbErr> {
    let (committed, arrived) = with_notices(transaction.commit()).await;
    committed?;
    if arrived.warning { Err(DbErr::Custom(UnconfirmedCommit::Warned.to_string())) } else { Ok(()) }
}

/// Polls once, and adds the notices that arrive.
fn poll_once<T>(notices: &mut Notices, poll: impl FnOnce() -> T) -> T {
    CURRENT.set(Notices::default());
    let polled = dispatcher::with_default(&SUBSCRIBERS[0], poll);
    let arrived = CURRENT.take();
    notices.any |= arrived.any;
    notices.warning |= arrived.warning;
    polled
}

thread_local! {
    /// Notices of the call that this thread polls.
    static CURRENT: Cell<Notices> = const { Cell::new(Notices { any: false, warning: false }) };
}

/// The subscriber of calls, and one that no call uses. They serve the whole process, since each subscriber that is added or
/// removed costs time.
///
/// While a process has one subscriber, tracing-core 0.1 asks the thread's own about a new place of events: a notice that
/// arrives outside of [`with_notices`] would then disable its place in sqlx permanently. Of two subscribers, both are asked.
static SUBSCRIBERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [Dispatch::new(NoticeSubscriber), Dispatch::new(NoticeSubscriber)]);

/// Subscriber that records notices and nothing else.
struct NoticeSubscriber;

impl NoticeSubscriber {
    fn is_notice(metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && *metadata.level() <= Level::INFO
    }
}

impl Subscriber for NoticeSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::is_notice(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::is_notice(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if Self::is_notice(metadata) {
            let warning = CURRENT.get().warning || *metadata.level() <= Level::WARN;
            CURRENT.set(Notices { any: true, warning });
        }
    }

    // Spans are not enabled.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn notices_of(level: Level) -> Notices {
        let call = async {
            tokio::task::yield_now().await;
            match level {
                Level::WARN => tracing::warn!(target: "sqlx::postgres::notice", "a warning"),
                Level::INFO => tracing::info!(target: "sqlx::postgres::notice", "a notice"),
                _ => tracing::warn!(target: "sqlx::query", "something else"),
            }
            tokio::task::yield_now().await;
        };
        with_notices(call).await.1
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn notices_are_seen_without_a_log_and_warnings_are_distinguished() {
        assert_eq!(notices_of(Level::WARN).await, Notices { any: true, warning: true });
        assert_eq!(notices_of(Level::INFO).await, Notices { any: true, warning: false });
        assert_eq!(notices_of(Level::DEBUG).await, Notices::default());
        tracing::warn!(target: "sqlx::postgres::notice", "outside of a call");
        assert_eq!(notices_of(Level::DEBUG).await, Notices::default());
    }

    #[tokio::test]
    async fn a_notice_outside_of_calls_disables_none_within() {
        let notice = || tracing::warn!(target: "sqlx::postgres::notice", "the same place");
        with_notices(async {}).await;
        notice();
        assert!(with_notices(async { notice() }).await.1.warning);
    }

    #[test]
    fn a_connection_without_notices_is_refused_on_postgresql() {
        assert!(check(Notices::default(), Dialect::Postgres).is_err());
        assert!(check(Notices::default(), Dialect::Compatible).is_ok());
        assert!(check(Notices { any: true, warning: false }, Dialect::Postgres).is_ok());
    }

    #[test]
    fn a_commit_with_a_warning_is_an_error_of_its_own_and_ends_its_connection() {
        for error in [UnconfirmedCommit::Warned, UnconfirmedCommit::Released].map(SqlxError::from) {
            assert!(is_unconfirmed(&error) && crate::error::breaks_connection(&error), "{error}");
        }
        assert!(!is_unconfirmed(&SqlxError::Configuration("another".into())));
    }
}
