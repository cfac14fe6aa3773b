//! A password that is rotated in the file of the URL: the next connection uses it, for limits and for notifications.

use std::time::Duration;

use latchkey_core::limit::CountingMode;
use latchkey_redis::{Address, RedisOptions, probe};
use latchkey_testing::{Folder, Redis};

use super::bench::RedisBench;
use super::notifications::Process;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Gives the user of the test this password alone, and ends its connections.
fn set_password(redis: &Redis, password: &str) {
    let password = format!(">{password}");
    assert_eq!(
        redis.cli(&["ACL", "SETUSER", "app", "on", "resetpass", &password, "~*", "&*", "+@all"]),
        "OK"
    );
    redis.cli(&["CLIENT", "KILL", "USER", "app"]);
}

#[tokio::test]
async fn a_rotated_password_is_used_without_a_restart() {
    let (redis, folder) = (Redis::start(), Folder::new("redis-rotation"));
    let url = |password: &str| format!("redis://app:{password}@127.0.0.1:{}", redis.port());
    set_password(&redis, "old");
    let path = folder.write("url", &url("old"));
    let address = Address::parse(&url("old"), None).unwrap().of_file(path.clone(), &url("old"));
    let options = RedisOptions { address: address.clone(), deadline: TIMEOUT };
    let bench = RedisBench::with(&options, CountingMode::Exact).await;
    let mut listening = Process::with(&address, "1").await;
    // Half of the new content is there when the connections end.
    let _ = folder.write("url", "redis://app:ne");
    set_password(&redis, "new");
    bench.until(false).await;
    let next = folder.write("next", &url("new"));
    std::fs::rename(next, &path).unwrap();
    bench.until(true).await;
    listening.expect_wakeup("that it has subscribed again").await;
    let nodes = probe(&address).await.unwrap();
    assert!(nodes[0].seen.as_ref().is_ok_and(|probe| probe.refused.is_none()), "the doctor's trial");
}
