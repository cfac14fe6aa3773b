//! Look-ups against a database that answers when it is let. Each answer is the number of its query.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use super::queue::{MOST_FLIGHTS, MOST_SEATS};
use super::*;

/// What was asked, and the right to answer.
struct Database {
    asked: Mutex<Vec<Vec<u32>>>,
    gate: Semaphore,
    down: bool,
}

impl Database {
    fn asked(&self) -> Vec<Vec<u32>> {
        self.asked.lock().unwrap().clone()
    }

    async fn answer(self: Arc<Self>, things: Vec<u32>) -> Vec<Answer<usize>> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(things.clone());
            asked.len()
        };
        self.gate.acquire().await.unwrap().forget();
        let spoiled = |thing: u32| (thing == 13).then(|| Trouble::Fault("spoiled".to_owned()));
        let trouble = |thing| if self.down { Some(Trouble::database()) } else { spoiled(thing) };
        things.into_iter().map(|thing| trouble(thing).map_or(Ok(number), Err)).collect()
    }
}

fn gathering(permits: usize, down: bool) -> (Arc<Database>, Arc<Gather<u32, usize>>) {
    let gate = Semaphore::new(permits);
    let database = Arc::new(Database { asked: Mutex::default(), gate, down });
    let asked = Arc::clone(&database);
    let gather = Gather::new(Handle::current(), move |things| Arc::clone(&asked).answer(things));
    (database, Arc::new(gather))
}

async fn ask(gather: Arc<Gather<u32, usize>>, thing: u32) -> Answer<usize> {
    gather.look_up(thing).await
}

async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Begins as many queries as may be in flight, each about one thing from 1000 on.
async fn fill(gather: &Arc<Gather<u32, usize>>, calls: &mut JoinSet<Answer<usize>>) {
    for thing in (1_000..).take(MOST_FLIGHTS) {
        calls.spawn(ask(Arc::clone(gather), thing));
        settle().await;
    }
}

#[tokio::test]
async fn whoever_comes_while_a_query_about_the_same_runs_shares_the_next_one() {
    let (database, gather) = gathering(0, false);
    let mut calls = JoinSet::new();
    calls.spawn(ask(Arc::clone(&gather), 1));
    settle().await;
    for _ in 0..50 {
        calls.spawn(ask(Arc::clone(&gather), 1));
    }
    settle().await;
    assert_eq!(database.asked(), [[1]], "one at a time about one thing");
    database.gate.add_permits(2);
    let mut answers: Vec<_> = calls.join_all().await.into_iter().map(Result::unwrap).collect();
    answers.sort_unstable();
    assert_eq!(answers[..2], [1, 2], "the one under way is nobody else's answer");
    assert!(answers[1..].iter().all(|number| *number == 2));
    settle().await;
    assert!(gather.0.queue().is_empty());
}

#[tokio::test]
async fn many_who_wait_are_one_query() {
    let (database, gather) = gathering(0, false);
    let mut calls = JoinSet::new();
    fill(&gather, &mut calls).await;
    for thing in 0..200 {
        calls.spawn(ask(Arc::clone(&gather), thing + 20));
    }
    settle().await;
    assert_eq!(database.asked().len(), MOST_FLIGHTS);
    database.gate.add_permits(1_000);
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    let asked = database.asked();
    assert_eq!(asked.len(), MOST_FLIGHTS + 1);
    assert_eq!(asked[MOST_FLIGHTS], (20..220).collect::<Vec<_>>(), "in the order that they came");
}

#[tokio::test]
async fn a_query_has_a_bounded_size() {
    let (database, gather) = gathering(1_000, false);
    let most = u32::try_from(MOST_SEATS).unwrap();
    let calls: JoinSet<_> = (0..3 * most).map(|thing| ask(Arc::clone(&gather), thing + 20)).collect();
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    let sizes: Vec<_> = database.asked().iter().map(Vec::len).collect();
    assert!(sizes.iter().all(|size| *size <= MOST_SEATS) && sizes.len() <= 8, "{sizes:?}");
}

#[tokio::test]
async fn one_who_goes_away_cancels_nothing_and_is_not_asked_for() {
    let (database, gather) = gathering(0, false);
    let mut calls = JoinSet::new();
    fill(&gather, &mut calls).await;
    let gone = JoinSet::from_iter([ask(Arc::clone(&gather), 1), ask(Arc::clone(&gather), 2)]);
    let mut stays = JoinSet::from_iter([ask(Arc::clone(&gather), 1)]);
    settle().await;
    drop((gone, calls));
    settle().await;
    database.gate.add_permits(1_000);
    assert!(stays.join_next().await.unwrap().unwrap().is_ok());
    assert_eq!(database.asked().last(), Some(&vec![1]));
    settle().await;
    assert!(gather.0.queue().is_empty());
}

#[tokio::test]
async fn an_outage_is_everybodys_and_a_spoiled_row_its_own() {
    let (_, gather) = gathering(1_000, false);
    let answers = [12, 13, 14].map(|thing| ask(Arc::clone(&gather), thing));
    let answers = JoinSet::from_iter(answers).join_all().await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(Trouble::Fault(_)))).count(), 1);
    let (_, gather) = gathering(1_000, true);
    let answers: JoinSet<_> = (20..120).map(|thing| ask(Arc::clone(&gather), thing)).collect();
    assert!(answers.join_all().await.iter().all(is_outage));
}

#[tokio::test]
async fn a_database_that_misses_its_deadline_is_asked_about_less_at_once() {
    let (database, gather) = gathering(1_000, true);
    for _ in 0..12 {
        let calls: JoinSet<_> = (20..120).map(|thing| ask(Arc::clone(&gather), thing)).collect();
        calls.join_all().await;
    }
    assert_eq!(database.asked().first().map(Vec::len), Some(100));
    assert_eq!(database.asked().last().map(Vec::len), Some(1));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_a_check_may_take() {
    let (database, gather) = gathering(0, false);
    let calls: JoinSet<_> = (0..5).map(|_| ask(Arc::clone(&gather), 1)).collect();
    assert!(calls.join_all().await.iter().all(is_outage));
    database.gate.add_permits(1_000);
    settle().await;
    assert!(gather.0.queue().is_empty());
}

#[tokio::test]
async fn a_query_that_fails_in_a_bad_way_takes_no_place_with_it() {
    let queries = AtomicUsize::new(0);
    let gather = Arc::new(Gather::new(Handle::current(), move |things: Vec<u32>| {
        let number = queries.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(number >= 10, "a bug in a query");
            things.into_iter().map(|_| Ok(number)).collect()
        }
    }));
    for _ in 0..10 {
        assert!(matches!(ask(Arc::clone(&gather), 1).await, Err(Trouble::Fault(_))));
    }
    assert_eq!(ask(Arc::clone(&gather), 1).await, Ok(10));
}

#[test]
fn callers_on_other_runtimes_are_answered_by_queries_on_the_given_one() {
    let main =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("main").build().unwrap();
    let on = || std::thread::current().name().map(str::to_owned);
    let ask = move |things: Vec<u32>| async move { things.into_iter().map(|_| Ok(on())).collect() };
    let gather = Gather::new(main.handle().clone(), ask);
    let single = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    std::thread::scope(|scope| {
        for core in 0..2 {
            let gather = &gather;
            scope.spawn(move || {
                for thing in 0..200 {
                    let answer = single().block_on(gather.look_up(thing * 2 + core));
                    assert_eq!(answer, Ok(Some("main".to_owned())));
                }
            });
        }
    });
}
