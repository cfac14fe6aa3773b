//! A password that is rotated in the file of the URL: new connections use it without a restart, and the last one that could be
//! used stays in use while the file can't be.

use latchkey_testing::{Folder, Postgres, Setup, eventually, eventually_async, key};

use crate::program::{printed, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_password_is_used_without_a_restart() {
    let (postgres, folder) = (Postgres::start(), Folder::new("rotation"));
    let database = postgres.database();
    postgres.set_access("");
    postgres.create_role("app", "SUPERUSER");
    let up = run(&["migrate", "up"], &database, &[]);
    assert!(up.status.success(), "{}", printed(&up));
    let url = |password: &str| database.replace("//postgres@", &format!("//app:{password}@"));
    let path = folder.write("url", &url("secret"));
    let latchkey = Setup::default()
        .database(&database)
        .environment("LATCHKEY_DATABASE_URL_FILE", &path.display().to_string())
        .profile("shop", latchkey_testing::SHOP)
        .start();
    let operator = latchkey.operator();
    operator.try_tenant("acme", "shop", "").await.expect("a tenant is made");
    let admin = postgres.url("postgres");
    let sessions = "FROM pg_stat_activity WHERE usename = 'app'";
    // Half of the new content is there when the connections end.
    let _ = folder.write("url", "postgres://app:hunt");
    postgres.sql(&admin, "ALTER ROLE app PASSWORD 'hunter2'");
    postgres.sql(&admin, &format!("SELECT pg_terminate_backend(pid) {sessions}"));
    latchkey.wait_for_log("the content of database_url_file is not used");
    latchkey.wait_for_log("password authentication failed");
    let next = folder.write("next", &url("hunter2"));
    std::fs::rename(next, &path).expect("the file is replaced");
    eventually_async("a key is made with the new password", async || {
        operator.try_key(key("acme", "live")).await.ok().map(drop)
    })
    .await;
    eventually("the listener uses it as well", || {
        let listening = format!(
            "SELECT count(*) > 0 {sessions} AND query IN ('SELECT 1', 'LISTEN \"latchkey_changes\"')"
        );
        (postgres.sql(&admin, &listening) == "t").then_some(())
    });
    latchkey.wait_for_log("use the present content of database_url_file");
    assert!(!latchkey.log().contains("hunt"), "{}", latchkey.log());
}
