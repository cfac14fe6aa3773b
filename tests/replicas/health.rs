//! A replica that cannot decide reports this by gRPC health, by `/readyz` with the cause, and by one line in the log at
//! the start and one at the end. As long as its lease is valid, an outage has no effect on callers.

use latchkey_testing::{Grpcurl, Latchkey, eventually};

use crate::cluster::{Cluster, allows, ask, decides, rounds};
use crate::figures::{Figures, now};

/// Number of the replica whose database becomes unavailable.
const CUT_OFF: usize = 1;

const LEASE: &str = "12s";

/// Returns the health status of a replica, as a load balancer reads it.
fn health(latchkey: &Latchkey) -> String {
    let question = serde_json::json!({ "service": "latchkey.v1.CheckService" });
    let answer = Grpcurl::new(latchkey.grpc()).call("grpc.health.v1.Health/Check", &question).json();
    answer["status"].as_str().unwrap_or_default().to_owned()
}

fn ready(latchkey: &Latchkey) -> u16 {
    latchkey.page("/readyz").status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_can_decide_nothing_says_so_and_when_it_is_over() {
    // Long enough for a busy machine, which must not lose the lease without a fault.
    let cluster = Cluster::with(|_| vec![("LATCHKEY_CACHE_LEASE", LEASE.to_owned())]).await;
    let (_, value) = cluster.key().await;
    cluster.admitted_everywhere(&value).await;
    let replica = &cluster.replicas[CUT_OFF];
    let (mut told, mut over) = (Figures::default(), Figures::default());
    let count = rounds(2).min(20);
    for round in 1..=count {
        tokio::task::block_in_place(|| {
            let began = now();
            replica.to_database.black_hole(true);
            assert_eq!(ready(&replica.latchkey), 200, "its lease holds");
            eventually("it is not ready", || (ready(&replica.latchkey) == 503).then_some(()));
            told.add(began.elapsed());
            let page = replica.latchkey.page("/readyz");
            assert!(page.body.contains("the database cannot be read and written: "), "{page:?}");
            eventually("its health says so", || (health(&replica.latchkey) == "NOT_SERVING").then_some(()));
            assert_eq!(health(&cluster.replicas[0].latchkey), "SERVING", "the others go on");
        });
        assert!(allows(&cluster.operators[CUT_OFF], ask(&value)).await.is_err(), "nothing can be decided");
        tokio::task::block_in_place(|| {
            let began = now();
            replica.to_database.black_hole(false);
            eventually("it is ready", || (ready(&replica.latchkey) == 200).then_some(()));
            over.add(began.elapsed());
            eventually("its health says so", || (health(&replica.latchkey) == "SERVING").then_some(()));
        });
        assert!(decides(&cluster.operators[CUT_OFF], ask(&value)).await);
        for line in ["Checks are refused until", "Checks are answered again"] {
            tokio::task::block_in_place(|| cluster.wait_for_log(CUT_OFF, line, round));
            let log = replica.latchkey.log();
            assert_eq!(log.matches(line).count(), round, "one line each: {log}");
        }
    }
    told.tell(&format!("database black-holed, lease {LEASE}: until /readyz says so"));
    over.tell("database back: until /readyz says so");
}
