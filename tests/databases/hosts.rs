//! Several hosts in one URL: the one that accepts writes is used, and after a failover the other one, without a restart.

use latchkey_testing::{Postgres, Setup, eventually, eventually_async, key};

use crate::program::{printed, run, said};

/// Returns the URL of a database on several servers.
fn url_of(servers: &[&Postgres], database: &str) -> String {
    let hosts: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
    format!("postgres://postgres@{}/{database}?target_session_attrs=read-write", hosts.join(","))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_passed_over_and_followed_after_its_promotion() {
    let primary = Postgres::start();
    let _ = primary.database();
    let standby = primary.standby();
    primary.commit_with_standby();
    // The standby comes first.
    let url = url_of(&[&standby, &primary], "test_0");
    let up = run(&["migrate", "up"], &url, &[]);
    assert!(up.status.success(), "{}", printed(&up));
    let latchkey = Setup::default().database(&url).profile("shop", latchkey_testing::SHOP).start();
    let operator = latchkey.operator();
    operator.try_tenant("acme", "shop", "").await.expect("a tenant is made");
    primary.kill();
    standby.promote();
    eventually_async("a key is made on the new primary", async || {
        operator.try_key(key("acme", "live")).await.ok().map(drop)
    })
    .await;
    let listening = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query IN ('SELECT 1', 'LISTEN \"latchkey_changes\"')";
    eventually("the listener follows", || {
        (standby.sql(&standby.url("test_0"), listening) == "t").then_some(())
    });
}

#[test]
fn each_host_is_named_with_its_cause_if_none_works() {
    let primary = Postgres::start();
    let standby = primary.standby();
    primary.stop();
    let url = url_of(&[&primary, &standby], "postgres");
    for text in said(&url) {
        for (server, cause) in [(&primary, "Connection refused"), (&standby, "the server is a standby")] {
            assert!(text.contains(&format!("127.0.0.1:{}: {cause}", server.port())), "{text}");
        }
    }
    for text in said(&url.replace("read-write", "standby")) {
        assert!(text.contains("target_session_attrs must be read-write"), "{text}");
    }
}
