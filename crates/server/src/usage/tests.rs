//! What is written when, on a clock that is moved.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use latchkey_core::id::KeyId;
use latchkey_core::operator;
use latchkey_core::ports::usage::{Batch, Deed, HourSpan, KeyUse, StoredHours, UsageLog as _, Use};
use latchkey_core::scope::ScopeSet;
use latchkey_core::time::{Moment, Tick};
use latchkey_management::ports::shadow::{ShadowFilter, ShadowSum};

use super::*;

/// Time as the test's runtime has it.
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Moment {
        let passed = self.0.elapsed();
        let tick = Tick::default().after(passed);
        Moment { wall: Timestamp(1_000 * 3_600_000).after(passed), tick }
    }
}

#[derive(Default)]
struct Ledger {
    added: Mutex<Vec<(u64, usize)>>,
    forgotten: Mutex<Vec<Hour>>,
    away: AtomicBool,
}

#[async_trait]
impl UsageLedger for Ledger {
    async fn add(&self, _: &str, batch: &Batch, _: Timestamp) -> Result<(), Trouble> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Trouble::database());
        }
        self.added.lock().unwrap().push((batch.number, batch.uses.len()));
        Ok(())
    }

    async fn hours(&self, _: &str, _: KeyId, _: HourSpan) -> Result<StoredHours, Trouble> {
        Ok(StoredHours::default())
    }

    async fn uses(&self, _: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUse>, Trouble> {
        Ok(BTreeMap::new())
    }

    async fn shadows(&self, _: &ShadowFilter) -> Result<Vec<ShadowSum>, Trouble> {
        Ok(Vec::new())
    }

    async fn forget(&self, before: Hour, _: Timestamp) -> Result<u64, Trouble> {
        self.forgotten.lock().unwrap().push(before);
        Ok(0)
    }
}

fn key(number: u128) -> KeyId {
    format!("key_{number:032x}").parse().unwrap()
}

struct Desk {
    usage: Arc<Usage>,
    ledger: Arc<Ledger>,
    recorder: Recorder,
}

impl Desk {
    fn new() -> Self {
        let (usage, ledger) = (Arc::new(Usage::new("r".into())), Arc::new(Ledger::default()));
        let recorder = Recorder {
            usage: usage.clone(),
            ledger: ledger.clone(),
            clock: Arc::new(Paused(tokio::time::Instant::now())),
            keeping: UsageKeeping { flush: Duration::from_secs(5), retention: Duration::from_hours(24) },
            told: AtomicU64::new(0),
        };
        Self { usage, ledger, recorder }
    }

    fn uses(&self, keys: std::ops::Range<u128>) {
        let (policy, needed) = (operator::policy(), ScopeSet::default());
        for number in keys {
            let at = Timestamp(1_000 * 3_600_000);
            let used = Use { key: key(number), at, deed: Deed::Allowed, needed: &needed, policy: &policy };
            self.usage.note(&used);
        }
    }

    async fn runs_for(&self, seconds: u64) {
        let _ = tokio::time::timeout(Duration::from_secs(seconds), self.recorder.run()).await;
    }

    fn added(&self) -> Vec<(u64, usize)> {
        self.ledger.added.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_is_written_every_few_seconds_in_batches() {
    let desk = Desk::new();
    desk.uses(1..1_201);
    desk.uses(1..1_201);
    desk.runs_for(4).await;
    assert_eq!(desk.added(), []);
    desk.runs_for(6).await;
    assert_eq!(desk.added(), [(1, 500), (2, 500), (3, 200)]);
    desk.runs_for(60).await;
    assert_eq!(desk.added().len(), 3, "nobody used anything since");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_was_away_gets_everything_once() {
    let desk = Desk::new();
    desk.ledger.away.store(true, Ordering::SeqCst);
    desk.uses(1..11);
    desk.runs_for(20).await;
    desk.uses(6..16);
    desk.runs_for(20).await;
    assert_eq!(desk.added(), []);
    desk.ledger.away.store(false, Ordering::SeqCst);
    desk.recorder.flush().await.unwrap();
    assert_eq!(desk.added(), [(1, 10), (2, 10)]);
    assert_eq!(desk.usage.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn more_than_can_wait_is_written_at_once() {
    let desk = Desk::new();
    desk.uses(1..40_000);
    desk.runs_for(1).await;
    let added: usize = desk.added().iter().map(|(_, keys)| keys).sum();
    assert_eq!(added, 39_999);
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_dropped() {
    let desk = Desk::new();
    desk.runs_for(700).await;
    assert_eq!(desk.ledger.forgotten.lock().unwrap().first(), Some(&Hour(976)));
}
