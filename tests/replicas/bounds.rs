//! A database that is unavailable in each way: it hangs, receives data without a response, or is down. In each case
//! a cached key is decided until the lease expires, every other call is an outage with the time to retry, and the
//! replica recovers without a restart. `bounds.md` has the whole table.

use std::time::Duration;

use latchkey_proto::v1::CheckRequest;
use latchkey_testing::{Caller, key};

use crate::cluster::{Cluster, allows, ask, assert_outage, outage_after_the_lease, patient, rounds};
use crate::figures::{Figures, now};

/// Lease that is longer than a busy machine takes to kill a database and to check a key.
const LEASE: Duration = Duration::from_secs(15);

/// Deadline of the client, far longer than the server's own limits (150 ms for a Check, 2 s for a write), so
/// that the response is the server's.
const PATIENCE: Duration = Duration::from_mins(1);

/// Asserts that a Check of an unknown key and a write report the outage; returns the durations of both.
async fn outages(caller: &Caller, unknown: &str) -> (Duration, Duration) {
    let began = now();
    let mut check = tonic::Request::new(ask(unknown));
    check.set_timeout(PATIENCE);
    assert_outage(&caller.checks().check(check).await.expect_err("no replica can know this key"));
    let checked = began.elapsed();
    let began = now();
    let mut write = tonic::Request::new(key("acme", "live"));
    write.set_timeout(PATIENCE);
    assert_outage(&caller.keys().create_key(write).await.expect_err("nothing can be written"));
    (checked, began.elapsed())
}

/// Sends Checks of a cached key until the lease has expired, and asserts that none is denied. Returns the
/// duration.
async fn until_the_lease_is_over(caller: &Caller, known: &str) -> Duration {
    let began = now();
    assert_outage(&outage_after_the_lease(caller, known, 10 * LEASE).await);
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_database_is_an_outage_and_needs_no_restart_afterwards() {
    let lease = ("LATCHKEY_CACHE_LEASE", format!("{}s", LEASE.as_secs()));
    let cluster = Cluster::with(|_| vec![lease.clone()]).await;
    let [mut checks, mut writes, mut leases, mut back] = [(); 4].map(|()| Figures::default());
    for round in 0..rounds(1).min(10) {
        for fault in ["hung", "unreachable", "down"] {
            let (known, unknown) = (cluster.key().await.1, cluster.key().await.1);
            cluster.admitted_everywhere(&known).await;
            let caller = &cluster.operators[1];
            match fault {
                "hung" => cluster.postgres.freeze(),
                "down" => cluster.postgres.kill(),
                _ => cluster.replicas[1].to_database.black_hole(true),
            }
            assert_eq!(allows(caller, ask(&known)).await, Ok(true), "{fault}: as if nothing had happened");
            let (checked, written) = outages(caller, &unknown).await;
            checks.add(checked);
            writes.add(written);
            leases.add(until_the_lease_is_over(caller, &known).await);
            match fault {
                "hung" => cluster.postgres.thaw(),
                "down" => cluster.postgres.restart(),
                _ => cluster.replicas[1].to_database.black_hole(false),
            }
            let began = now();
            for value in [&known, &unknown] {
                cluster.admitted_everywhere(value).await;
            }
            let _ = cluster.key().await;
            back.add(began.elapsed());
            println!("{fault}, round {round}: over");
        }
    }
    checks.tell("database away: a Check of a key that is not in memory");
    writes.tell("database away: a write");
    leases.tell("database away: until a key in memory is an outage");
    back.tell("database back: until three replicas answer and write");
}

/// A call of another class charges nothing, and still causes a request to Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_redis_fails_no_call_and_leaves_no_call_unlimited() {
    let cluster = Cluster::with(|_| patient()).await;
    for replica in 0..3 {
        cluster.wait_for_log(replica, "connected to Redis", 1);
    }
    for fault in ["flushed", "hung", "down"] {
        let (_, value) = cluster.key().await;
        cluster.admitted_everywhere(&value).await;
        match fault {
            "flushed" => assert_eq!(cluster.redis.cli(&["FLUSHALL"]), "OK"),
            "hung" => cluster.redis.freeze(),
            _ => cluster.redis.kill(),
        }
        let mut calls = Figures::default();
        let (mut passed, mut refused) = (0, 0);
        for _ in 0..60 {
            let began = now();
            let call = CheckRequest { rate_class: "scarce".to_owned(), ..ask(&value) };
            if allows(&cluster.operators[0], call).await.expect("an answer, whatever Redis does") {
                passed += 1;
            } else {
                refused += 1;
            }
            calls.add(began.elapsed());
        }
        assert!(passed >= 30, "{fault}: the burst passes, {passed} did");
        assert!(refused > 0, "{fault}: never unlimited, {passed} passed");
        calls.tell(&format!("Redis {fault}: a call"));
        let heals = cluster.logged("connected to Redis");
        match fault {
            "hung" => cluster.redis.thaw(),
            "down" => cluster.redis.restart(),
            _ => continue,
        }
        cluster.wait_for_log(0, "connected to Redis", usize::try_from(heals / 3).expect("a few") + 1);
    }
}
