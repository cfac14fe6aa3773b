//! Rows of replicas that other programs delete, alter or restore, and a database whose wall clock jumps. In no case
//! does a writer stop waiting for a replica that is cut off while that replica trusts its cache.

use std::time::Duration;

use latchkey_proto::v1::RevokeKeyRequest;
use latchkey_testing::{Clocks, Postgres, eventually};

use crate::cluster::{Cluster, allows, ask, decides, patient, rounds};
use crate::meter::LatencySamples;

/// Number of the replica that is cut off.
const CUT_OFF: usize = 2;

/// Lease of the replica that is cut off, in seconds: longer than another one needs to start again.
const LEASE: u64 = 8;

/// Lease of the replica that is cut off, in seconds, where no call waits for its end.
const LONG_LEASE: u64 = 90;

/// The most keys that are revoked in one cut.
const BURST: usize = 10;

/// Least time for which the replica that is cut off must have trusted its cache for a round to count.
const TRUSTED: Duration = Duration::from_secs(1);

/// Largest number of additional rounds if none of the others counts.
const MORE_ROUNDS: usize = 6;

/// Change of the rows by another program.
struct RowFault {
    name: &'static str,
    /// Statements before the replica is cut off.
    before: &'static str,
    /// Statements while it is cut off.
    during: &'static str,
    /// True if the writer restarts, so that it has no record of the rows.
    forgetful: bool,
}

const fn fault(name: &'static str, during: &'static str) -> RowFault {
    RowFault { name, before: "", during, forgetful: false }
}

const DELETED: [RowFault; 4] = [
    fault("rows deleted", "DELETE FROM replicas"),
    // The row was registered again in between, with its own lease, before it is deleted the second time.
    RowFault { before: "DELETE FROM replicas", ..fault("rows deleted twice", "DELETE FROM replicas") },
    RowFault { forgetful: true, ..fault("rows truncated, writer restarted", "TRUNCATE replicas") },
    RowFault {
        before: "CREATE TABLE older AS SELECT * FROM replicas",
        ..fault("older rows restored", RESTORE_OLDER)
    },
];

const RESTORE_OLDER: &str =
    "BEGIN; DELETE FROM replicas; INSERT INTO replicas SELECT * FROM older; COMMIT; DROP TABLE older";

const ALTERED: [RowFault; 6] = [
    fault("revision altered", "UPDATE replicas SET revision = 99999"),
    fault("lease altered", "UPDATE replicas SET lease_ms = 1"),
    fault("beat raised", "UPDATE replicas SET beat = beat + 1000"),
    fault("beat lowered", "UPDATE replicas SET beat = 0"),
    fault("departed altered", "UPDATE replicas SET departed = true"),
    fault("checksum removed", "UPDATE replicas SET checksum = NULL"),
];

const TIMES: [RowFault; 2] = [
    fault("holds_until long ago", "UPDATE replicas SET holds_until = 0"),
    fault("holds_until removed far away", "UPDATE replicas SET holds_until = 9000000000000"),
];

fn leases(replica: usize) -> Vec<(&'static str, String)> {
    let seconds = if replica == CUT_OFF { LEASE } else { 1 };
    lease_of(seconds)
}

fn lease_of(seconds: u64) -> Vec<(&'static str, String)> {
    vec![("LATCHKEY_CACHE_LEASE", format!("{seconds}s"))]
}

/// Creates keys, and waits until every replica has cached them.
async fn keys(cluster: &Cluster, count: usize) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    for _ in 0..count {
        let key = cluster.key().await;
        cluster.admitted_everywhere(&key.1).await;
        keys.push(key);
    }
    keys
}

fn registered(cluster: &Cluster) {
    let rows = "SELECT count(*) FROM replicas WHERE NOT departed";
    tokio::task::block_in_place(|| {
        eventually("every replica has a row", || (cluster.sql(rows) == "3").then_some(()));
    });
}

