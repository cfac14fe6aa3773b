//! The revocation meter: every replica is asked without a pause while a key is revoked through one of them; no call
//! that began after the answer may pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use latchkey_proto::v1::{CheckRequest, RevokeKeyRequest};
use latchkey_testing::{Caller, Progress};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tonic::Status;

use crate::cluster::{Cluster, allows, ask};
use crate::figures::{Figures, now};

/// A call that passed: when it began and when it was answered.
type Pass = (Instant, Instant);

/// Calls that each replica answers after a revocation has returned, before a round ends.
const CALLS_AFTER: usize = 10;

/// Pause between two calls of one client.
pub(crate) const PACE: Duration = Duration::from_millis(4);

/// Checks that are sent repeatedly, until they are stopped.
pub(crate) struct Questions {
    pace: Duration,
    over: Arc<AtomicBool>,
    begun: Progress,
    asked: Vec<JoinSet<(Vec<Pass>, usize)>>,
}

/// Results of a Check: for each caller the calls that passed, and the number of calls.
pub(crate) struct CheckResults(Vec<(Vec<Pass>, usize)>);

impl Questions {
    pub(crate) fn with_pace(pace: Duration) -> Self {
        Self { pace, over: Arc::default(), begun: Progress::default(), asked: Vec::new() }
    }

    /// Starts to send one Check repeatedly, through each of these callers.
    pub(crate) fn ask(&mut self, callers: &[Caller], question: &CheckRequest) {
        let mut asked = JoinSet::new();
        for caller in callers {
            let signals = (Arc::clone(&self.over), self.begun.counter());
            asked.spawn(hammer((caller.clone(), question.clone()), signals, self.pace));
        }
        self.asked.push(asked);
    }

    /// Waits until every caller has begun this number of calls.
    pub(crate) async fn all_reach(&self, calls: usize) {
        self.begun.all_reach("every replica is asked", calls).await;
    }

    /// Stops after some further responses to every caller; returns the results of each Check.
    pub(crate) async fn stop(self) -> Vec<CheckResults> {
        // One more than the required responses, for the call that has begun before.
        self.begun.all_advance("every replica is asked", CALLS_AFTER + 1).await;
        self.over.store(true, Ordering::SeqCst);
        let mut answers = Vec::new();
        for asked in self.asked {
            answers.push(CheckResults(asked.join_all().await));
        }
        answers
    }
}

impl CheckResults {
    /// Returns the number of calls.
    pub(crate) fn calls(&self) -> usize {
        self.0.iter().map(|(_, calls)| calls).sum()
    }

    /// Returns the number of calls that passed.
    pub(crate) fn passed(&self) -> usize {
        self.0.iter().map(|(passes, _)| passes.len()).sum()
    }

    /// Returns the number of calls that began after a moment and passed.
    pub(crate) fn passed_after(&self, moment: Instant) -> usize {
        self.0.iter().flat_map(|(passes, _)| passes).filter(|(began, _)| *began > moment).count()
    }
}

/// Sends a Check to one replica repeatedly, and counts the calls as they begin; returns every pass, and the
/// number of calls.
async fn hammer(
    (caller, question): (Caller, CheckRequest),
    (over, begun): (Arc<AtomicBool>, Arc<AtomicUsize>),
    pace: Duration,
) -> (Vec<Pass>, usize) {
    let (mut passes, mut calls) = (Vec::new(), 0);
    let mut pace = interval(pace);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !over.load(Ordering::SeqCst) {
        pace.tick().await;
        begun.fetch_add(1, Ordering::SeqCst);
        let began = now();
        if allows(&caller, question.clone()).await == Ok(true) {
            passes.push((began, now()));
        }
        calls += 1;
    }
    (passes, calls)
}

/// Answer to `RevokeKey`.
struct Answer {
    number: usize,
    sent: Instant,
    answered: Instant,
    result: Result<(), Status>,
}

/// Largest number of attempts of a revocation. A machine that is too busy for a commit gives no answer.
const ATTEMPTS: usize = 10;

async fn revoke(number: usize, caller: Caller, id: String) -> Answer {
    let sent = now();
    let mut attempts = 0;
    loop {
        let revocation = RevokeKeyRequest { id: id.clone(), reason: String::new() };
        let result = caller.keys().revoke_key(revocation).await.map(drop);
        attempts += 1;
        if result.is_ok() || attempts == ATTEMPTS {
            return Answer { number, sent, answered: now(), result };
        }
    }
}

/// Measurements of a meter.
#[derive(Default)]
pub(crate) struct LatencySamples {
    /// Calls that began after the answer and passed.
    late: usize,
    calls: usize,
    unanswered: usize,
    /// Durations of `RevokeKey`.
    revoking: Figures,
    /// Times from sending `RevokeKey` until the response to the last pass of each replica.
    propagation: Figures,
}

impl LatencySamples {
    /// Revokes a key through one replica while Checks are sent to all of them.
    pub(crate) async fn round(&mut self, cluster: &Cluster, key: (String, String), through: usize) {
        self.burst(cluster, vec![key], through).await;
    }

    /// Revokes keys through one replica, all at once, while Checks of each key are sent to all replicas.
    pub(crate) async fn burst(&mut self, cluster: &Cluster, keys: Vec<(String, String)>, through: usize) {
        let mut questions = Questions::with_pace(PACE * u32::try_from(keys.len()).expect("a few"));
        for (_, value) in &keys {
            questions.ask(&cluster.operators, &ask(value));
        }
        // It does not wait for a response, so that the revocation can overtake the look-up of the first call
        // if the key is not cached.
        questions.all_reach(1).await;
        let caller = &cluster.operators[through];
        let revocations: JoinSet<Answer> = keys
            .into_iter()
            .enumerate()
            .map(|(number, (id, _))| revoke(number, caller.clone(), id))
            .collect();
        let answers = revocations.join_all().await;
        let asked = questions.stop().await;
        for answer in answers {
            let asked = &asked[answer.number];
            self.count(answer, asked);
        }
    }

    fn count(&mut self, answer: Answer, asked: &CheckResults) {
        if let Err(status) = answer.result {
            // Without a response, the revocation guarantees nothing.
            assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
            println!("no answer: {}", status.message());
            self.unanswered += 1;
            return;
        }
        self.revoking.add(answer.answered - answer.sent);
        self.late += asked.passed_after(answer.answered);
        self.calls += asked.calls();
        for (passes, _) in &asked.0 {
            let last = passes.iter().map(|(_, ended)| *ended).max();
            let last = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(answer.sent));
            self.propagation.add(last);
        }
    }

    /// Returns the number of calls that began after the answer and passed.
    pub(crate) fn late(&self) -> usize {
        self.late
    }

    /// Returns the longest time for which a replica allowed a key after `RevokeKey` was sent.
    pub(crate) fn longest_propagation(&self) -> Duration {
        self.propagation.longest()
    }

    /// Prints the figures; panics if a late call passed.
    pub(crate) fn judge(mut self, condition: &str) {
        self.revoking.tell(&format!("{condition}: RevokeKey"));
        self.propagation.tell(&format!("{condition}: until the last pass, by replica"));
        println!("{condition}: {} calls, {} passed that began after the answer", self.calls, self.late);
        assert_eq!(self.late, 0, "{condition}");
        assert!(self.unanswered <= 2, "{condition}: {} revocations had no answer", self.unanswered);
    }
}
