//! What a store is asked is timed: each question once, under its own name, however it ends.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use latchkey_core::ports::timing::{End, Question, Stopwatch};
use latchkey_core::ports::{Feed, KeyStore};
use latchkey_core::time::Tick;
use latchkey_core::trouble::{Failure, Refusal};
use latchkey_management::ports::Ledger;
use latchkey_management::ports::usage::UsageLedger;
use latchkey_store::Store;

use crate::place::{PATIENT, Place, audit, key, tenant};

on_both![
    an_answered_question_is_timed_once,
    a_refusal_is_an_answer,
    a_question_that_fails_or_is_late_is_timed,
    a_question_that_is_given_up_is_timed,
];

/// Writes down what it hears. Each look at the time is one later.
#[derive(Default)]
struct Book {
    lines: Mutex<Vec<(Question, End, u64)>>,
    now: Mutex<u64>,
}

impl Book {
    fn of(store: Store) -> (Store, Arc<Self>) {
        let book = Arc::<Self>::default();
        (store.timed(book.clone()), book)
    }

    fn lines(&self) -> Vec<(Question, End, u64)> {
        std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Stopwatch for Book {
    fn start(&self) -> Tick {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now += 1;
        Tick(*now)
    }

    fn stop(&self, question: Question, end: End, began: Tick) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((question, end, began.0));
    }
}

async fn an_answered_question_is_timed_once(place: Place) {
    let (store, book) = Book::of(place.another(PATIENT));
    let record = place.make(key(&place, 1)).await;
    store.key_by_hash(&record.hash).await.unwrap();
    let hashes = [record.hash, key(&place, 2).hash, key(&place, 3).hash];
    assert!(store.keys_by_hash(&hashes).await.iter().all(Result::is_ok));
    store.key(record.id).await.unwrap();
    store.revision().await.unwrap();
    store.uses(&[record.id]).await.unwrap();
    let asked = [Question::FindKey, Question::FindKey, Question::Read, Question::Feed, Question::ReadUsage];
    let expected: Vec<_> = (1..).zip(asked).map(|(n, question)| (question, End::Answered, n)).collect();
    assert_eq!(book.lines(), expected);
}

async fn a_refusal_is_an_answer(place: Place) {
    let (store, book) = Book::of(place.another(PATIENT));
    let taken = store.create_tenant(tenant(2, "acme"), audit("tenant.create")).await;
    assert!(matches!(taken, Err(Failure::Refused(Refusal::AlreadyExists(_)))), "{taken:?}");
    assert_eq!(book.lines(), [(Question::Write, End::Answered, 1)]);
}

async fn a_question_that_fails_or_is_late_is_timed(place: Place) {
    let (store, book) = Book::of(place.another(Duration::ZERO));
    store.key_by_hash(&key(&place, 1).hash).await.unwrap_err();
    store.profiles().await.unwrap_err();
    assert_eq!(book.lines(), [(Question::FindKey, End::Late, 1), (Question::Read, End::Late, 2)]);
    let (store, book) = Book::of(place.another(PATIENT));
    place.sql("ALTER TABLE keys RENAME TO lost").await;
    store.key_by_hash(&key(&place, 1).hash).await.unwrap_err();
    store.close().await;
    store.tenants(None, 1).await.unwrap_err();
    assert_eq!(book.lines(), [(Question::FindKey, End::Failed, 1), (Question::List, End::Failed, 2)]);
}

async fn a_question_that_is_given_up_is_timed(place: Place) {
    let (store, book) = Book::of(place.another(PATIENT));
    let hash = key(&place, 1).hash;
    {
        // Nothing is asked before anybody waits.
        drop(store.key_by_hash(&hash));
        assert_eq!(book.lines(), []);
        let mut asking = pin!(store.key_by_hash(&hash));
        let begun = std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx).is_pending()));
        assert!(begun.await);
        assert_eq!(book.lines(), []);
    }
    assert_eq!(book.lines(), [(Question::FindKey, End::Abandoned, 1)]);
}