/// Revokes keys while a replica is cut off and its rows are changed.
async fn cut(cluster: &Cluster, fault: &RowFault, burst: usize, seen: &mut LatencySamples) {
    let keys = keys(cluster, burst).await;
    if !fault.before.is_empty() {
        let _ = cluster.sql(fault.before);
        registered(cluster);
        cluster.admitted_everywhere(&keys[0].1).await;
    }
    cluster.replicas[CUT_OFF].to_database.black_hole(true);
    let _ = cluster.sql(fault.during);
    if fault.forgetful {
        cluster.replicas[0].latchkey.kill();
        cluster.replicas[0].latchkey.restart();
    }
    seen.burst(cluster, keys, 0).await;
    cluster.replicas[CUT_OFF].to_database.black_hole(false);
    registered(cluster);
}

async fn measure(cluster: &Cluster, fault: &RowFault) {
    let (mut seen, rounds) = (LatencySamples::default(), rounds(1));
    let burst = rounds.min(BURST);
    for _ in 0..rounds.div_ceil(burst) {
        cut(cluster, fault, burst, &mut seen).await;
    }
    // On a busy machine, the replica can be cut off just before its lease is extended. Such a round does not
    // count.
    for _ in 0..MORE_ROUNDS {
        if seen.longest_propagation() <= TRUSTED {
            cut(cluster, fault, burst, &mut seen).await;
        }
    }
    assert!(seen.longest_propagation() > TRUSTED, "{}: it has trusted its copy", fault.name);
    seen.judge(fault.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_or_restored_rows_end_no_wait() {
    let cluster = Cluster::with(leases).await;
    for fault in &DELETED {
        measure(&cluster, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn altered_rows_end_no_wait() {
    let cluster = Cluster::with(leases).await;
    for fault in &ALTERED {
        measure(&cluster, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_databases_wall_clock_has_no_part_in_it() {
    let clocks = Clocks::new();
    let cluster = Cluster::on(Postgres::by_clocks(&clocks), leases).await;
    let before: f64 = cluster.sql("SELECT extract(epoch FROM clock_timestamp())").parse().expect("a number");
    clocks.set_ahead(3_600);
    let after: f64 = cluster.sql("SELECT extract(epoch FROM clock_timestamp())").parse().expect("a number");
    assert!(after - before > 3_000.0, "the database's clock jumps");
    clocks.set_ahead(0);
    let (mut seen, rounds) = (LatencySamples::default(), rounds(2));
    let burst = rounds.min(BURST);
    for round in 0..rounds.div_ceil(burst).max(2) {
        let keys = keys(&cluster, burst.div_ceil(2)).await;
        cluster.replicas[CUT_OFF].to_database.black_hole(true);
        // Ahead, and back again.
        clocks.set_ahead(if round % 2 == 0 { 60 } else { -60 });
        seen.burst(&cluster, keys, 0).await;
        cluster.replicas[CUT_OFF].to_database.black_hole(false);
        registered(&cluster);
    }
    seen.judge("the database's wall clock jumps by a minute");
    clocks.set_ahead(0);
    for fault in &TIMES {
        measure(&cluster, fault).await;
    }
}

/// Restarts the writer, which then knows nothing about a replica whose row was altered, not even its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_remembers_nothing_waits_until_an_altered_row_is_right_again() {
    let lease = |replica| if replica == CUT_OFF { LONG_LEASE } else { 4 };
    let cluster = Cluster::with(|replica| [patient(), lease_of(lease(replica))].concat()).await;
    let (id, value) = keys(&cluster, 1).await.pop().expect("one");
    cluster.replicas[CUT_OFF].to_database.black_hole(true);
    let _ = cluster.sql(&format!("UPDATE replicas SET lease_ms = 1 WHERE lease_ms = {}", LONG_LEASE * 1_000));
    cluster.replicas[0].latchkey.kill();
    cluster.replicas[0].latchkey.restart();
    let revoke = || RevokeKeyRequest { id: id.clone(), reason: String::new() };
    let mut early = tonic::Request::new(revoke());
    early.set_timeout(Duration::from_secs(LONG_LEASE / 6));
    let status = cluster.operators[0].keys().revoke_key(early).await.expect_err("it may trust its copy");
    assert!(status.message().contains("the change is committed"), "{status:?}");
    assert!(decides(&cluster.operators[CUT_OFF], ask(&value)).await, "it does");
    cluster.replicas[CUT_OFF].to_database.black_hole(false);
    let _ = cluster.operators[0].keys().revoke_key(revoke()).await.expect("its row is its own again");
    for operator in &cluster.operators {
        assert_ne!(allows(operator, ask(&value)).await, Ok(true));
    }
}
