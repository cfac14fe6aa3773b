//! The connection to Redis, and what stands between a call and a Redis that doesn't answer.
//!
//! A call never connects and never waits longer than its deadline; after three misses in a row nobody asks
//! any more (the breaker), until [`Link::heal`], off the path of calls, has heard Redis answer again. The
//! library's own reconnecting connection is not used: it retries inside a call, for seconds. In a cluster a
//! part that doesn't answer is shut off by itself ([`doors`]), and the library finds nodes again.

mod doors;
mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use latchkey_core::limit::Demand;
use latchkey_core::time::Tick;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::{Instant, timeout, timeout_at};

use self::doors::{Doors, MISSES, Place};
use self::way::{Source, Way};
use crate::address::{Address, BadUrl};
use crate::key;
use crate::wire::{self, Kind, State, Words};

/// How long connecting may take, off the path of calls.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);
/// Silent probes in a row after which a cluster is connected to anew.
const SILENT: u32 = 6;

/// Redis gave no answer in time, or none that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missed;

/// What a call heard.
pub(crate) type Heard = Result<(bool, Vec<State>), Missed>;

/// A call's question: what of which buckets, and how much.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) asks: &'a [(Demand, Kind)],
    pub(crate) cost: u32,
    pub(crate) look: bool,
    /// When the answer comes too late.
    pub(crate) end: Instant,
    pub(crate) now: Tick,
}

/// The way to one Redis, or to one cluster.
pub(crate) struct Link {
    source: Source,
    words: Words,
    live: ArcSwapOption<Way>,
    misses: AtomicU32,
    doors: Doors,
    asked: AtomicU64,
    failed: AtomicU64,
}

impl Link {
    /// Not connected yet.
    pub(crate) fn new(address: &Address) -> Result<Self, BadUrl> {
        Ok(Self {
            source: Source::new(address)?,
            words: Words::new(),
            live: ArcSwapOption::empty(),
            misses: AtomicU32::new(0),
            doors: Doors::new(),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Whether calls ask Redis now.
    pub(crate) fn is_up(&self) -> bool {
        self.live.load().is_some()
    }

    /// Whether buckets with different tags lie apart.
    pub(crate) fn is_cluster(&self) -> bool {
        self.source.is_cluster()
    }

    /// How many questions calls have asked.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many of them had no answer that could be used.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Asks for all of these at once, and waits until the question's end. All of them lie in one slot.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Heard {
        let live = self.live.load_full().ok_or(Missed)?;
        let place = match (self.is_cluster(), question.asks.first()) {
            (true, Some((demand, _))) => Some(Place::of(&key::tag(demand))),
            _ => None,
        };
        if place.is_some_and(|place| !self.doors.is_open(place, question.now)) {
            return Err(Missed);
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut way = Way::clone(&live);
        let answer =
            match timeout_at(question.end, self.run(&mut way, (question.asks, question.cost, question.look)))
                .await
            {
                Ok(Ok(numbers)) => wire::answer(question.asks, &numbers).ok_or(Why::Unreadable),
                Ok(Err(error)) => Err(Why::Error(error)),
                Err(_) => Err(Why::Late),
            };
        if let Some(place) = place {
            if self.doors.note(place, answer.is_ok(), question.now) {
                tracing::warn!(
                    "a part of the Redis Cluster does not answer: its limits are counted in this process alone"
                );
            }
        } else if let Err(why) = &answer {
            self.missed(&live, why);
        } else {
            self.misses.store(0, Ordering::Relaxed);
        }
        answer.map_err(|why| {
            self.failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%why, "Redis missed a call");
            Missed
        })
    }

    /// By the script's hash; a server that hasn't got the script is sent the whole of it. Not by loading it
    /// beforehand: that would ask every node of a cluster.
    async fn run(
        &self,
        way: &mut Way,
        (asks, cost, look): (&[(Demand, Kind)], u32, bool),
    ) -> Result<Vec<i64>, RedisError> {
        match way.numbers(&self.words.by_hash(asks, cost, look)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                way.numbers(&wire::whole(asks, cost, look)).await
            }
            heard => heard,
        }
    }

    /// Connects where there is no connection, else asks whether the one there is still answers.
    pub(crate) async fn heal(&self, deadline: Duration) {
        match self.live.load_full() {
            Some(live) => {
                let mut way = Way::clone(&live);
                match timeout(deadline, self.probe(&mut way)).await {
                    Ok(Ok(())) => self.misses.store(0, Ordering::Relaxed),
                    Ok(Err(error)) => self.missed(&live, &Why::Error(error)),
                    Err(_) => self.missed(&live, &Why::Late),
                }
            }
            None => {
                if let Ok(Ok(way)) = timeout(2 * PATIENCE, self.connect()).await {
                    self.misses.store(0, Ordering::Relaxed);
                    self.live.store(Some(Arc::new(way)));
                    tracing::info!("Redis answers: limits are counted together");
                }
            }
        }
    }

    async fn connect(&self) -> Result<Way, RedisError> {
        let mut way = self.source.open(PATIENCE).await?;
        self.probe(&mut way).await?;
        Ok(way)
    }

    /// The script without a bucket: that it answers says more than a PING does.
    async fn probe(&self, way: &mut Way) -> Result<(), RedisError> {
        self.run(way, (&[], 0, true)).await.map(drop)
    }

    /// Counts a miss; a connection that broke, or the third miss in a row, ends asking. A cluster's connection
    /// mends itself, so it is given longer.
    fn missed(&self, live: &Arc<Way>, why: &Why) {
        let misses = self.misses.fetch_add(1, Ordering::Relaxed) + 1;
        let over = if self.is_cluster() { misses >= SILENT } else { misses >= MISSES || why.is_broken() };
        if !over {
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
