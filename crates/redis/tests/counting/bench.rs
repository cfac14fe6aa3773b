//! A limiter on a Redis that all tests share, each with buckets of its own; and one on a Redis of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use latchkey_core::limit::conformance::{LimiterHarness, charge_limiter};
use latchkey_core::limit::{ChargeOptions, ChargeResult, CountingMode};
use latchkey_core::ports::Limiter;
use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use latchkey_redis::{Address, RedisLimiter, RedisOptions};
use latchkey_testing::{Redis, eventually_async};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinHandle;

static SHARED: LazyLock<Redis> = LazyLock::new(Redis::start);
static SUBJECTS: AtomicU64 = AtomicU64::new(1);

/// The machine's clocks.
pub(crate) struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now(&self) -> Moment {
        let time = clock_gettime(ClockId::Monotonic);
        let nanos = time.tv_sec * 1_000_000_000 + time.tv_nsec;
        let wall = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
        let wall = Timestamp(i64::try_from(wall).expect("it fits"));
        Moment { wall, monotonic: MonotonicInstant(u64::try_from(nanos).expect("it fits")) }
    }
}

/// Returns options for a Redis at this URL.
pub(crate) fn options(url: &str, deadline: Duration) -> RedisOptions {
    RedisOptions { address: Address::parse(url, None).expect("an address"), deadline }
}

/// A limiter with its maintenance task.
pub(crate) struct RedisBench {
    pub(crate) limiter: Arc<RedisLimiter>,
    _maintenance: MaintenanceTask,
    mode: CountingMode,
    pub(crate) subject: u128,
}

impl RedisBench {
    /// Starts a limiter on the shared Redis, with a deadline that holds on a busy machine.
    pub(crate) async fn start(mode: CountingMode) -> Self {
        Self::on(&SHARED, mode, Duration::from_secs(5)).await
    }

    pub(crate) async fn on(redis: &Redis, mode: CountingMode, deadline: Duration) -> Self {
        Self::with(&options(&redis.url(), deadline), mode).await
    }

    pub(crate) async fn with(options: &RedisOptions, mode: CountingMode) -> Self {
        let limiter = Arc::new(RedisLimiter::new(options, Arc::new(MonotonicClock)).expect("a limiter"));
        let kept = Arc::clone(&limiter);
        #[expect(clippy::disallowed_methods, reason = "a test ends it when it ends")]
        let maintenance = MaintenanceTask(tokio::spawn(async move { kept.maintain().await }));
        let subject = SUBJECTS.fetch_add(1, Ordering::SeqCst).into();
        let bench = Self { limiter, _maintenance: maintenance, mode, subject };
        bench.until(true).await;
        bench
    }

    /// Starts the limiter of another replica on the same buckets.
    pub(crate) async fn beside(&self, redis: &Redis, deadline: Duration) -> Self {
        let mut beside = Self::on(redis, self.mode, deadline).await;
        beside.subject = self.subject;
        beside
    }

    /// Starts another limiter on the shared Redis.
    pub(crate) async fn twin(&self) -> Self {
        self.beside(&SHARED, Duration::from_secs(5)).await
    }

    /// Waits until Redis is in use, or no longer in use.
    pub(crate) async fn until(&self, shared: bool) {
        let noticed = async || (self.limiter.is_shared() == shared).then_some(());
        eventually_async("Redis is noticed", noticed).await;
    }

    /// Returns the shared Redis, for inspection.
    pub(crate) fn redis() -> &'static Redis {
        &SHARED
    }
}

/// A maintenance task that ends with its limiter.
struct MaintenanceTask(JoinHandle<()>);

impl Drop for MaintenanceTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl LimiterHarness for RedisBench {
    fn now(&self) -> Moment {
        MonotonicClock.now()
    }

    async fn advance(&self, time: Duration) {
        // The sleep is necessary: a bucket fills by the clock of Redis, which a test cannot move.
        tokio::time::sleep(time).await;
    }

    fn limiter(&self) -> &(impl Limiter + 'static) {
        &*self.limiter
    }

    fn mode(&self) -> CountingMode {
        self.mode
    }

    fn subject(&self) -> u128 {
        self.subject
    }
}

/// Returns how many of a number of sequential calls are admitted.
pub(crate) async fn admitted(
    bench: &RedisBench,
    demand: latchkey_core::limit::BucketCharge,
    calls: usize,
) -> usize {
    let mut admitted = 0;
    for _ in 0..calls {
        let ChargeResult { granted, .. } =
            latchkey_core::limit::conformance::charge(bench, &[demand], 1).await;
        admitted += usize::from(granted);
    }
    admitted
}

/// Returns the bucket's tokens without charging it.
pub(crate) async fn left(bench: &RedisBench, demand: latchkey_core::limit::BucketCharge) -> u64 {
    let looked = charge_limiter(
        &*bench.limiter,
        &[demand],
        ChargeOptions { cost: 0, dry_run: true },
        MonotonicClock.now(),
    )
    .await;
    looked.levels[0].remaining
}
