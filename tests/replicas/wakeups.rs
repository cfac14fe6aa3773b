//! Wake-ups are two ways to the same end, PostgreSQL's notifications and Redis: with one of them gone the other one
//! spreads a revocation, and with both gone nothing does until the next poll. Polls are five minutes apart here and
//! the lease lasts for ten, so that what is over within a test's patience was spread by a wake-up.

use std::time::Duration;

use latchkey_proto::v1::RevokeKeyRequest;

use crate::town::{Town, allows, ask};

async fn seldom_polling() -> Town {
    let settings = [("LATCHKEY_LEASE", "10m".to_owned()), ("LATCHKEY_POLL_INTERVAL", "5m".to_owned())];
    let town = Town::with(|_| settings.to_vec()).await;
    for house in 0..3 {
        town.wait_for_log(house, "wake-ups by Redis are heard", 1);
    }
    town
}

/// Keys that every replica remembers.
async fn keys<const N: usize>(town: &Town) -> [(String, String); N] {
    let mut keys = Vec::new();
    for _ in 0..N {
        let key = town.key().await;
        town.admitted_everywhere(&key.1).await;
        keys.push(key);
    }
    keys.try_into().expect("so many")
}

/// Revokes a key; whether the answer came while somebody waited for it.
async fn spreads(town: &Town, (id, value): (String, String), patience: Duration) -> bool {
    let mut revocation = tonic::Request::new(RevokeKeyRequest { id, reason: String::new() });
    revocation.set_timeout(patience);
    let spread = town.operators[0].keys().revoke_key(revocation).await.is_ok();
    for operator in town.operators.iter().filter(|_| spread) {
        assert_eq!(allows(operator, ask(&value)).await, Ok(false));
    }
    spread
}

const PATIENT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_spreads_a_revocation_when_the_database_s_notifications_are_cut() {
    let town = seldom_polling().await;
    let [first, second, third, fourth] = keys(&town).await;
    for house in &town.houses {
        house.to_database.mute(true);
    }
    assert!(spreads(&town, first, PATIENT).await);
    // And again over subscriptions that were killed and have come back.
    let _ = town.redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    for house in 0..3 {
        town.wait_for_log(house, "wake-ups by Redis are heard", 2);
    }
    assert!(spreads(&town, second, PATIENT).await);
    // Silent subscriptions are noticed without an error.
    town.houses[1].to_redis.mute(true);
    town.wait_for_log(1, "wake-ups by Redis ceased", 2);
    assert!(
        !spreads(&town, third, Duration::from_secs(2)).await,
        "nothing wakes that replica now, as this test assumes"
    );
    town.houses[1].to_redis.mute(false);
    town.wait_for_log(1, "wake-ups by Redis are heard", 3);
    assert!(spreads(&town, fourth, PATIENT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_s_notifications_spread_a_revocation_when_redis_hangs() {
    let town = seldom_polling().await;
    let [key] = keys(&town).await;
    town.redis.freeze();
    assert!(spreads(&town, key, PATIENT).await);
    town.redis.thaw();
}
