//! Tests of when key usage is written, with a simulated clock.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use latchkey_core::id::KeyId;
use latchkey_core::operator;
use latchkey_core::ports::usage::{
    HourRange, KeyUseEvent, KeyUseTotals, StoredHours, UsageBatch, UsageLog as _, UseOutcome,
};
use latchkey_core::scope::ScopeSet;
use latchkey_core::time::{Moment, MonotonicInstant};
use latchkey_management::ports::shadow::{ShadowFilter, ShadowTotal};

use super::*;

/// Clock of the test's paused runtime.
struct RuntimeClock(tokio::time::Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Moment {
        let passed = self.0.elapsed();
        let tick = MonotonicInstant::default().plus(passed);
        Moment { wall: Timestamp(1_000 * 3_600_000).plus(passed), monotonic: tick }
    }
}

#[derive(Default)]
struct FakeUsageStore {
    added: Mutex<Vec<(u64, usize)>>,
    pruned: Mutex<Vec<Hour>>,
    pruned_minutes: Mutex<Vec<Minute>>,
    minutes: Mutex<Vec<Option<i64>>>,
    /// Number of statements that still find old minutes.
    old_minutes: AtomicU64,
    unavailable: AtomicBool,
}

#[async_trait]
impl UsageStore for FakeUsageStore {
    async fn add(&self, _: &str, batch: &UsageBatch, _: Timestamp) -> Result<(), SystemError> {
        if self.unavailable.load(Ordering::SeqCst) {
            return Err(SystemError::database());
        }
        self.added.lock().unwrap().push((batch.number, batch.uses.len()));
        self.minutes.lock().unwrap().push(batch.minute.map(|minute| minute.0));
        Ok(())
    }

    async fn hours(&self, _: &str, _: KeyId, _: HourRange) -> Result<StoredHours, SystemError> {
        Ok(StoredHours::default())
    }

    async fn uses(&self, _: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUseTotals>, SystemError> {
        Ok(BTreeMap::new())
    }

    async fn report(
        &self,
        _: &latchkey_management::ports::usage::UsageFilter,
        _: latchkey_management::ports::usage::UsageGroup,
        _: u32,
    ) -> Result<Vec<latchkey_management::ports::usage::UsageLine>, SystemError> {
        Ok(Vec::new())
    }

    async fn shadows(&self, _: &ShadowFilter) -> Result<Vec<ShadowTotal>, SystemError> {
        Ok(Vec::new())
    }

    async fn prune(&self, before: Hour, _: Timestamp) -> Result<u64, SystemError> {
        self.pruned.lock().unwrap().push(before);
        Ok(0)
    }

    async fn prune_minutes(&self, before: Minute) -> Result<u64, SystemError> {
        self.pruned_minutes.lock().unwrap().push(before);
        let (order, left) = (Ordering::SeqCst, |left: u64| left.checked_sub(1));
        Ok(u64::from(self.old_minutes.fetch_update(order, order, left).is_ok()))
    }
}

fn key(number: u128) -> KeyId {
    format!("key_{number:032x}").parse().unwrap()
}

struct Fixture {
    usage: Arc<UsageTracker>,
    store: Arc<FakeUsageStore>,
    usage_flusher: UsageFlusher,
}

impl Fixture {
    fn new() -> Self {
        let (usage, store) = (Arc::new(UsageTracker::new("r".into())), Arc::new(FakeUsageStore::default()));
        let usage_flusher = UsageFlusher {
            usage: usage.clone(),
            store: store.clone(),
            clock: Arc::new(RuntimeClock(tokio::time::Instant::now())),
            settings: UsageSettings {
                flush_interval: Duration::from_secs(5),
                retention: Duration::from_hours(24),
            },
            reported_drops: AtomicU64::new(0),
        };
        Self { usage, store, usage_flusher }
    }

    fn use_keys(&self, keys: std::ops::Range<u128>) {
        let (policy, needed) = (operator::policy(), ScopeSet::default());
        for number in keys {
            let at = Timestamp(1_000 * 3_600_000);
            let used = KeyUseEvent {
                key: key(number),
                at,
                outcome: UseOutcome::Allowed,
                needed: &needed,
                policy: &policy,
            };
            self.usage.record(&used);
        }
    }

    async fn runs_for(&self, seconds: u64) {
        let _ = tokio::time::timeout(Duration::from_secs(seconds), self.usage_flusher.run()).await;
    }

    fn added(&self) -> Vec<(u64, usize)> {
        self.store.added.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn counts_are_written_every_few_seconds_in_batches() {
    let fixture = Fixture::new();
    fixture.use_keys(1..1_201);
    fixture.use_keys(1..1_201);
    fixture.runs_for(4).await;
    assert_eq!(fixture.added(), []);
    fixture.runs_for(6).await;
    assert_eq!(fixture.added(), [(1, 500), (2, 500), (3, 200)]);
    fixture.runs_for(60).await;
    assert_eq!(fixture.added().len(), 3, "no keys were used since");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_unavailable_gets_everything_once() {
    let fixture = Fixture::new();
    fixture.store.unavailable.store(true, Ordering::SeqCst);
    fixture.use_keys(1..11);
    fixture.runs_for(20).await;
    fixture.use_keys(6..16);
    fixture.runs_for(20).await;
    assert_eq!(fixture.added(), []);
    fixture.store.unavailable.store(false, Ordering::SeqCst);
    fixture.usage_flusher.flush().await.unwrap();
    assert_eq!(fixture.added(), [(1, 10), (2, 10)]);
    assert_eq!(fixture.usage.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn more_than_can_wait_is_written_at_once() {
    let fixture = Fixture::new();
    fixture.use_keys(1..40_000);
    fixture.runs_for(1).await;
    let added: usize = fixture.added().iter().map(|(_, keys)| keys).sum();
    assert_eq!(added, 39_999);
}

#[tokio::test(start_paused = true)]
async fn old_usage_is_deleted() {
    let fixture = Fixture::new();
    fixture.runs_for(700).await;
    assert_eq!(fixture.store.pruned.lock().unwrap().first(), Some(&Hour(976)));
    assert_eq!(fixture.store.pruned_minutes.lock().unwrap().first(), Some(&Minute(60_010 - 60)));
}

#[tokio::test(start_paused = true)]
async fn each_minute_ends_with_a_write() {
    let fixture = Fixture::new();
    // The third call is a second before the end of a minute, and the flush interval ends three seconds after it.
    sleep(Duration::from_secs(3)).await;
    let calls = async {
        for _ in 0..5 {
            fixture.use_keys(1..2);
            sleep(Duration::from_secs(28)).await;
        }
    };
    tokio::join!(fixture.runs_for(150), calls);
    let minutes: Vec<_> = fixture.store.minutes.lock().unwrap().iter().flatten().copied().collect();
    assert_eq!(minutes, [60_000, 60_000, 60_000, 60_001, 60_001]);
}

#[tokio::test(start_paused = true)]
async fn calls_are_written_while_many_old_rows_are_deleted() {
    let fixture = Fixture::new();
    fixture.store.old_minutes.store(100_000, Ordering::SeqCst);
    let calls = async {
        sleep(Duration::from_secs(610)).await;
        fixture.use_keys(1..2);
    };
    tokio::join!(fixture.runs_for(620), calls);
    assert_eq!(fixture.added(), [(1, 1)]);
    assert!(fixture.store.old_minutes.load(Ordering::SeqCst) > 0, "the deletion goes on");
}
