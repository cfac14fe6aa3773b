//! Look-ups of keys that the database refuses while a replica runs: cached keys pass, and the log names the cause.

use latchkey_proto::v1::{CheckRequest, Decision};
use latchkey_testing::{Caller, Postgres, SHOP, Setup, eventually, eventually_async};
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

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_lost_leaves_cached_keys_and_is_named() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let output = run(&["migrate", "up"], &url, &[]);
    assert!(output.status.success(), "{}", printed(&output));
    postgres.create_role("lk", "");
    postgres.sql(&url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lk");
    postgres.sql(&url, "GRANT CREATE ON SCHEMA public TO lk");
    let setup = Setup::default().database(&url.replace("postgres@", "lk:secret@"));
    let (latchkey, operator) = setup.open("shop", SHOP, &["acme"]).await;
    let (_, cached) = operator.plain_key("acme", "live").await;
    let (_, other) = operator.plain_key("acme", "live").await;
    assert_eq!(admits(&operator, &cached).await, Ok(true));
    postgres.sql(&url, "REVOKE SELECT ON keys FROM lk");
    assert_eq!(admits(&operator, &other).await, Err(Code::Unavailable));
    assert_eq!(admits(&operator, &cached).await, Ok(true), "a cached key");
    let words = "permission denied for table keys";
    eventually(words, || latchkey.log().contains(words).then_some(()));
    assert_eq!(latchkey.page("/readyz").status, 200, "cached keys are admitted");
    postgres.sql(&url, "GRANT SELECT ON keys TO lk");
    eventually_async("look-ups are answered again", async || {
        (admits(&operator, &other).await == Ok(true)).then_some(())
    })
    .await;
}
