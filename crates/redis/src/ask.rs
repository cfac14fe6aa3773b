//! Asking for batches, and giving them back. One call at a time asks for a bucket's next batch; the others
//! wait for what it brings, half of their time at most.

use std::time::Duration;

use latchkey_core::limit::{Demand, Levels, Spending, tightest_first};
use smallvec::SmallVec;
use tokio::time::{Instant, sleep, timeout};

use crate::batches::Passed;
use crate::link::{Missed, Question};
use crate::wire::Kind;
use crate::{RedisLimiter, apart};

/// How often batches are looked through and the connection is seen to.
const ROUND: Duration = Duration::from_millis(100);
/// Rounds between two questions whether Redis still answers.
const PROBE: u32 = 5;

/// Asks for the next batches of these buckets, the call's own tokens with them.
pub(crate) async fn for_batches(
    limiter: &RedisLimiter,
    demands: &[Demand],
    cost: u32,
    end: Instant,
) -> Result<Spending, Missed> {
    let Some(turns) = limiter.batches.turns(demands, limiter.clock.now().tick) else {
        return limiter.exactly(demands, cost, false, end).await;
    };
    let mine = async {
        let mut mine: SmallVec<[_; 4]> = SmallVec::new();
        for turn in &turns {
            mine.push(turn.lock().await);
        }
        mine
    };
    let _mine = timeout(limiter.deadline / 2, mine).await.map_err(|_| {
        tracing::debug!(why = "another call's question took too long", "Redis missed a call");
        Missed
    })?;
    let sent = limiter.clock.now().tick;
    // The one before may have brought enough.
    if let Some(spending) = limiter.batches.spend(demands, cost.into(), false, sent) {
        return Ok(spending);
    }
    let asks = limiter.batches.hand_over(demands, cost.into(), sent);
    let question = Question { asks: &asks, cost, look: false, end, now: sent };
    let (granted, states) = apart::ask(&limiter.link, question).await?;
    let passed = Passed { granted, cost: cost.into(), sent };
    let mut levels = Levels::new();
    for (demand, state) in demands.iter().zip(&states) {
        limiter.batches.take_up(demand, state, passed);
        levels.push(state.level(demand, state.batch.left, cost.into()));
    }
    tightest_first(&mut levels);
    Ok(Spending { granted, levels })
}

impl RedisLimiter {
    /// Keeps the connection and gives idle batches back. Runs until it is dropped.
    pub async fn keep(&self) {
        let mut round = 0u32;
        let mut failures = 0u32;
        loop {
            if self.link.is_up() {
                failures = 0;
                self.give_back(false).await;
                if round.is_multiple_of(PROBE) {
                    self.link.heal(self.deadline).await;
                }
            } else if round.is_multiple_of(1 << failures.min(3)) {
                self.link.heal(self.deadline).await;
                failures += 1;
            }
            round = round.wrapping_add(1);
            sleep(ROUND).await;
        }
    }

    /// Gives back what lies idle here; at the end, all of it.
    pub async fn give_back(&self, all: bool) {
        let now = self.clock.now().tick;
        for (demand, held) in self.batches.returning(all, now) {
            let end = Instant::now() + self.deadline;
            let asks = [(demand, Kind::GiveBack(held))];
            // What can't be given back now counts as used when its time runs out.
            let question = Question { asks: &asks, cost: 0, look: false, end, now };
            if self.link.ask(question).await.is_err() && !self.link.is_cluster() {
                return;
            }
        }
    }
}
