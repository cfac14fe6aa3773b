//! One question in flight per key. Where memory isn't trusted, each Check reads the database; a busy key must
//! not make a herd of that. A call shares the answer of a query that began after the call arrived, never of one
//! that was under way already: that one may not know of a revocation that was over before the call came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::ports::{Found, FoundFamily, KeyStore};
use latchkey_core::secret::KeyHash;
use latchkey_core::trouble::Trouble;
use latchkey_core::user::UserRecord;
use tokio::sync::Mutex as Turn;
use tokio::time::timeout;

/// How long a call waits in all: for the query under way, and for its own or the one that it shares.
const LONGEST: Duration = Duration::from_millis(130);

type Answer = Result<Found, Trouble>;

/// The queries about one key.
#[derive(Default)]
struct Flight {
    /// How many have begun.
    begun: AtomicU64,
    /// The last one that ended, by its number. Held by whoever asks.
    last: Turn<Option<(u64, Answer)>>,
}

/// A key store that is asked once where many want to know the same.
pub(crate) struct Flights {
    store: Arc<dyn KeyStore>,
    flights: Mutex<HashMap<KeyHash, Arc<Flight>>>,
}

impl Flights {
    pub(crate) fn new(store: Arc<dyn KeyStore>) -> Self {
        Self { store, flights: Mutex::default() }
    }

    async fn fly(&self, flight: &Flight, hash: &KeyHash) -> Answer {
        let arrived = flight.begun.load(Ordering::SeqCst);
        let mut last = flight.last.lock().await;
        if let Some((number, answer)) = &*last
            && *number > arrived
        {
            return answer.clone();
        }
        let number = flight.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = self.store.key_by_hash(hash).await;
        *last = Some((number, answer.clone()));
        answer
    }

    fn board(&self, hash: &KeyHash) -> Boarded<'_> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = Arc::clone(flights.entry(*hash).or_default());
        Boarded { flights: self, hash: *hash, flight }
    }
}

/// A call that takes part; the last one to leave tidies up, however it leaves.
struct Boarded<'a> {
    flights: &'a Flights,
    hash: KeyHash,
    flight: Arc<Flight>,
}

impl Drop for Boarded<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.flights.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's own, and this one.
        if Arc::strong_count(&self.flight) == 2 {
            flights.remove(&self.hash);
        }
    }
}

#[async_trait]
impl KeyStore for Flights {
    async fn key_by_hash(&self, hash: &KeyHash) -> Answer {
        let boarded = self.board(hash);
        let answer = timeout(LONGEST, self.fly(&boarded.flight, hash)).await;
        answer.unwrap_or_else(|_| Err(Trouble::database()))
    }

    async fn user_by_id(&self, id: UserId) -> Result<Found<UserRecord>, Trouble> {
        self.store.user_by_id(id).await
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Result<FoundFamily, Trouble> {
        self.store.family(id, signing_key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    /// Answers when it is let; each answer's revision is its query's number.
    struct Gated {
        begun: AtomicU64,
        gate: Semaphore,
    }

    #[async_trait]
    impl KeyStore for Gated {
        async fn key_by_hash(&self, _: &KeyHash) -> Answer {
            let revision = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            self.gate.acquire().await.unwrap().forget();
            Ok(Found { known: None, revision })
        }
    }

    const HASH: KeyHash = KeyHash([1; 32]);

    fn gated() -> (Arc<Gated>, Arc<Flights>) {
        let store = Arc::new(Gated { begun: AtomicU64::new(0), gate: Semaphore::new(0) });
        (Arc::clone(&store), Arc::new(Flights::new(store)))
    }

    async fn ask(flights: Arc<Flights>) -> Result<u64, Trouble> {
        flights.key_by_hash(&HASH).await.map(|found| found.revision)
    }

    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn whoever_comes_while_a_query_runs_shares_the_next_one() {
        let (store, flights) = gated();
        let mut calls = tokio::task::JoinSet::new();
        calls.spawn(ask(Arc::clone(&flights)));
        settle().await;
        for _ in 0..50 {
            calls.spawn(ask(Arc::clone(&flights)));
        }
        settle().await;
        assert_eq!(store.begun.load(Ordering::SeqCst), 1);
        store.gate.add_permits(2);
        let mut answers: Vec<_> = calls.join_all().await.into_iter().map(Result::unwrap).collect();
        answers.sort_unstable();
        assert_eq!(answers[..2], [1, 2], "the one under way is nobody else's answer");
        assert!(answers[1..].iter().all(|number| *number == 2));
        assert!(flights.flights.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn when_the_one_who_asks_gives_up_the_next_one_asks() {
        let (store, flights) = gated();
        let first = tokio::task::JoinSet::from_iter([ask(Arc::clone(&flights))]);
        settle().await;
        let mut second = tokio::task::JoinSet::from_iter([ask(Arc::clone(&flights))]);
        settle().await;
        drop(first);
        store.gate.add_permits(1);
        assert_eq!(second.join_next().await.unwrap().unwrap(), Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_a_check_may_take() {
        let (_store, flights) = gated();
        let calls: tokio::task::JoinSet<_> = (0..5).map(|_| ask(Arc::clone(&flights))).collect();
        assert!(calls.join_all().await.iter().all(Result::is_err));
        assert!(flights.flights.lock().unwrap().is_empty());
    }
}
