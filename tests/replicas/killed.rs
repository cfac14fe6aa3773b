//! Repeated SIGKILL during writes: acknowledged writes are kept, no revocation is undone, and no refresh token is
//! redeemed twice.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use latchkey_proto::v1::{GetKeyRequest, RefreshJwtRequest, RevokeKeyRequest};
use latchkey_testing::{Caller, Progress, key, with_key};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::{Code, Status};

use crate::cluster::{Cluster, allows, ask, rounds};
use crate::figures::{Figures, now};

/// Log of a writer: created keys by identifier and value, and whether they were revoked.
type WriteLog = Vec<(String, String, bool)>;

/// Stop signal of a client, and the count of its calls that were answered.
type Signals = (Arc<AtomicBool>, Arc<AtomicUsize>);

/// Waits until every client has had three more responses. Then the killed process serves them again, and they are
/// in the middle of their work.
async fn all_go_on(clients: &Progress) {
    clients.all_advance("every client is answered", 3).await;
}

/// Returns the interval at which a client retries, or renews its token.
fn pace() -> Interval {
    let mut pace = interval(Duration::from_millis(20));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

async fn write(caller: Caller, (over, answered): Signals) -> WriteLog {
    let (mut written, mut pace) = (WriteLog::new(), pace());
    while !over.load(Ordering::SeqCst) {
        let Ok((made, value)) = caller.try_key(key("acme", "live")).await else {
            pace.tick().await;
            continue;
        };
        let ask = RevokeKeyRequest { id: made.id.clone(), reason: String::new() };
        let revoked = written.len().is_multiple_of(2) && caller.keys().revoke_key(ask).await.is_ok();
        written.push((made.id, value, revoked));
        answered.fetch_add(1, Ordering::SeqCst);
    }
    written
}

/// Returns true if a call has no response: an outage, or a broken connection, for which the client's own
/// error has a source.
fn lost(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}

/// Renews one token after the other. Without a response, it sends the same token again, as clients do. Returns the
/// last token and the number of renewals.
async fn renew(caller: Caller, key: String, (over, answered): Signals) -> (String, usize) {
    let (ask, mut pace) = (with_key(&key), pace());
    let mut token = loop {
        pace.tick().await;
        match caller.tokens().issue_jwt(ask.clone()).await {
            Ok(issued) => break issued.into_inner().refresh_token,
            Err(status) => assert!(lost(&status), "{status:?}"),
        }
    };
    while !over.load(Ordering::SeqCst) {
        pace.tick().await;
        let ask = RefreshJwtRequest { refresh_token: token.clone(), ..RefreshJwtRequest::default() };
        match caller.tokens().refresh_jwt(ask).await {
            Ok(next) => {
                token = next.into_inner().refresh_token;
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(status) => assert!(lost(&status), "the family lives: {status:?}"),
        }
    }
    (token, answered.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_and_no_revocation_is_undone() {
    let cluster = Cluster::start().await;
    let (over, mut clients) = (Arc::<AtomicBool>::default(), Progress::default());
    let mut writers = JoinSet::new();
    let mut renewers = JoinSet::new();
    let (_, parent) = cluster.key().await;
    for operator in &cluster.operators {
        let mut signals = || (Arc::clone(&over), clients.counter());
        writers.spawn(write(operator.clone(), signals()));
        renewers.spawn(renew(operator.clone(), parent.clone(), signals()));
    }
    let mut ready = Figures::default();
    for round in 0..rounds(3).min(50) {
        all_go_on(&clients).await;
        cluster.postgres.kill();
        cluster.postgres.restart();
        all_go_on(&clients).await;
        let replica = &cluster.replicas[round % 3].latchkey;
        replica.kill();
        let began = now();
        replica.restart();
        ready.add(began.elapsed());
    }
    all_go_on(&clients).await;
    ready.tell("ready again after kill -9");
    over.store(true, Ordering::SeqCst);
    let written: WriteLog = writers.join_all().await.into_iter().flatten().collect();
    println!(
        "{} keys acknowledged, {} revoked",
        written.len(),
        written.iter().filter(|write| write.2).count()
    );
    assert!(written.iter().any(|write| write.2) && written.iter().any(|write| !write.2));
    let renewed = renewers.join_all().await;
    println!("{} refresh tokens spent", renewed.iter().map(|renewed| renewed.1).sum::<usize>());
    let (_, fresh) = cluster.key().await;
    cluster.admitted_everywhere(&fresh).await;
    for (id, value, revoked) in written {
        let there = cluster.operators[0].keys().get_key(GetKeyRequest { id: id.clone() }).await;
        assert!(there.is_ok(), "{id} was acknowledged: {there:?}");
        for operator in cluster.operators.iter().filter(|_| revoked) {
            assert_eq!(allows(operator, ask(&value)).await, Ok(false), "{id} was revoked");
        }
    }
    for (token, renewed) in renewed {
        assert!(renewed > 0, "some were renewed");
        let ask = RefreshJwtRequest { refresh_token: token, ..RefreshJwtRequest::default() };
        cluster.operators[0].tokens().refresh_jwt(ask).await.expect("the last one is good still");
    }
    let unspent = "SELECT count(*) FROM refresh_tokens WHERE spent_at IS NULL GROUP BY family_id";
    let unspent = cluster.postgres.sql(&cluster.postgres.url("test_0"), unspent);
    assert_eq!(unspent, "1\n1\n1", "each family has one successor of each token");
}
