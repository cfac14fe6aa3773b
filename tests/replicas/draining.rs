//! A replica that shuts down: it decides nothing any more once it has marked its row as departed, although a
//! connection is stuck and its process continues for a while.

use std::time::Duration;

use latchkey_proto::v1::{CheckRequest, CheckResponse, Decision};
use latchkey_testing::{Signal, eventually};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::cluster::{Cluster, ask, decides};
use crate::figures::now;

/// Number of the replica that shuts down. Its lease is far longer than this test.
const LEAVING: usize = 2;

const STUCK: usize = 20;

/// Time that is longer than a busy machine needs to revoke a key when no lease must be waited for.
const AT_ONCE: Duration = Duration::from_mins(1);

fn settings(replica: usize) -> Vec<(&'static str, String)> {
    if replica != LEAVING {
        return Vec::new();
    }
    [
        ("LATCHKEY_CACHE_LEASE", "5m"),
        ("LATCHKEY_SHUTDOWN_DELAY", "0s"),
        ("LATCHKEY_SHUTDOWN_TIMEOUT", "500ms"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// Begins a Check whose message is sent later.
async fn check_late(channel: Channel, question: mpsc::Receiver<CheckRequest>) -> Option<Decision> {
    let mut client = Grpc::new(channel);
    client.ready().await.expect("a connection");
    let path = PathAndQuery::from_static("/latchkey.v1.CheckService/Check");
    let codec = ProstCodec::<CheckRequest, CheckResponse>::default();
    let question = tonic::Request::new(ReceiverStream::new(question));
    let answer = client.client_streaming(question, path, codec).await.ok()?;
    Some(answer.into_inner().decision())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_has_left_answers_nothing_from_its_cache_over_a_connection_that_is_stuck() {
    let cluster = Cluster::with(settings).await;
    let (id, value) = cluster.key().await;
    cluster.admitted_everywhere(&value).await;
    let leaving = &cluster.replicas[LEAVING].latchkey;
    let address = format!("http://127.0.0.1:{}", leaving.grpc());
    let channel = Endpoint::from_shared(address).expect("an address").connect_lazy();
    let (mut stuck, mut questions) = (JoinSet::new(), Vec::new());
    for _ in 0..STUCK {
        let (question, later) = mpsc::channel(1);
        questions.push(question);
        stuck.spawn(check_late(channel.clone(), later));
    }
    // One more call over the same connection, which is answered: the others have begun.
    let (question, later) = mpsc::channel(1);
    question.send(ask(&value)).await.expect("it is sent");
    drop(question);
    assert_eq!(check_late(channel, later).await, Some(Decision::Allow));
    // Its last write waits for the lock on this table, and the process continues meanwhile.
    let lock = cluster.postgres.lock(&cluster.postgres.url("test_0"), "usage_recorders");
    leaving.signal(Signal::TERM);
    let departed = "SELECT count(*) FROM replicas WHERE NOT departed";
    tokio::task::block_in_place(|| {
        eventually("it has left", || (cluster.sql(departed) == "2").then_some(()));
    });
    let began = now();
    cluster.revoke(0, &id).await;
    assert!(began.elapsed() < AT_ONCE, "nobody waits for one who left: {:?}", began.elapsed());
    for question in questions {
        // A call on a connection that was closed meanwhile has no response.
        let _ = question.send(ask(&value)).await;
    }
    let answers = stuck.join_all().await;
    println!("drain: {answers:?} after the revocation");
    assert!(answers.iter().all(|answer| *answer != Some(Decision::Allow)), "{answers:?}");
    drop(lock);
    assert!(leaving.wait().success(), "{}", leaving.log());
    assert!(leaving.log().contains("some connections did not end"), "they were stuck: {}", leaving.log());
    assert!(!decides(&cluster.operators[0], ask(&value)).await);
}
