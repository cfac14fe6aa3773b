//! Failovers between two PostgreSQL with streaming replication: a replica with sessions to the old primary decides
//! nothing by its answers; with a synchronous standby, nothing is lost and no cached key fails meanwhile; and if an
//! asynchronous standby lacks a revocation, a replica that has applied it writes it again, and logs that.

use std::time::Duration;

use latchkey_proto::v1::{self, VerifyAuditLogRequest};
use latchkey_testing::{Latchkey, Postgres, answered, eventually, eventually_async};
use tokio::time::sleep;

use crate::cluster::{Cluster, LEASE, allows, ask, assert_outage, decides, rounds};
use crate::figures::{Figures, now};
use crate::meter::{PACE, Questions};

/// Number of the replica whose sessions stay on the old primary.
const STALE: usize = 2;

/// SQL that makes a server refuse the program's writes, as a demoted primary does.
const READ_ONLY: &str = "\
    CREATE FUNCTION demoted() RETURNS trigger LANGUAGE plpgsql AS \
    $$BEGIN RAISE EXCEPTION 'cannot write in a read-only transaction' USING ERRCODE = '25006'; END$$; \
    CREATE TRIGGER demoted BEFORE INSERT OR UPDATE OR DELETE ON replicas EXECUTE FUNCTION demoted(); \
    CREATE TRIGGER demoted BEFORE INSERT OR UPDATE OR DELETE ON head EXECUTE FUNCTION demoted()";

/// Waits until the standby has everything that was committed.
fn caught_up(primary: &Postgres, standby: &Postgres) {
    let written = primary.sql(&primary.url("postgres"), "SELECT pg_current_wal_lsn()");
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
    eventually("the standby has caught up", || {
        (standby.sql(&standby.url("postgres"), &replayed) == "t").then_some(())
    });
}

/// Sends every replica's new connections to another server, and closes open ones, except those of the replica
/// `keeps`.
fn lead_to(cluster: &Cluster, server: &Postgres, keeps: Option<usize>) {
    for (number, replica) in cluster.replicas.iter().enumerate() {
        replica.to_database.retarget(server.port());
        if keeps != Some(number) {
            replica.to_database.refuse(true);
            replica.to_database.refuse(false);
        }
    }
}

