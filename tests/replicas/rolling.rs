//! A rolling restart behind a real Envoy under a steady load: each replica reports that it stops serving, finishes
//! its calls, ends, and starts again; no request fails. Here, Envoy checks the health ten times a second, and by
//! default collects changes for up to a second before it applies them. Therefore a replica waits for two
//! seconds by default, and longer here, since the machine may be busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use latchkey_testing::{Answer, Envoy, EnvoySetup, Request, Signal, eventually_for};

use crate::cluster::{Cluster, patient};
use crate::figures::{Figures, now};

const TEST_TIMEOUT: Duration = Duration::from_mins(3);

/// Starts a client that sends one request after the other until it is stopped; returns the number of requests
/// and the failed ones.
fn client(
    port: u16,
    value: String,
    (over, turn): (Arc<AtomicBool>, Arc<AtomicUsize>),
) -> JoinHandle<(usize, Vec<(usize, Answer)>)> {
    spawn(move || {
        let (mut calls, mut failed) = (0, Vec::new());
        while !over.load(Ordering::SeqCst) {
            let answer = Request::get("cluster.test", "/things").header("x-api-key", &value).send(port);
            calls += 1;
            if answer.status != 200 {
                failed.push((turn.load(Ordering::SeqCst), answer));
            }
            // The rate of the load is part of the test.
            sleep(Duration::from_millis(8));
        }
        (calls, failed)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_every_replica_is_restarted() {
    let chatty = "info,latchkey::decision=debug";
    let cluster = Cluster::with(|_| {
        let more = [("RUST_LOG", chatty), ("LATCHKEY_SHUTDOWN_DELAY", "8s")];
        [patient(), more.map(|(name, value)| (name, value.to_owned())).to_vec()].concat()
    })
    .await;
    let (_, value) = cluster.key().await;
    let ports: Vec<u16> = cluster.replicas.iter().map(|replica| replica.latchkey.grpc()).collect();
    let envoy = Envoy::before(&ports, &EnvoySetup::default().route("/", &[("profile", "cluster")]));
    let decided =
        |replica: usize| cluster.replicas[replica].latchkey.log().matches("latchkey::decision").count();
    let (over, turn) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> =
        (0..4).map(|_| client(envoy.port(), value.clone(), (Arc::clone(&over), Arc::clone(&turn)))).collect();
    for replica in 0..3 {
        eventually_for("it serves", TEST_TIMEOUT, || (decided(replica) > 20).then_some(()));
    }
    let mut ready = Figures::default();
    for replica in 0..3 {
        let latchkey = &cluster.replicas[replica].latchkey;
        turn.fetch_add(1, Ordering::SeqCst);
        latchkey.signal(Signal::TERM);
        assert!(latchkey.wait().success(), "it ends in good order");
        let before = decided(replica);
        turn.fetch_add(1, Ordering::SeqCst);
        let began = now();
        latchkey.restart();
        ready.add(began.elapsed());
        eventually_for("it serves again", TEST_TIMEOUT, || (decided(replica) > before + 20).then_some(()));
    }
    ready.tell("ready again after a rolling restart's SIGTERM");
    over.store(true, Ordering::SeqCst);
    let mut all = 0;
    for client in clients {
        let (calls, failed) = client.join().expect("a client ends");
        assert!(failed.is_empty(), "of {calls} at these turns: {failed:?}\n{}", envoy.log());
        all += calls;
    }
    println!("rolling restart: {all} requests through Envoy, none failed");
    assert_eq!(envoy.upstream().seen(), all);
}
