//! Timing of a store's queries: each is reported once, under its own kind, however it ends.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::ports::KeyStore;
use latchkey_core::ports::timing::{QueryKind, QueryOutcome, QueryTimer};
use latchkey_core::time::MonotonicInstant;
use latchkey_management::ports::usage::UsageStore;
use latchkey_management::ports::{AuditAction, ListRange, ManagementStore, TenantFilter};
use latchkey_store::Store;

use crate::database::{TEST_TIMEOUT, TestDatabase, audit, key, tenant};

on_both![
    an_answered_question_is_timed_once,
    a_refusal_is_an_answer,
    a_question_that_is_late_is_timed,
    a_question_that_fails_is_timed,
    a_question_that_is_given_up_is_timed,
];

/// Records the reported queries. Each reading of the clock is one later than the last.
#[derive(Default)]
struct RecordingTimer {
    lines: Mutex<Vec<(QueryKind, QueryOutcome, u64)>>,
    now: Mutex<u64>,
}

impl RecordingTimer {
    fn of(store: Store) -> (Store, Arc<Self>) {
        let timer = Arc::<Self>::default();
        (store.with_query_timer(timer.clone()), timer)
    }

    fn lines(&self) -> Vec<(QueryKind, QueryOutcome, u64)> {
        std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl QueryTimer for RecordingTimer {
    fn start(&self) -> MonotonicInstant {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now += 1;
        MonotonicInstant(*now)
    }

    fn stop(&self, question: QueryKind, end: QueryOutcome, began: MonotonicInstant) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((question, end, began.0));
    }
}

async fn an_answered_question_is_timed_once(database: TestDatabase) {
    let (store, timer) = RecordingTimer::of(database.another(TEST_TIMEOUT));
    let record = database.make(key(&database, 1)).await;
    store.key_by_hash(&record.hash).await.unwrap();
    let hashes = [record.hash, key(&database, 2).hash, key(&database, 3).hash];
    assert!(store.keys_by_hash(&hashes).await.iter().all(Result::is_ok));
    store.key(record.id).await.unwrap();
    store.revision().await.unwrap();
    store.uses(&[record.id]).await.unwrap();
    let asked = [
        QueryKind::FindKey,
        QueryKind::FindKey,
        QueryKind::Read,
        QueryKind::ChangeFeed,
        QueryKind::ReadUsage,
    ];
    let expected: Vec<_> = (1..).zip(asked).map(|(n, question)| (question, QueryOutcome::Ok, n)).collect();
    assert_eq!(timer.lines(), expected);
}

async fn a_refusal_is_an_answer(database: TestDatabase) {
    let (store, timer) = RecordingTimer::of(database.another(TEST_TIMEOUT));
    let taken = store.create_tenant(tenant(2, "acme"), audit(AuditAction::TenantCreate)).await;
    assert!(matches!(taken, Err(ManagementError::Request(RequestError::AlreadyExists(_)))), "{taken:?}");
    assert_eq!(timer.lines(), [(QueryKind::Write, QueryOutcome::Ok, 1)]);
}

/// Repeats a query until it is late: a database in the same process can answer within the first tick of the timer.
async fn until_late<T, E: std::fmt::Debug>(mut query: impl AsyncFnMut() -> Result<T, E>) {
    for _ in 0..1_000 {
        if query().await.is_err() {
            return;
        }
    }
    panic!("a deadline of zero did not end any of a thousand queries");
}

async fn a_question_that_is_late_is_timed(database: TestDatabase) {
    let (store, timer) = RecordingTimer::of(database.another(Duration::ZERO));
    let hash = key(&database, 1).hash;
    until_late(async || store.key_by_hash(&hash).await).await;
    until_late(async || store.profiles().await).await;
    let late = timer.lines().into_iter().filter(|(_, outcome, _)| *outcome != QueryOutcome::Ok);
    let late: Vec<_> = late.map(|(question, outcome, _)| (question, outcome)).collect();
    assert_eq!(
        late,
        [(QueryKind::FindKey, QueryOutcome::TimedOut), (QueryKind::Read, QueryOutcome::TimedOut)]
    );
}

async fn a_question_that_fails_is_timed(database: TestDatabase) {
    let (store, timer) = RecordingTimer::of(database.another(TEST_TIMEOUT));
    database.sql("ALTER TABLE keys RENAME TO lost").await;
    store.key_by_hash(&key(&database, 1).hash).await.unwrap_err();
    store.close().await;
    store.tenants(&TenantFilter::default(), &ListRange::newest(None, 1)).await.unwrap_err();
    assert_eq!(
        timer.lines(),
        [(QueryKind::FindKey, QueryOutcome::Failed, 1), (QueryKind::List, QueryOutcome::Failed, 2)]
    );
}

async fn a_question_that_is_given_up_is_timed(database: TestDatabase) {
    let (store, timer) = RecordingTimer::of(database.another(TEST_TIMEOUT));
    let hash = key(&database, 1).hash;
    {
        // A future that is never polled runs no query.
        drop(store.key_by_hash(&hash));
        assert_eq!(timer.lines(), []);
        let mut asking = pin!(store.key_by_hash(&hash));
        let begun = std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx).is_pending()));
        assert!(begun.await);
        assert_eq!(timer.lines(), []);
    }
    assert_eq!(timer.lines(), [(QueryKind::FindKey, QueryOutcome::Cancelled, 1)]);
}
