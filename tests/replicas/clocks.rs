//! Effects of clocks on replicas, with the program that ships. If the wall clock jumps, keys expire by it, and
//! nothing else depends on it. If the monotonic clock stops, the lease never expires: such a replica admits a revoked
//! key, and the meter detects it. This shows that the meter can fail.

use std::time::{SystemTime, UNIX_EPOCH};

use latchkey_proto::v1::CheckRequest;
use latchkey_testing::{Clocks, eventually_async, key};

use crate::cluster::{Cluster, allows, ask, decides, patient, rounds};
use crate::meter::LatencySamples;

/// Largest number of additional rounds if none of the others counts: on a busy machine, the lease can end just before the
/// clock stops.
const MORE_ROUNDS: usize = 8;

/// Starts a cluster in which the test controls the clocks of one replica.
async fn cluster(clocks: &Clocks) -> Cluster {
    Cluster::with(|replica| controlled(clocks, replica)).await
}

/// Returns the settings of a replica: the test controls the clocks of one.
fn controlled(clocks: &Clocks, replica: usize) -> Vec<(&'static str, String)> {
    if replica == 2 { clocks.environment().to_vec() } else { Vec::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_meter_catches_a_replica_whose_lease_does_not_run_out() {
    let clocks = Clocks::new();
    let cluster = cluster(&clocks).await;
    let mut seen = LatencySamples::default();
    for round in 0..rounds(2).min(20) + MORE_ROUNDS {
        let key = cluster.key().await;
        cluster.admitted_everywhere(&key.1).await;
        clocks.stop(true);
        cluster.replicas[2].to_database.black_hole(true);
        seen.round(&cluster, key, round % 2).await;
        cluster.replicas[2].to_database.black_hole(false);
        clocks.stop(false);
        if round + 1 >= rounds(2).min(20) && seen.late() > 0 {
            break;
        }
    }
    assert!(seen.late() > 0, "a lease that never runs out lets a revoked key pass");
    println!("a lease that does not run out: {} calls passed that began after the answer", seen.late());
}

#[expect(clippy::disallowed_methods, reason = "a key's end is a moment of the wall clock")]
fn in_an_hour() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("seconds") + 3_600
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_end_by_the_wall_clock_and_nothing_else_follows_its_jumps() {
    let clocks = Clocks::new();
    let cluster = Cluster::with(|replica| [patient(), controlled(&clocks, replica)].concat()).await;
    let expire_time = prost_types::Timestamp { seconds: in_an_hour(), nanos: 0 };
    let expiry = Some(latchkey_proto::v1::create_key_request::Expiry::ExpireTime(expire_time));
    let ending = latchkey_proto::v1::CreateKeyRequest { expiry, ..key("acme", "live") };
    let (_, ending) = cluster.operators[0].key(ending).await;
    let (lasting_id, lasting) = cluster.key().await;
    let there = &cluster.operators[2];
    cluster.admitted_everywhere(&ending).await;
    cluster.admitted_everywhere(&lasting).await;
    let spend = || decides(there, CheckRequest { rate_class: "scarce".to_owned(), ..ask(&lasting) });
    let mut spent = 0;
    while spend().await {
        spent += 1;
        assert!(spent < 10_000, "the bucket is emptied");
    }
    clocks.set_ahead(2 * 3_600);
    let ended = async || (allows(there, ask(&ending)).await == Ok(false)).then_some(());
    eventually_async("the key ends by the clock", ended).await;
    assert!(decides(there, ask(&lasting)).await, "memory and its lease don't follow it");
    let mut again = 0;
    while spend().await {
        again += 1;
    }
    assert!(again < 30, "two hours would have filled the bucket: {again}");
    clocks.set_ahead(-365 * 86_400);
    assert!(decides(there, ask(&ending)).await, "by that clock it is not over");
    assert!(decides(there, ask(&lasting)).await);
    cluster.revoke(0, &lasting_id).await;
    assert!(!decides(there, ask(&lasting)).await, "and a revocation needs no clock");
    clocks.set_ahead(0);
}
