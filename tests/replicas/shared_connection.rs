//! Calls of one connection run on the thread that reads them, one after the other. A call that waits for the
//! database must not delay the others.

use tokio::task::JoinSet;

use crate::cluster::{Cluster, allows, ask};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_for_the_database_delays_no_other_call_of_its_connection() {
    let cluster = Cluster::start().await;
    let (_, known) = cluster.key().await;
    cluster.admitted_everywhere(&known).await;
    let caller = &cluster.operators[0];
    // A busy machine may be late once; calls that wait in a queue would be late each time.
    for attempt in 0..10 {
        cluster.postgres.freeze();
        let waiting: JoinSet<_> = (0..40)
            .map(|n| {
                let (caller, value) = (caller.clone(), format!("town_live_{attempt:032x}{n:032x}"));
                async move { allows(&caller, ask(&value)).await }
            })
            .collect();
        let mut waiting = std::pin::pin!(waiting.join_all());
        let first = tokio::select! {
            biased;
            outages = &mut waiting => Err(outages),
            answer = allows(caller, ask(&known)) => Ok(answer),
        };
        let passed_by = first == Ok(Ok(true));
        let outages = match first {
            Ok(_) => waiting.await,
            Err(outages) => outages,
        };
        assert!(outages.iter().all(Result::is_err), "nobody can know these keys");
        cluster.postgres.thaw();
        if passed_by {
            return;
        }
        cluster.admitted_everywhere(&known).await;
    }
    panic!("an answer from memory came behind those that waited, each time");
}
