//! Repeated SIGKILL during writes: acknowledged writes are kept, no revocation is undone, and no refresh token is
//! redeemed twice.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use latchkey_proto::v1::{GetKeyRequest, RefreshJwtRequest, RevokeKeyRequest};
use latchkey_testing::{Caller, Progress, answered, key, with_key};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::{Code, Status};

use crate::cluster::{Cluster, ask, decides, rounds};
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

/// Time for which a refresh token that was redeemed surely gets its successor again.
const IN_TIME: Duration = Duration::from_secs(9);

/// Issues a token, as often as it takes.
async fn issue(caller: &Caller, key: &str, pace: &mut Interval) -> String {
    loop {
        pace.tick().await;
        match caller.tokens().issue_jwt(with_key(key)).await {
            Ok(issued) => break issued.into_inner().refresh_token,
            Err(status) => assert!(lost(&status), "{status:?}"),
        }
    }
}

/// Renews one token after the other. Without a response, it sends the same token again, as clients do. If a busy machine
/// takes so long to respond again that the token counts as stolen by then, it begins with a new one. Returns the last token
/// and the number of renewals.
async fn renew(caller: Caller, key: String, (over, answered): Signals) -> (String, usize) {
    let mut pace = pace();
    let mut token = issue(&caller, &key, &mut pace).await;
    let mut first_sent = now();
    while !over.load(Ordering::SeqCst) {
        pace.tick().await;
        let ask = RefreshJwtRequest { refresh_token: token.clone(), ..RefreshJwtRequest::default() };
        match caller.tokens().refresh_jwt(ask).await {
            Ok(next) => {
                token = next.into_inner().refresh_token;
                first_sent = now();
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(status) if lost(&status) => {}
            Err(status) => {
                assert!(first_sent.elapsed() > IN_TIME, "the family lives: {status:?}");
                token = issue(&caller, &key, &mut pace).await;
                first_sent = now();
            }
        }
    }
    (token, answered.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_kills_and_no_revocation_is_undone() {
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
    // Before the keys, since a token whose last response was lost is soon too old to be sent again.
    for (token, renewed) in renewed {
        assert!(renewed > 0, "some were renewed");
        let ask = RefreshJwtRequest { refresh_token: token, ..RefreshJwtRequest::default() };
        let refreshed = answered(|| async { cluster.operators[0].tokens().refresh_jwt(ask.clone()).await });
        refreshed.await.expect("the last one is good still");
    }
    for (id, value, revoked) in written {
        let get = || async { cluster.operators[0].keys().get_key(GetKeyRequest { id: id.clone() }).await };
        let there = answered(get).await;
        assert!(there.is_ok(), "{id} was acknowledged: {there:?}");
        for operator in cluster.operators.iter().filter(|_| revoked) {
            assert!(!decides(operator, ask(&value)).await, "{id} was revoked");
        }
    }
    let unspent = "SELECT count(*) FROM refresh_tokens WHERE spent_at IS NULL GROUP BY family_id";
    let unspent = cluster.postgres.sql(&cluster.postgres.url("test_0"), unspent);
    let families: Vec<&str> = unspent.lines().collect();
    let each = families.len() >= 3 && families.iter().all(|count| *count == "1");
    assert!(each, "each family has one successor of each token: {families:?}");
}