/// Tests an old primary that answers reads and commits nothing: it is read-only, or its commits wait for the standby
/// that is the primary now.
async fn sessions_stay_on_the_old_primary(read_only: bool) {
    let cluster = Cluster::start().await;
    let standby = cluster.postgres.standby();
    let (revoked, lasting, unseen) = (cluster.key().await, cluster.key().await, cluster.key().await);
    for (_, value) in [&revoked, &lasting] {
        cluster.admitted_everywhere(value).await;
    }
    caught_up(&cluster.postgres, &standby);
    if read_only {
        standby.promote();
        let _ = cluster.sql(READ_ONLY);
    } else {
        cluster.postgres.commit_with_standby();
        standby.promote();
    }
    lead_to(&cluster, &standby, Some(STALE));
    // Its new connections fail, so that it has only the old sessions.
    let there = &cluster.replicas[STALE].to_database;
    there.retarget(cluster.postgres.port());
    for (id, _) in [&revoked, &unseen] {
        cluster.revoke(0, id).await;
    }
    let since = now();
    while since.elapsed() < 5 * LEASE {
        for (_, value) in [&revoked, &unseen] {
            let answer = allows(&cluster.operators[STALE], ask(value)).await;
            assert_ne!(answer, Ok(true), "the old primary is no authority, {:?} later", since.elapsed());
        }
        sleep(Duration::from_millis(5)).await;
    }
    // A valid key is an outage there, and no denial.
    assert_outage(&allows(&cluster.operators[STALE], ask(&lasting.1)).await.expect_err("no lease").0);
    there.retarget(standby.port());
    there.refuse(true);
    there.refuse(false);
    cluster.admitted_everywhere(&lasting.1).await;
    for operator in &cluster.operators {
        assert!(!decides(operator, ask(&revoked.1)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_commits_nothing_decides_nothing() {
    sessions_stay_on_the_old_primary(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_is_read_only_decides_nothing() {
    sessions_stay_on_the_old_primary(true).await;
}

/// The kept sessions are mixed with new ones to the new primary: an answer of an old one is detected by its
/// revision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_stay_on_the_old_primary_are_closed_and_the_replica_goes_on() {
    let cluster = Cluster::start().await;
    let standby = cluster.postgres.standby();
    let (revoked, lasting) = (cluster.key().await, cluster.key().await);
    cluster.admitted_everywhere(&lasting.1).await;
    caught_up(&cluster.postgres, &standby);
    standby.promote();
    let _ = cluster.sql(READ_ONLY);
    lead_to(&cluster, &standby, Some(STALE));
    cluster.revoke(0, &revoked.0).await;
    let there = &cluster.operators[STALE];
    eventually_async("the replica follows the new primary", async || {
        assert_ne!(allows(there, ask(&revoked.1)).await, Ok(true), "the old primary is no authority");
        (allows(there, ask(&lasting.1)).await == Ok(true)).then_some(())
    })
    .await;
    let follows = async || (allows(there, ask(&revoked.1)).await == Ok(false)).then_some(());
    eventually_async("the revocation is known", follows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_synchronous_standby_nothing_is_lost_and_no_cached_key_fails() {
    let cluster = Cluster::with(|_| vec![("LATCHKEY_CACHE_LEASE", "10m".to_owned())]).await;
    let standby = cluster.postgres.standby();
    cluster.postgres.commit_with_standby();
    let (revoked, lasting) = (cluster.key().await, cluster.key().await);
    for (_, value) in [&revoked, &lasting] {
        cluster.admitted_everywhere(value).await;
    }
    cluster.revoke(1, &revoked.0).await;
    let mut questions = Questions::with_pace(2 * PACE);
    questions.ask(&cluster.operators, &ask(&lasting.1));
    questions.all_reach(5).await;
    cluster.postgres.kill();
    // The duration of the failover is part of the test.
    sleep(Duration::from_secs(if rounds(1) > 1 { 45 } else { 10 })).await;
    standby.promote();
    lead_to(&cluster, &standby, None);
    let began = now();
    let (fresh_id, fresh) = cluster.key().await;
    println!("failover: {:.1?} until a write is possible again", began.elapsed());
    cluster.admitted_everywhere(&fresh).await;
    let asked = questions.stop().await.pop().expect("one question");
    let failed = asked.calls() - asked.passed();
    println!("failover: {} calls of a remembered key, {failed} failed", asked.calls());
    assert_eq!(failed, 0, "each call of a remembered key passes during a failover");
    cluster.revoke(2, &fresh_id).await;
    for value in [&revoked.1, &fresh] {
        for operator in &cluster.operators {
            assert!(!decides(operator, ask(value)).await);
        }
    }
    assert_eq!(cluster.logged("the database lost commits"), 0, "nothing was lost");
}

/// Returns the value of a metric without labels.
fn metric(latchkey: &Latchkey, name: &str) -> u64 {
    let page = latchkey.page("/metrics").body;
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a number")
}

/// Waits until the audit log has an event of this action.
async fn audited(cluster: &Cluster, action: &str) {
    eventually_async(&format!("{action} is in the audit log"), async || {
        let ask = v1::ListAuditEventsRequest { page_size: 1_000, ..v1::ListAuditEventsRequest::default() };
        let listed = cluster.operators[0].audit().list_audit_events(ask).await.ok()?.into_inner();
        listed.events.iter().any(|event| event.action == action).then_some(())
    })
    .await;
}

/// Asserts that the loss is reported in the log, in the audit log and by the metrics.
async fn assert_loss_is_reported(cluster: &Cluster) {
    let logged = || (cluster.logged("the database lost commits") >= 1).then_some(());
    eventually("the loss is in the log", logged);
    for action in ["database.history_lost", "key.revoke_again"] {
        audited(cluster, action).await;
    }
    let total = |name| cluster.replicas.iter().map(|replica| metric(&replica.latchkey, name)).sum::<u64>();
    for name in ["latchkey_lost_revisions_total", "latchkey_reapplied_revocations_total"] {
        eventually(name, || (total(name) > 0).then_some(()));
    }
    let verify =
        || async { cluster.operators[0].audit().verify_audit_log(VerifyAuditLogRequest::default()).await };
    let verified = answered(verify).await;
    assert!(verified.is_ok(), "the audit log is whole: {verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_the_new_primary_lacks_is_repeated_and_reported() {
    let mut recovered = Figures::default();
    for _ in 0..rounds(1).min(10) {
        let cluster = Cluster::start().await;
        let standby = cluster.postgres.standby();
        let (revoked, lasting) = (cluster.key().await, cluster.key().await);
        for (_, value) in [&revoked, &lasting] {
            cluster.admitted_everywhere(value).await;
        }
        caught_up(&cluster.postgres, &standby);
        standby.stop_receiving();
        cluster.revoke(1, &revoked.0).await;
        let mut questions = Questions::with_pace(PACE);
        questions.ask(&cluster.operators, &ask(&revoked.1));
        questions.all_reach(5).await;
        cluster.postgres.kill();
        standby.promote();
        let began = now();
        lead_to(&cluster, &standby, None);
        cluster.admitted_everywhere(&lasting.1).await;
        recovered.add(began.elapsed());
        let (_, fresh) = cluster.key().await;
        cluster.admitted_everywhere(&fresh).await;
        let asked = questions.stop().await.pop().expect("one question");
        println!("lossy failover: {} calls of the revoked key, {} passed", asked.calls(), asked.passed());
        assert_eq!(asked.passed(), 0, "a key that was known to be revoked passed again");
        for operator in &cluster.operators {
            assert!(!decides(operator, ask(&revoked.1)).await, "a denial, and no outage for long");
        }
        assert_loss_is_reported(&cluster).await;
        // A replica that starts now has not applied the revocation before, and reads it from the database.
        cluster.replicas[2].latchkey.kill();
        cluster.replicas[2].latchkey.restart();
        assert!(!decides(&cluster.operators[2], ask(&revoked.1)).await);
    }
    recovered.tell("a failover that lost a revocation: until three replicas decide again");
}
