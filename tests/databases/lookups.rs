//! Look-ups of keys that the database refuses while a replica runs: cached keys pass, and the log and
//! `/readyz` name the cause.

use latchkey_proto::v1::{CheckRequest, Decision};
use latchkey_testing::{Caller, Latchkey, Postgres, SHOP, Setup, eventually, eventually_async};
use tonic::Code;

use crate::program::{printed, run};

async fn admits(caller: &Caller, value: &str) -> Result<bool, Code> {
    let ask = CheckRequest {
        credential: value.to_owned(),
        dry_run: true,
        scopes_only: true,
        ..CheckRequest::default()
    };
    let answer = caller.checks().check(ask).await.map_err(|status| status.code())?;
    Ok(answer.into_inner().decision() == Decision::Allow)
}

/// Starts a server by a role that owns nothing. Returns its database, too.
async fn open(postgres: &Postgres) -> (Latchkey, Caller, String) {
    let url = postgres.database();
    let output = run(&["migrate", "up"], &url, &[]);
    assert!(output.status.success(), "{}", printed(&output));
    postgres.create_role("lk", "");
    postgres.sql(&url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lk");
    postgres.sql(&url, "GRANT CREATE ON SCHEMA public TO lk");
    let setup = Setup::default().database(&url.replace("postgres@", "lk:secret@"));
    let (latchkey, operator) = setup.open("shop", SHOP, &["acme"]).await;
    (latchkey, operator, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_lost_leaves_cached_keys_and_is_named() {
    let postgres = Postgres::start();
    let (latchkey, operator, url) = open(&postgres).await;
    let (_, cached) = operator.plain_key("acme", "live").await;
    let (_, other) = operator.plain_key("acme", "live").await;
    assert_eq!(admits(&operator, &cached).await, Ok(true));
    postgres.sql(&url, "REVOKE SELECT ON keys FROM lk");
    assert_eq!(admits(&operator, &other).await, Err(Code::Unavailable));
    assert_eq!(admits(&operator, &cached).await, Ok(true), "a cached key");
    let words = "permission denied for table keys";
    eventually(words, || latchkey.log().contains(words).then_some(()));
    assert_eq!(latchkey.page("/readyz").status, 200);
    postgres.sql(&url, "GRANT SELECT ON keys TO lk");
    eventually_async("look-ups are answered again", async || {
        (admits(&operator, &other).await == Ok(true)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_look_ups_are_refused_says_so_until_they_are_answered() {
    let postgres = Postgres::start();
    let (latchkey, operator, url) = open(&postgres).await;
    let (_, cached) = operator.plain_key("acme", "live").await;
    assert_eq!(admits(&operator, &cached).await, Ok(true));
    for table in ["keys", "users", "token_families"] {
        postgres.sql(&url, &format!("REVOKE SELECT ON {table} FROM lk"));
        let body = eventually("it is limited", || {
            let page = latchkey.page("/readyz");
            (page.status == 200 && page.body.contains("limited")).then_some(page.body)
        });
        assert!(body.contains(&format!("permission denied for table {table}")), "{body}");
        assert!(body.contains("only cached keys are admitted"), "{body}");
        assert_eq!(admits(&operator, &cached).await, Ok(true), "a cached key");
        postgres.sql(&url, &format!("GRANT SELECT ON {table} TO lk"));
        eventually("it is ready", || (latchkey.page("/readyz").body.contains("\"ready\"")).then_some(()));
    }
    let count = |words: &str| latchkey.log().lines().filter(|line| line.contains(words)).count();
    let ends = "the database answers look-ups of keys again";
    eventually("each begin and end is logged once", || {
        (count("refuses look-ups of keys; cached keys alone") == 3 && count(ends) == 3).then_some(())
    });
}
