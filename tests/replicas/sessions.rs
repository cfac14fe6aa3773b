//! Sessions set every setting that the guarantees depend on: whatever a role inherits, an acknowledged commit
//! survives a crash of the database, and a write waits for its turn.

use latchkey_proto::v1::RevokeKeyRequest;
use latchkey_testing::{Latchkey, Postgres, Setup, key};
use tokio::task::JoinSet;
use tonic::Code;

use crate::cluster::{PROFILE, allows, ask, rounds};
use crate::figures::{Figures, now};

const WRITERS: usize = 6;

async fn start(postgres: &Postgres) -> Latchkey {
    let setup = Setup::default().database(&postgres.database());
    setup.open("cluster", PROFILE, &["acme"]).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_commits_lazily_loses_no_revocation_in_a_crash() {
    let postgres = Postgres::start();
    let _ = postgres.sql(&postgres.url("postgres"), "ALTER ROLE postgres SET synchronous_commit = off");
    postgres.set("wal_writer_delay", "10s");
    let latchkey = start(&postgres).await;
    let operator = latchkey.operator();
    let mut revoking = Figures::default();
    for round in 0..rounds(1).div_ceil(12) {
        let mut revoked = Vec::new();
        for _ in 0..12 {
            revoked.push(operator.plain_key("acme", "live").await);
        }
        for (key, _) in &revoked {
            let began = now();
            let _ = operator.revoke(&key.id).await;
            revoking.add(began.elapsed());
        }
        postgres.stop_immediately();
        latchkey.kill();
        postgres.restart();
        latchkey.restart();
        let mut passed = 0;
        for (_, value) in &revoked {
            passed += usize::from(allows(&operator, ask(value)).await.expect("an answer"));
        }
        println!("crash {round} under a role that commits lazily: {passed} of 12 revoked keys pass");
        assert_eq!(passed, 0);
    }
    revoking.tell("a role that commits lazily: RevokeKey");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_waits_for_no_lock_makes_no_outage_of_six_writers() {
    let postgres = Postgres::start();
    let _ = postgres.sql(&postgres.url("postgres"), "ALTER ROLE postgres SET lock_timeout = '10ms'");
    let latchkey = start(&postgres).await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let operator = latchkey.operator();
        let writes = rounds(20);
        writers.spawn(async move {
            let (mut outages, mut took) = (Vec::new(), Vec::new());
            for _ in 0..writes {
                let began = now();
                match operator.try_key(key("acme", "live")).await {
                    Ok((made, _)) => {
                        let ask = RevokeKeyRequest { id: made.id, reason: String::new() };
                        outages.extend(operator.keys().revoke_key(ask).await.err());
                    }
                    Err(status) => outages.push(status),
                }
                took.push(began.elapsed());
            }
            (outages, took)
        });
    }
    let mut pairs = Figures::default();
    let mut outages = Vec::new();
    for (failed, took) in writers.join_all().await {
        outages.extend(failed);
        for took in took {
            pairs.add(took);
        }
    }
    pairs.tell("a role that waits 10 ms for a lock, six writers: CreateKey and RevokeKey");
    println!("{} outages", outages.len());
    assert!(outages.iter().all(|status| status.code() == Code::Unavailable), "{outages:?}");
    assert!(outages.is_empty(), "{outages:?}");
}
