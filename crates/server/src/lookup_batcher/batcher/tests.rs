//! Tests of lookups against a database that responds when the test permits it. Each result is the number of its
//! query.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use super::queue::{MAX_BATCH_SIZE, MAX_IN_FLIGHT};
use super::*;

/// Total time that a lookup waits: longer than a busy machine needs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Fake database that records lookups and responds with a permit.
struct FakeDatabase {
    lookups: Mutex<Vec<Vec<u32>>>,
    gate: Semaphore,
    down: bool,
}

impl FakeDatabase {
    fn lookups(&self) -> Vec<Vec<u32>> {
        self.lookups.lock().unwrap().clone()
    }

    async fn result(self: Arc<Self>, keys: Vec<u32>) -> Vec<BatchResult<usize>> {
        let number = {
            let mut lookups = self.lookups.lock().unwrap();
            lookups.push(keys.clone());
            lookups.len()
        };
        self.gate.acquire().await.unwrap().forget();
        let corrupt = |key: u32| (key == 13).then(|| SystemError::Internal("corrupt row".to_owned()));
        let error = |key| if self.down { Some(SystemError::database()) } else { corrupt(key) };
        keys.into_iter().map(|key| error(key).map_or(Ok(number), Err)).collect()
    }
}

fn batcher_over(permits: usize, down: bool) -> (Arc<FakeDatabase>, Arc<Batcher<u32, usize>>) {
    let gate = Semaphore::new(permits);
    let database = Arc::new(FakeDatabase { lookups: Mutex::default(), gate, down });
    let lookups = Arc::clone(&database);
    let batcher = Batcher::new((Handle::current(), TIMEOUT), move |keys| Arc::clone(&lookups).result(keys));
    (database, Arc::new(batcher))
}

async fn query(batcher: Arc<Batcher<u32, usize>>, key: u32) -> BatchResult<usize> {
    batcher.look_up(key).await
}

async fn yield_repeatedly() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Starts as many queries as can be in flight, each for one key from 1000 on.
async fn fill(batcher: &Arc<Batcher<u32, usize>>, calls: &mut JoinSet<BatchResult<usize>>) {
    for key in (1_000..).take(MAX_IN_FLIGHT) {
        calls.spawn(query(Arc::clone(batcher), key));
        yield_repeatedly().await;
    }
}

#[tokio::test]
async fn lookups_during_a_query_for_the_same_key_share_the_next_query() {
    let (database, batcher) = batcher_over(0, false);
    let mut calls = JoinSet::new();
    calls.spawn(query(Arc::clone(&batcher), 1));
    yield_repeatedly().await;
    for _ in 0..50 {
        calls.spawn(query(Arc::clone(&batcher), 1));
    }
    yield_repeatedly().await;
    assert_eq!(database.lookups(), [[1]], "one query at a time for one key");
    database.gate.add_permits(2);
    let mut results: Vec<_> = calls.join_all().await.into_iter().map(Result::unwrap).collect();
    results.sort_unstable();
    assert_eq!(results[..2], [1, 2], "the query in flight has only its own caller");
    assert!(results[1..].iter().all(|number| *number == 2));
    yield_repeatedly().await;
    assert!(batcher.0.queue().is_empty());
}

#[tokio::test]
async fn many_waiting_lookups_are_one_query() {
    let (database, batcher) = batcher_over(0, false);
    let mut calls = JoinSet::new();
    fill(&batcher, &mut calls).await;
    for key in 0..200 {
        calls.spawn(query(Arc::clone(&batcher), key + 20));
    }
    yield_repeatedly().await;
    assert_eq!(database.lookups().len(), MAX_IN_FLIGHT);
    database.gate.add_permits(1_000);
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    let lookups = database.lookups();
    assert_eq!(lookups.len(), MAX_IN_FLIGHT + 1);
    assert_eq!(lookups[MAX_IN_FLIGHT], (20..220).collect::<Vec<_>>(), "in the order of arrival");
}

