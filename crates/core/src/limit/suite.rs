//! What every limiter promises, whoever counts: one list of sentences, run over each adapter by
//! [`limiter_suite!`](crate::limiter_suite). Rates are slow where a count must be exact, so that a real
//! server's clock, which nobody can move, brings nothing back meanwhile.
#![expect(clippy::missing_panics_doc, reason = "a promise that is not kept is a panic: it is for tests")]

use std::future::Future;
use std::time::Duration;

use super::{Algorithm, BucketId, Charge, Demand, Levels, Limit, Mode, Per, Spending};
use crate::ports::Limiter;
use crate::time::Moment;

/// A limiter on the bench, with the clock that it counts by.
pub trait Bench: Send + Sync {
    /// What time it is.
    fn now(&self) -> Moment;
    /// Lets time pass.
    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send;
    /// The limiter.
    fn limiter(&self) -> &(impl Limiter + 'static);
    /// How its buckets are counted.
    fn mode(&self) -> Mode;
    /// A number that no other bench's buckets have.
    fn subject(&self) -> u128;
}

/// A bucket of so many tokens in so many seconds, holding so many.
#[must_use]
pub fn demand(bench: &impl Bench, per: Per, (tokens, seconds, burst): (u64, u64, u64)) -> Demand {
    let limit = Limit { tokens, period: Duration::from_secs(seconds), burst };
    let bucket = BucketId { per, subject: bench.subject(), class: 1, place: 0 };
    Demand { bucket, limit, algorithm: Algorithm::TokenBucket, mode: bench.mode(), owner: bench.subject() }
}

/// Spends, and expects an answer.
pub async fn spend(bench: &impl Bench, demands: &[Demand], cost: u32) -> Spending {
    charge(bench.limiter(), demands, Charge { cost, look: false }, bench.now()).await
}

async fn look(bench: &impl Bench, demands: &[Demand], cost: u32) -> Spending {
    charge(bench.limiter(), demands, Charge { cost, look: true }, bench.now()).await
}

/// Charges, and expects an answer.
pub async fn charge(limiter: &impl Limiter, demands: &[Demand], charge: Charge, now: Moment) -> Spending {
    let mut levels = Levels::new();
    let granted = limiter.charge(demands, charge, now, &mut levels).await.expect("a limiter answers");
    Spending { granted, levels }
}

async fn left(bench: &impl Bench, demand: Demand) -> u64 {
    look(bench, &[demand], 0).await.levels[0].remaining
}

const HOUR: u64 = 3_600;

/// The burst passes, the next call does not, and its answer says when to come again.
pub async fn a_bucket_admits_its_burst(bench: impl Bench) {
    let bucket = [demand(&bench, Per::Key, (3, HOUR, 3))];
    for remaining in [2, 1, 0] {
        let spending = spend(&bench, &bucket, 1).await;
        assert!(spending.granted);
        assert_eq!((spending.levels[0].limit, spending.levels[0].remaining), (3, remaining));
    }
    let refused = spend(&bench, &bucket, 1).await;
    let level = refused.levels[0];
    assert!(!refused.granted && level.remaining == 0, "{refused:?}");
    assert!(level.retry > Duration::from_secs(1_100) && level.retry <= Duration::from_mins(20), "{level:?}");
    assert!(
        level.reset > Duration::from_secs(3_500) && level.reset <= Duration::from_secs(HOUR),
        "{level:?}"
    );
}

/// What was used comes back evenly, and no faster.
pub async fn tokens_come_back_at_their_rate(bench: impl Bench) {
    let bucket = [demand(&bench, Per::Key, (2, 1, 1))];
    assert!(spend(&bench, &bucket, 1).await.granted);
    assert!(!spend(&bench, &bucket, 1).await.granted);
    bench.pass(Duration::from_millis(600)).await;
    assert!(spend(&bench, &bucket, 1).await.granted);
    assert!(!spend(&bench, &bucket, 1).await.granted, "one came back, not two");
}

/// A window counts anew when it has ended.
pub async fn a_window_counts_from_its_first_request_and_then_anew(bench: impl Bench) {
    let mut window = demand(&bench, Per::Key, (2, 1, 50));
    window.algorithm = Algorithm::FixedWindow;
    assert!(spend(&bench, &[window], 1).await.granted);
    let second = spend(&bench, &[window], 1).await;
    assert!(second.granted && second.levels[0].limit == 2);
    let refused = spend(&bench, &[window], 1).await;
    assert!(!refused.granted);
    assert!(refused.levels[0].retry <= Duration::from_secs(1) && !refused.levels[0].retry.is_zero());
    bench.pass(Duration::from_millis(1_050)).await;
    assert!(spend(&bench, &[window], 2).await.granted);
    assert!(!spend(&bench, &[window], 1).await.granted);
}

/// A call that one bucket refuses takes nothing from the others.
pub async fn every_bucket_is_charged_or_none(bench: impl Bench) {
    let key = demand(&bench, Per::Key, (10, HOUR, 10));
    let tenant = demand(&bench, Per::Tenant, (1, HOUR, 1));
    assert!(spend(&bench, &[key, tenant], 1).await.granted);
    let refused = spend(&bench, &[key, tenant], 1).await;
    assert!(!refused.granted);
    assert_eq!(refused.levels.len(), 2);
    assert_eq!(refused.levels[0].bucket.per, Per::Tenant, "the tightest comes first");
    assert_eq!(left(&bench, key).await, 9);
}

/// Looking takes nothing, and still says whether there is room.
pub async fn looking_takes_nothing_and_tells_the_truth(bench: impl Bench) {
    let bucket = [demand(&bench, Per::Key, (1, HOUR, 1))];
    assert!(look(&bench, &bucket, 1).await.granted);
    assert!(spend(&bench, &bucket, 1).await.granted);
    assert!(!look(&bench, &bucket, 1).await.granted);
    assert!(spend(&bench, &bucket, 0).await.granted, "a cost of zero always finds room");
    let small = demand(&bench, Per::Tenant, (1, HOUR, 5));
    assert!(!spend(&bench, &[small], 6).await.granted, "more than the bucket holds");
    assert_eq!(left(&bench, small).await, 5);
}

/// A new limit begins where the old one was, not with a full bucket.
pub async fn a_new_limit_keeps_what_was_used(bench: impl Bench) {
    let old = demand(&bench, Per::Key, (10, HOUR, 10));
    assert!(spend(&bench, &[old], 8).await.granted);
    assert!(!spend(&bench, &[demand(&bench, Per::Key, (5, HOUR, 5))], 1).await.granted);
    let old = demand(&bench, Per::Tenant, (10, HOUR, 10));
    for _ in 0..8 {
        assert!(spend(&bench, &[old], 1).await.granted);
    }
    assert_eq!(left(&bench, demand(&bench, Per::Tenant, (20, HOUR, 20))).await, 12);
}

/// However many calls come at once, the tightest bucket's burst passes, to the token.
pub async fn parallel_calls_admit_the_burst_exactly(bench: impl Bench) {
    let both = [demand(&bench, Per::Key, (1, HOUR, 100)), demand(&bench, Per::Tenant, (1, HOUR, 70))];
    let calls = (0..200).map(|_| spend(&bench, &both, 1));
    let admitted = join_all(calls).await.into_iter().filter(|spending| spending.granted).count();
    assert_eq!(admitted, 70);
    assert_eq!(left(&bench, both[0]).await, 30);
}

/// Runs futures side by side.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut running {
            if output.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
            {
                *output = Some(done);
            }
        }
        let done = running.iter().all(|(_, output)| output.is_some());
        if done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

/// One test for each promise, over the bench that the expression makes; give it an `await` if it needs one.
#[macro_export]
macro_rules! limiter_suite {
    ($bench:expr) => {
        $crate::limiter_suite! { $bench =>
            a_bucket_admits_its_burst tokens_come_back_at_their_rate
            a_window_counts_from_its_first_request_and_then_anew every_bucket_is_charged_or_none
            looking_takes_nothing_and_tells_the_truth a_new_limit_keeps_what_was_used
            parallel_calls_admit_the_burst_exactly
        }
    };
    ($bench:expr => $($promise:ident)+) => {
        $(#[tokio::test]
        async fn $promise() {
            $crate::limit::suite::$promise($bench).await;
        })+
    };
}
