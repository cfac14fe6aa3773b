//! Names that replicas keep across restarts: if a process starts under the name of a killed one, no writer waits for
//! the killed one. Two running processes never share a name. A process without a name is waited for until its own lease
//! has ended.

use std::time::Duration;

use latchkey_testing::{Latchkey, Postgres, Proxy, Setup, eventually};

use crate::cluster::{Cluster, PROFILE, ask, decides, rounds};
use crate::figures::now;
use crate::meter::{LatencySamples, PACE, Questions};

/// Number of the replica that is killed.
const KILLED: usize = 2;

/// Time that is far shorter than the lease of the killed replica, and longer than a busy machine needs.
const BOUND: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_starts_again_under_its_name_is_not_waited_for() {
    let cluster = Cluster::with(|replica| {
        let lease = if replica == KILLED { "10m" } else { "1s" };
        let name = ("LATCHKEY_REPLICA_NAME", format!("replica-{replica}"));
        vec![("LATCHKEY_CACHE_LEASE", lease.to_owned()), name]
    })
    .await;
    let mut seen = LatencySamples::default();
    for round in 0..rounds(2).min(50) {
        let key = cluster.key().await;
        cluster.admitted_everywhere(&key.1).await;
        cluster.replicas[KILLED].latchkey.kill();
        cluster.replicas[KILLED].latchkey.restart();
        let began = now();
        seen.round(&cluster, key, round % 2).await;
        assert!(began.elapsed() < BOUND, "its predecessor is known to be dead: {:?}", began.elapsed());
    }
    seen.judge("killed and started again under its name, lease 10 min");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_a_name_that_was_killed_is_waited_for_until_its_own_lease_ends() {
    let cluster = Cluster::with(|replica| {
        let lease = if replica == KILLED { "20s" } else { "1s" };
        vec![("LATCHKEY_CACHE_LEASE", lease.to_owned())]
    })
    .await;
    let (first, second) = (cluster.key().await, cluster.key().await);
    cluster.admitted_everywhere(&second.1).await;
    cluster.replicas[KILLED].latchkey.kill();
    let began = now();
    cluster.revoke(0, &first.0).await;
    let waited = began.elapsed();
    // One heartbeat is at most a second and a half old, or older on a busy machine; the margin for clocks is a tenth of a second.
    assert!(waited > Duration::from_secs(3), "nobody can know that it is dead: {waited:?}");
    let living = "\nlatchkey_replicas 2\n";
    let counted = || cluster.replicas[1].latchkey.page("/metrics").body.contains(living);
    eventually("it is not waited for any more", || counted().then_some(()));
    let began = now();
    cluster.revoke(1, &second.0).await;
    println!(
        "a killed replica without a name, lease 20 s: RevokeKey {waited:.1?}, then {:.1?}",
        began.elapsed()
    );
}

/// Poll interval of a process that challenges the holder of its name, which has four of them to answer.
const PATIENT_POLL: &str = "2s";

fn named(database: &str, name: &str) -> Setup {
    Setup::default()
        .database(database)
        .environment("LATCHKEY_REPLICA_NAME", name)
        .environment("LATCHKEY_SHUTDOWN_DELAY", "0s")
        .profile("cluster", PROFILE)
}

/// Asserts that the process ended by itself and logged the reason in one line.
#[track_caller]
fn assert_refused(latchkey: &Latchkey, words: &str) {
    assert!(!latchkey.wait().success());
    let log = latchkey.log();
    assert_eq!(log.lines().filter(|line| line.contains(words)).count(), 1, "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_living_processes_never_share_a_name() {
    let database = Postgres::shared().database();
    let first = named(&database, "one").start();
    let operator = first.operator();
    let _ = operator.tenant("acme", "cluster", "").await;
    let (key, value) = operator.plain_key("acme", "live").await;
    let second = named(&database, "one").environment("LATCHKEY_FEED_POLL_INTERVAL", PATIENT_POLL).launch();
    tokio::task::block_in_place(|| assert_refused(&second, "another process runs as"));
    let other = named(&database, "two").start();
    for replica in [&first, &other] {
        assert!(decides(&replica.operator(), ask(&value)).await, "nothing has changed for those");
    }
    first.kill();
    tokio::task::block_in_place(|| {
        second.restart();
        eventually("it serves", || (second.page("/readyz").status == 200).then_some(()));
    });
    let _ = second.operator().revoke(&key.id).await;
    for replica in [&second, &other] {
        assert!(!decides(&replica.operator(), ask(&value)).await);
    }
}

/// A challenge without a response proves nothing: a process that is cut off still trusts its cache, and another machine
/// can't detect that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_over_on_another_machine_leaves_its_former_holder_waited_for() {
    let postgres = Postgres::start();
    let (url, to_database) = (postgres.database(), Proxy::to(postgres.port()));
    let writer = named(&url, "writer").environment("LATCHKEY_CACHE_LEASE", "1s").start();
    let operator = writer.operator();
    let _ = operator.tenant("acme", "cluster", "").await;
    let (key, value) = operator.plain_key("acme", "live").await;
    let holder = named(&postgres.through(to_database.port(), &url), "one");
    let holder = holder.environment("LATCHKEY_CACHE_LEASE", "40s").start();
    let there = holder.operator();
    assert!(decides(&there, ask(&value)).await);
    let elsewhere = || {
        let setup = named(&postgres.by_socket("test_0"), "one").elsewhere();
        setup.environment("LATCHKEY_FEED_POLL_INTERVAL", PATIENT_POLL).launch()
    };
    let refused = elsewhere();
    tokio::task::block_in_place(|| assert_refused(&refused, "another process runs as"));
    to_database.black_hole(true);
    let successor = elsewhere();
    tokio::task::block_in_place(|| {
        eventually("it starts, because nobody answers", || {
            assert!(successor.ended().is_none(), "{}", successor.log());
            successor.log().contains("\"ready\"").then_some(())
        });
    });
    let mut questions = Questions::with_pace(PACE);
    questions.ask(std::slice::from_ref(&there), &ask(&value));
    let _ = operator.revoke(&key.id).await;
    let answered = now();
    let asked = questions.stop().await.pop().expect("one question");
    assert!(asked.passed() > 0, "it trusted its copy");
    assert_eq!(asked.passed_after(answered), 0, "late calls");
    to_database.black_hole(false);
    tokio::task::block_in_place(|| assert_refused(&holder, "another process runs as"));
}
