//! The connection to Redis, and what stands between a call and a Redis that doesn't answer.
//!
//! A call never connects and never waits longer than its deadline; after three misses in a row nobody asks
//! any more (the breaker), until [`Link::heal`], off the path of calls, has heard Redis answer again. The
//! library's own reconnecting connection is not used: it retries inside a call, for seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use latchkey_core::limit::Demand;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};
use tokio::time::{Instant, timeout, timeout_at};

use crate::wire::{self, Kind, State};

/// Misses in a row after which Redis isn't asked any more.
const MISSES: u32 = 3;
/// How long connecting may take, off the path of calls.
const PATIENCE: Duration = Duration::from_millis(500);

/// A URL that names no Redis. It is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("not the URL of a Redis: write redis://HOST:PORT or redis+unix:///PATH")]
pub struct BadUrl;

/// Redis gave no answer in time, or none that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missed;

/// What a call heard.
pub(crate) type Heard = Result<(bool, Vec<State>), Missed>;

/// The way to one Redis.
pub(crate) struct Link {
    client: Client,
    script: Script,
    live: ArcSwapOption<MultiplexedConnection>,
    misses: AtomicU32,
    asked: AtomicU64,
}

impl Link {
    /// Not connected yet.
    pub(crate) fn new(url: &str) -> Result<Self, BadUrl> {
        let client = Client::open(url).map_err(|_| BadUrl)?;
        let live = ArcSwapOption::empty();
        Ok(Self { client, script: wire::script(), live, misses: AtomicU32::new(0), asked: AtomicU64::new(0) })
    }

    /// Whether calls ask Redis now.
    pub(crate) fn is_up(&self) -> bool {
        self.live.load().is_some()
    }

    /// How many questions calls have asked.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks for all of these at once, and waits until `end`.
    pub(crate) async fn ask(&self, asks: &[(Demand, Kind)], cost: u32, look: bool, end: Instant) -> Heard {
        let live = self.live.load_full().ok_or(Missed)?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut connection = MultiplexedConnection::clone(&live);
        let invocation = wire::invocation(&self.script, asks, cost, look);
        let heard = timeout_at(end, invocation.invoke_async::<Vec<i64>>(&mut connection)).await;
        let answer = match heard {
            Ok(Ok(numbers)) => wire::answer(asks, &numbers).ok_or(Why::Unreadable),
            Ok(Err(error)) => Err(Why::Error(error)),
            Err(_) => Err(Why::Late),
        };
        match answer {
            Ok(answer) => {
                self.misses.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Err(why) => {
                self.missed(&live, &why);
                Err(Missed)
            }
        }
    }

    /// Connects where there is no connection, else asks whether the one there is still answers.
    pub(crate) async fn heal(&self, deadline: Duration) {
        match self.live.load_full() {
            Some(live) => {
                let probe = self.probe(MultiplexedConnection::clone(&live));
                match timeout(deadline, probe).await {
                    Ok(Ok(())) => self.misses.store(0, Ordering::Relaxed),
                    Ok(Err(error)) => self.missed(&live, &Why::Error(error)),
                    Err(_) => self.missed(&live, &Why::Late),
                }
            }
            None => {
                if let Ok(Ok(connection)) = timeout(PATIENCE, self.connect()).await {
                    self.misses.store(0, Ordering::Relaxed);
                    self.live.store(Some(Arc::new(connection)));
                    tracing::info!("Redis answers: limits are counted together");
                }
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        // The library's own deadlines are only the outermost fence; each call brings its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        self.probe(connection.clone()).await?;
        Ok(connection)
    }

    /// The script without a bucket: that it answers says more than a PING does.
    async fn probe(&self, mut connection: MultiplexedConnection) -> Result<(), RedisError> {
        let nothing = wire::invocation(&self.script, &[], 0, true);
        nothing.invoke_async::<Vec<i64>>(&mut connection).await.map(drop)
    }

    /// Counts a miss; a connection that broke, or the third miss in a row, ends asking.
    fn missed(&self, live: &Arc<MultiplexedConnection>, why: &Why) {
        tracing::debug!(%why, "Redis missed a call");
        let misses = self.misses.fetch_add(1, Ordering::Relaxed) + 1;
        if misses < MISSES && !why.is_broken() {
            return;
        }
        let before = self.live.compare_and_swap(live, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, live)) {
            tracing::warn!(why = %why, "Redis does not answer: limits are counted in this process alone");
        }
    }
}

/// Why there was no answer, for the log.
enum Why {
    Late,
    Unreadable,
    Error(RedisError),
}

impl Why {
    fn is_broken(&self) -> bool {
        match self {
            Self::Late | Self::Unreadable => false,
            Self::Error(error) => error.is_io_error() || error.is_unrecoverable_error(),
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Late => f.write_str("no answer in time"),
            Self::Unreadable => f.write_str("an answer that is none"),
            // A code such as OOM, or the kind: never what was sent.
            Self::Error(error) => match error.code() {
                Some(code) => f.write_str(code),
                None => write!(f, "{:?}", error.kind()),
            },
        }
    }
}
