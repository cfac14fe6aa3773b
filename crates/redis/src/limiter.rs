//! The limiter: from batches that lie here where it can, else by one question to Redis, else by this
//! process's own buckets. Those are told of every level that is heard, so that they go on from there when
//! Redis doesn't answer, and are not full.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{Charge, Demand, Levels, Mode, Spending, tightest_first};
use latchkey_core::ports::Limiter;
use latchkey_core::time::{Clock, Moment};
use latchkey_core::trouble::Trouble;
use tokio::time::Instant;

use crate::address::{Address, BadUrl};
use crate::batches::Batches;
use crate::link::{Link, Missed, Question};
use crate::wire::{Kind, State};
use crate::{apart, ask};

/// How to reach Redis, and how long a call waits for it.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// Where it is.
    pub address: Address,
    /// 20 ms: with a query of 80 ms, a call is still answered before Envoy gives up.
    pub deadline: Duration,
}

/// Counts on Redis, together with every other process that does.
pub struct RedisLimiter {
    pub(crate) link: Link,
    pub(crate) batches: Batches,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadline: Duration,
    own: LocalLimiter,
}

impl RedisLimiter {
    /// Not connected yet: [`RedisLimiter::keep`] does that. Until then the process counts alone.
    pub fn new(options: &RedisOptions, clock: Arc<dyn Clock>) -> Result<Self, BadUrl> {
        let link = Link::new(&options.address)?;
        let own = LocalLimiter::new();
        Ok(Self { link, batches: Batches::new(), clock, deadline: options.deadline, own })
    }

    /// Whether Redis is asked now; if not, this process counts alone.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.link.is_up()
    }

    /// How many questions calls have asked Redis.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.link.asked()
    }

    /// How many of them Redis did not answer in time, or not so that it could be read.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.link.failed()
    }

    /// Buckets of this process that are remembered now.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.own.remembered()
    }

    /// Asks Redis; none where it doesn't answer.
    async fn shared(&self, demands: &[Demand], Charge { cost, look }: Charge) -> Option<Spending> {
        let end = Instant::now() + self.deadline;
        let heard = if is_leased(demands) && !look {
            ask::for_batches(self, demands, cost, end).await
        } else {
            self.exactly(demands, cost, look, end).await
        };
        heard.ok()
    }

    /// From batches that are held here, where they hold enough.
    fn held_here(&self, demands: &[Demand], charge: Charge, now: Moment) -> Option<Spending> {
        if !is_leased(demands) {
            return None;
        }
        self.batches.spend(demands, charge.cost.into(), charge.look, now.tick)
    }

    /// One question for this one call.
    pub(crate) async fn exactly(
        &self,
        demands: &[Demand],
        cost: u32,
        look: bool,
        end: Instant,
    ) -> Result<Spending, Missed> {
        let asks: Vec<_> = demands.iter().map(|demand| (*demand, Kind::Exact)).collect();
        let now = self.clock.now().tick;
        let question = Question { asks: &asks, cost, look, end, now };
        let (granted, states) = apart::ask(&self.link, question).await?;
        let now = self.clock.now().tick;
        let more = |demand: &Demand| match demand.mode {
            Mode::Exact => 0,
            Mode::Leased => self.batches.held(demand, now),
        };
        let level = |(demand, state): (&Demand, &State)| state.level(demand, more(demand), cost.into());
        let mut levels: Levels = demands.iter().zip(&states).map(level).collect();
        tightest_first(&mut levels);
        Ok(Spending { granted, levels })
    }
}

fn is_leased(demands: &[Demand]) -> bool {
    demands.iter().all(|demand| demand.mode == Mode::Leased)
}

impl Limiter for RedisLimiter {
    async fn charge(
        &self,
        demands: &[Demand],
        charge: Charge,
        now: Moment,
        levels: &mut Levels,
    ) -> Result<bool, Trouble> {
        let spending = match self.held_here(demands, charge, now) {
            // In a box: a question to Redis is large, and most calls need none.
            None if self.link.is_up() => Box::pin(self.shared(demands, charge)).await,
            held => held,
        };
        let Some(Spending { granted, levels: heard }) = spending else {
            return Ok(self.own.charge_now(demands, charge, now.tick, levels));
        };
        self.own.learn(demands, &heard, now.tick);
        *levels = heard;
        Ok(granted)
    }
}
