//! A statement that runs in a task of its own. If its caller gives up, it runs on for a while, so that a connection to
//! a distant server is not lost together with all that was prepared on it.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::Error as SqlxError;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::pool_entry::PoolEntry;
use super::raw_connection::{SqlCommand, SqlOutcome};
use super::{END_TIMEOUT, Pool, PoolPermit};
use crate::error::breaks_connection;

/// Time for which a statement runs on without its caller.
const ABANDONED_FOR: Duration = Duration::from_secs(1);

/// A connection with its permits.
pub(super) struct HeldConnection {
    pub(super) entry: PoolEntry,
    pub(super) permit: PoolPermit,
    /// Permission to write.
    pub(super) write_permit: Option<PoolPermit>,
    /// True while a transaction is open.
    pub(super) open: bool,
}

type Answer = Result<SqlOutcome, SqlxError>;

/// Runs a statement. Returns the connection as well, unless it was lost.
pub(super) async fn run(
    pool: Arc<Pool>,
    held: Box<HeldConnection>,
    command: SqlCommand,
) -> (Option<Box<HeldConnection>>, Answer) {
    let (sender, receiver) = oneshot::channel();
    #[expect(
        clippy::disallowed_methods,
        reason = "a statement outlives its caller for a limited time; at most one task a permit"
    )]
    tokio::spawn(answer(pool, held, command, sender));
    match receiver.await {
        Ok((held, answer)) => (Some(held), answer),
        Err(_) => (None, Err(SqlxError::WorkerCrashed)),
    }
}

async fn answer(
    pool: Arc<Pool>,
    mut held: Box<HeldConnection>,
    command: SqlCommand,
    mut sender: oneshot::Sender<(Box<HeldConnection>, Answer)>,
) {
    let begins = matches!(command, SqlCommand::Begin(_));
    let ends = matches!(command, SqlCommand::Commit(_) | SqlCommand::Rollback);
    let abandoned = async {
        sender.closed().await;
        sleep(ABANDONED_FOR).await;
    };
    let answer = tokio::select! {
        answer = held.entry.raw.run(command) => answer,
        () = abandoned => {
            // The server is silent, and so may be the other connections to it.
            pool.drain_idle();
            return;
        }
    };
    held.open = (held.open || begins) && !(ends && answer.is_ok());
    if let Err((held, answer)) = sender.send((held, answer)) {
        release(&pool, *held, answer.as_ref().is_err_and(breaks_connection)).await;
    }
}

/// Returns a connection to the pool after rolling back what is open; closes it if it is broken.
pub(super) async fn release(pool: &Arc<Pool>, mut held: HeldConnection, broken: bool) {
    if broken {
        pool.drain_idle();
        return;
    }
    if held.open {
        let ended = timeout(END_TIMEOUT, held.entry.raw.run(SqlCommand::Rollback)).await;
        if !matches!(ended, Ok(Ok(_))) {
            return;
        }
    }
    pool.return_idle(held.entry, Instant::now());
    drop((held.permit, held.write_permit));
}
