//! A limiter on a Redis that all tests share, each with buckets of its own; and one on a Redis of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use latchkey_core::limit::suite::{Bench, charge};
use latchkey_core::limit::{Charge, Mode, Spending};
use latchkey_core::ports::Limiter;
use latchkey_core::time::{Clock, Moment, Tick, Timestamp};
use latchkey_redis::{Address, RedisLimiter, RedisOptions};
use latchkey_testing::Redis;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinHandle;

static SHARED: LazyLock<Redis> = LazyLock::new(Redis::start);
static SUBJECTS: AtomicU64 = AtomicU64::new(1);

/// The machine's monotonic clock.
pub(crate) struct Steady;

impl Clock for Steady {
    fn now(&self) -> Moment {
        let time = clock_gettime(ClockId::Monotonic);
        let nanos = time.tv_sec * 1_000_000_000 + time.tv_nsec;
        Moment { wall: Timestamp(0), tick: Tick(u64::try_from(nanos).expect("it fits")) }
    }
}

/// How to reach a Redis at this URL.
pub(crate) fn options(url: &str, deadline: Duration) -> RedisOptions {
    RedisOptions { address: Address::parse(url, None).expect("an address"), deadline }
}

/// A limiter that is kept connected.
pub(crate) struct Real {
    pub(crate) limiter: Arc<RedisLimiter>,
    _keeper: Keeper,
    mode: Mode,
    pub(crate) subject: u128,
}

impl Real {
    /// On the Redis that everybody shares, with a deadline that a busy machine doesn't miss.
    pub(crate) async fn start(mode: Mode) -> Self {
        Self::on(&SHARED, mode, Duration::from_secs(5)).await
    }

    pub(crate) async fn on(redis: &Redis, mode: Mode, deadline: Duration) -> Self {
        Self::with(&options(&redis.url(), deadline), mode).await
    }

    pub(crate) async fn with(options: &RedisOptions, mode: Mode) -> Self {
        let limiter = Arc::new(RedisLimiter::new(options, Arc::new(Steady)).expect("a limiter"));
        let kept = Arc::clone(&limiter);
        #[expect(clippy::disallowed_methods, reason = "a test ends it when it ends")]
        let keeper = Keeper(tokio::spawn(async move { kept.keep().await }));
        let subject = SUBJECTS.fetch_add(1, Ordering::SeqCst).into();
        let real = Self { limiter, _keeper: keeper, mode, subject };
        real.until(true).await;
        real
    }

    /// Another replica's limiter, on the same buckets.
    pub(crate) async fn beside(&self, redis: &Redis, deadline: Duration) -> Self {
        let mut beside = Self::on(redis, self.mode, deadline).await;
        beside.subject = self.subject;
        beside
    }

    /// Another one on the Redis that everybody shares.
    pub(crate) async fn twin(&self) -> Self {
        self.beside(&SHARED, Duration::from_secs(5)).await
    }

    /// Waits until Redis is asked, or isn't any more.
    pub(crate) async fn until(&self, shared: bool) {
        let wait = async {
            while self.limiter.is_shared() != shared {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("Redis is noticed");
    }

    /// The shared Redis, to look into.
    pub(crate) fn redis() -> &'static Redis {
        &SHARED
    }
}

/// Ends with its limiter.
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bench for Real {
    fn now(&self) -> Moment {
        Steady.now()
    }

    async fn pass(&self, time: Duration) {
        // Redis counts by its own clock, which nobody can move.
        tokio::time::sleep(time).await;
    }

    fn limiter(&self) -> &(impl Limiter + 'static) {
        &*self.limiter
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn subject(&self) -> u128 {
        self.subject
    }
}

/// How many of so many calls pass, one after the other.
pub(crate) async fn admitted(real: &Real, demand: latchkey_core::limit::Demand, calls: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..calls {
        let Spending { granted, .. } = latchkey_core::limit::suite::spend(real, &[demand], 1).await;
        admitted += usize::from(granted);
    }
    admitted
}

/// The bucket's tokens as one who looks sees them.
pub(crate) async fn left(real: &Real, demand: latchkey_core::limit::Demand) -> u64 {
    let looked = charge(&*real.limiter, &[demand], Charge { cost: 0, look: true }, Steady.now()).await;
    looked.levels[0].remaining
}
