//! All calls that take access away have one guarantee, on a first call and on a repeated one: they wait for a replica
//! that is cut off until that replica's own lease has ended, even if it is longer than the others. A caller whose
//! deadline comes first is informed that the change is committed, and a call that repeats it, or is made at the same
//! time, waits as well.

mod cases;

use std::time::{Duration, Instant};

use latchkey_proto::v1::CheckRequest;
use latchkey_testing::{Caller, Request, answered, eventually_async};
use tokio::task::JoinSet;
use tonic::Code;

use self::cases::{Call, Case, cases_of_keys, cases_of_tokens, question};
use crate::cluster::{Cluster, allows, rounds};
use crate::figures::now;
use crate::meter::{LatencySamples, PACE, Questions};

/// Number of the replica that is cut off, and that trusts its cache for longest.
const CUT_OFF: usize = 2;

/// Deadline that is shorter than the lease of the replica that is cut off, and longer than a busy machine
/// needs for a commit.
const DEADLINE: Duration = Duration::from_secs(10);

/// Keys that are revoked in one cut.
const BURST: usize = 4;

/// Starts a cluster in which one replica's lease is six times as long as that of the others.
async fn cluster() -> Cluster {
    let lease = |replica| if replica == CUT_OFF { "24s" } else { "4s" };
    Cluster::with(|replica| {
        let settings = [("LATCHKEY_CACHE_LEASE", lease(replica)), ("LATCHKEY_DATABASE_DEADLINE", "8s")];
        settings.map(|(name, value)| (name, value.to_owned())).to_vec()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_passes_after_the_answer_on_a_replica_whose_lease_is_longer_than_the_writers() {
    let cluster = cluster().await;
    let mut seen = LatencySamples::default();
    for round in 0..rounds(4).div_ceil(BURST) {
        let mut keys = Vec::new();
        for _ in 0..BURST {
            let key = cluster.key().await;
            cluster.admitted_everywhere(&key.1).await;
            keys.push(key);
        }
        cluster.replicas[CUT_OFF].to_database.black_hole(true);
        seen.burst(&cluster, keys, round % 2).await;
        cluster.replicas[CUT_OFF].to_database.black_hole(false);
    }
    assert!(
        seen.longest_propagation() > Duration::from_secs(3),
        "that replica has trusted its copy for long"
    );
    seen.judge("cut off, with a lease of 24 s while others have 4 s");
}

/// Moments of the calls of one case.
struct Answers {
    /// End of the first call, by the caller's deadline.
    gave_up: Instant,
    /// First response to the two concurrent calls that follow.
    first: Instant,
}

/// Sends a call with a short deadline, and then twice concurrently through two replicas.
async fn call_three_times(name: &str, call: Call, callers: [Caller; 2]) -> Answers {
    let began = now();
    let gave_up = loop {
        assert!(began.elapsed() < Duration::from_mins(3), "{name}: the database does not answer");
        let status = call.clone().send(&callers[0], Some(DEADLINE)).await.expect_err(name);
        assert_eq!(status.code(), Code::Unavailable, "{name}: {status:?}");
        if status.message().contains("the change is committed") {
            break now();
        }
        // A busy machine may miss the deadline of the write.
        assert!(status.message().contains("the database did not answer"), "{name}: {status:?}");
    };
    let send = async |caller: &Caller| {
        match answered(|| call.clone().send(caller, None)).await {
            Ok(()) => {}
            // A second rotation is refused; by then the first one is in force everywhere.
            Err(status) => {
                assert_eq!((name, status.code()), ("RotateKey", Code::FailedPrecondition), "{status:?}");
            }
        }
        now()
    };
    let (one, other) = tokio::join!(send(&callers[0]), send(&callers[1]));
    Answers { gave_up, first: one.min(other) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_passes_after_a_repeated_or_doubled_call_that_takes_access_away() {
    let cluster = cluster().await;
    let mut cases = cases_of_keys(&cluster.operators[0]).await;
    cases.extend(cases_of_tokens(&cluster.operators[0]).await);
    for Case { name, question, .. } in &cases {
        let passes =
            async || (allows(&cluster.operators[CUT_OFF], question.clone()).await == Ok(true)).then_some(());
        eventually_async(name, passes).await;
    }
    let mut questions = Questions::with_pace(5 * PACE);
    for Case { question, .. } in &cases {
        questions.ask(&cluster.operators[CUT_OFF..], question);
    }
    cluster.replicas[CUT_OFF].to_database.black_hole(true);
    let mut running = JoinSet::new();
    for (number, Case { name, call, .. }) in cases.into_iter().enumerate() {
        let callers = [cluster.operators[0].clone(), cluster.operators[1].clone()];
        running.spawn(async move { (number, name, call_three_times(name, call, callers).await) });
    }
    let moments = running.join_all().await;
    let asked = questions.stop().await;
    for (number, name, answers) in moments {
        let (asked, waited) = (&asked[number], answers.first - answers.gave_up);
        let late = asked.passed_after(answers.first);
        println!("{name}: repeated for {waited:.1?}; {} calls, {late} late", asked.calls());
        assert!(asked.passed_after(answers.gave_up) > 0, "{name}: who is cut off trusts its copy still");
        assert_eq!(late, 0, "{name}: calls that began after an answer passed");
    }
    cluster.replicas[CUT_OFF].to_database.black_hole(false);
}

/// Calls a product's own endpoint by which a customer revokes a key.
fn delete(port: u16, id: &str, authorization: &str) -> (u16, Instant) {
    let path = format!("/v1/api-keys/{id}");
    let request = Request::new("DELETE", "api.getlumen.dev", &path).header("authorization", authorization);
    (request.send(port).status, now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_products_own_endpoint_revokes_a_key_again_and_waits_as_it_did_at_first() {
    let cluster = cluster().await;
    let (operator, there) = (&cluster.operators[0], &cluster.operators[CUT_OFF]);
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/lumen.toml"));
    answered(|| operator.apply(document.as_deref().expect("a profile that ships"))).await.expect("applied");
    let _ = operator.tenant("shop", "lumen", "").await;
    let (_, own) = operator.plain_key("shop", "live").await;
    let (revoked, value) = operator.plain_key("shop", "live").await;
    let question = CheckRequest { path: "/v1/customers".to_owned(), ..question("lumen", &value) };
    let passes = async || (allows(there, question.clone()).await == Ok(true)).then_some(());
    eventually_async("the key is admitted", passes).await;
    cluster.replicas[CUT_OFF].to_database.black_hole(true);
    let mut questions = Questions::with_pace(PACE);
    questions.ask(std::slice::from_ref(there), &question);
    let (id, bearer) = (revoked.id.replace("key_", "apk_"), format!("Bearer {own}"));
    let mut calls = JoinSet::new();
    for replica in [0, 1] {
        let (port, id, bearer) = (cluster.replicas[replica].latchkey.http(), id.clone(), bearer.clone());
        calls.spawn_blocking(move || delete(port, &id, &bearer));
    }
    let answers = calls.join_all().await;
    let asked = questions.stop().await.pop().expect("one question");
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let first = answers.iter().map(|(_, moment)| *moment).min().expect("two");
    assert!(asked.passed() > 0, "the replica that is cut off trusted its copy");
    assert_eq!(asked.passed_after(first), 0, "late calls");
    cluster.replicas[CUT_OFF].to_database.black_hole(false);
    let port = cluster.replicas[0].latchkey.http();
    let again = tokio::task::block_in_place(|| delete(port, &id, &bearer).0);
    assert_eq!(again, 200, "a key that is revoked");
}
