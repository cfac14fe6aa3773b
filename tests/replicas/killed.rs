//! kill -9, again and again, under writes: what was acknowledged is there, and no revocation is undone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use latchkey_proto::v1::{GetKeyRequest, RevokeKeyRequest};
use latchkey_testing::{Caller, key};
use tokio::task::JoinSet;

use crate::town::{Town, allows, ask, rounds};

/// What a writer was told: keys that were made, by identifier and value, and whether they were revoked.
type Told = Vec<(String, String, bool)>;

async fn write(caller: Caller, over: Arc<AtomicBool>) -> Told {
    let mut told = Told::new();
    while !over.load(Ordering::SeqCst) {
        let Ok((made, value)) = caller.try_key(key("acme", "live")).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let ask = RevokeKeyRequest { id: made.id.clone(), reason: String::new() };
        let revoked = told.len().is_multiple_of(2) && caller.keys().revoke_key(ask).await.is_ok();
        told.push((made.id, value, revoked));
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_and_no_revocation_is_undone() {
    let town = Town::build().await;
    let over = Arc::<AtomicBool>::default();
    let mut writers = JoinSet::new();
    for operator in &town.operators {
        writers.spawn(write(operator.clone(), Arc::clone(&over)));
    }
    for round in 0..rounds(3).min(50) {
        tokio::time::sleep(Duration::from_millis(400)).await;
        town.postgres.kill();
        town.postgres.restart();
        tokio::time::sleep(Duration::from_millis(400)).await;
        let house = &town.houses[round % 3].latchkey;
        house.kill();
        house.restart();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    over.store(true, Ordering::SeqCst);
    let told: Told = writers.join_all().await.into_iter().flatten().collect();
    println!("{} keys acknowledged, {} revoked", told.len(), told.iter().filter(|told| told.2).count());
    assert!(told.iter().any(|told| told.2) && told.iter().any(|told| !told.2));
    let (_, fresh) = town.key().await;
    town.admitted_everywhere(&fresh).await;
    for (id, value, revoked) in told {
        let there = town.operators[0].keys().get_key(GetKeyRequest { id: id.clone() }).await;
        assert!(there.is_ok(), "{id} was acknowledged: {there:?}");
        for operator in town.operators.iter().filter(|_| revoked) {
            assert_eq!(allows(operator, ask(&value)).await, Ok(false), "{id} was revoked");
        }
    }
}