#[tokio::test]
async fn a_query_has_a_bounded_size() {
    let (database, batcher) = batcher_over(1_000, false);
    let max = u32::try_from(MAX_BATCH_SIZE).unwrap();
    let calls: JoinSet<_> = (0..3 * max).map(|key| query(Arc::clone(&batcher), key + 20)).collect();
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    let sizes: Vec<_> = database.lookups().iter().map(Vec::len).collect();
    assert!(sizes.iter().all(|size| *size <= MAX_BATCH_SIZE) && sizes.len() <= 8, "{sizes:?}");
}

#[tokio::test]
async fn a_cancelled_caller_cancels_no_query_and_is_not_queried_for() {
    let (database, batcher) = batcher_over(0, false);
    let mut calls = JoinSet::new();
    fill(&batcher, &mut calls).await;
    let gone = JoinSet::from_iter([query(Arc::clone(&batcher), 1), query(Arc::clone(&batcher), 2)]);
    let mut stays = JoinSet::from_iter([query(Arc::clone(&batcher), 1)]);
    yield_repeatedly().await;
    drop((gone, calls));
    yield_repeatedly().await;
    database.gate.add_permits(1_000);
    assert!(stays.join_next().await.unwrap().unwrap().is_ok());
    assert_eq!(database.lookups().last(), Some(&vec![1]));
    yield_repeatedly().await;
    assert!(batcher.0.queue().is_empty());
}

#[tokio::test]
async fn an_outage_fails_the_whole_batch_and_a_corrupt_row_only_its_own_lookup() {
    let (_, batcher) = batcher_over(1_000, false);
    let results = [12, 13, 14].map(|key| query(Arc::clone(&batcher), key));
    let results = JoinSet::from_iter(results).join_all().await;
    assert_eq!(results.iter().filter(|result| matches!(result, Err(SystemError::Internal(_)))).count(), 1);
    let (_, batcher) = batcher_over(1_000, true);
    let results: JoinSet<_> = (20..120).map(|key| query(Arc::clone(&batcher), key)).collect();
    assert!(results.join_all().await.iter().all(is_unavailable));
}

#[tokio::test]
async fn a_database_that_misses_its_deadline_gets_smaller_batches() {
    let (database, batcher) = batcher_over(1_000, true);
    for _ in 0..12 {
        let calls: JoinSet<_> = (20..120).map(|key| query(Arc::clone(&batcher), key)).collect();
        calls.join_all().await;
    }
    assert_eq!(database.lookups().first().map(Vec::len), Some(100));
    assert_eq!(database.lookups().last().map(Vec::len), Some(1));
}

#[tokio::test(start_paused = true)]
async fn no_lookup_waits_longer_than_a_check_can_take() {
    let (database, batcher) = batcher_over(0, false);
    let calls: JoinSet<_> = (0..5).map(|_| query(Arc::clone(&batcher), 1)).collect();
    assert!(calls.join_all().await.iter().all(is_unavailable));
    database.gate.add_permits(1_000);
    yield_repeatedly().await;
    assert!(batcher.0.queue().is_empty());
}

#[tokio::test]
async fn a_query_that_panics_releases_its_slot() {
    let queries = AtomicUsize::new(0);
    let batcher = Arc::new(Batcher::new((Handle::current(), TIMEOUT), move |keys: Vec<u32>| {
        let number = queries.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(number >= 10, "a bug in a query");
            keys.into_iter().map(|_| Ok(number)).collect()
        }
    }));
    for _ in 0..10 {
        assert!(matches!(query(Arc::clone(&batcher), 1).await, Err(SystemError::Internal(_))));
    }
    assert_eq!(query(Arc::clone(&batcher), 1).await, Ok(10));
}

#[test]
fn callers_on_other_runtimes_are_answered_by_queries_on_the_given_one() {
    let main =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("main").build().unwrap();
    let on = || std::thread::current().name().map(str::to_owned);
    let query = move |keys: Vec<u32>| async move { keys.into_iter().map(|_| Ok(on())).collect() };
    let batcher = Batcher::new((main.handle().clone(), TIMEOUT), query);
    let single = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    std::thread::scope(|scope| {
        for core in 0..2 {
            let batcher = &batcher;
            scope.spawn(move || {
                for key in 0..200 {
                    let result = single().block_on(batcher.look_up(key * 2 + core));
                    assert_eq!(result, Ok(Some("main".to_owned())));
                }
            });
        }
    });
}
