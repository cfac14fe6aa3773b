//! Two replicas on a server that speaks PostgreSQL's protocol and lacks LISTEN, NOTIFY, advisory locks and the functions
//! of a write-ahead log, as far as PostgreSQL itself can be made to lack them.

use latchkey_proto::v1::{CheckRequest, Decision, RevokeKeyRequest};
use latchkey_testing::{Latchkey, Postgres, SHOP, Setup, eventually_async, key};

use crate::program::{printed, run};

const ABSENT: [&str; 5] = [
    "pg_advisory_xact_lock(bigint)",
    "pg_current_wal_lsn()",
    "pg_walfile_name(pg_lsn)",
    "pg_is_in_recovery()",
    "pg_postmaster_start_time()",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_a_compatible_server_revoke_by_polling() {
    let postgres = Postgres::start();
    let url = postgres.database();
    for function in ABSENT {
        let (name, _) = function.split_once('(').expect("a function");
        postgres.sql(&url, &format!("ALTER FUNCTION pg_catalog.{function} RENAME TO no_{name}"));
    }
    let dialect = [("LATCHKEY_DATABASE_DIALECT", "compatible")];
    for words in [["migrate", "up"], ["migrate", "status"]] {
        let output = run(&words, &url, &dialect);
        assert!(output.status.success(), "{}", printed(&output));
    }
    let doctor = printed(&run(&["doctor"], &url, &dialect));
    assert!(doctor.contains("the database wakes no replica"), "{doctor}");
    postgres.set("log_statement", "all");
    let replica = || {
        let setup = Setup::default().database(&url).profile("shop", SHOP);
        setup.environment("LATCHKEY_DATABASE_DIALECT", "compatible").launch()
    };
    let replicas = [replica(), replica()];
    replicas.iter().for_each(Latchkey::ready);
    let operators = replicas.each_ref().map(Latchkey::operator);
    operators[0].try_tenant("acme", "shop", "").await.expect("a tenant");
    for round in 0..5 {
        let (made, value) = operators[round % 2].try_key(key("acme", "live")).await.expect("a key");
        let decision = async |of: usize| {
            let ask = CheckRequest {
                credential: value.clone(),
                profile: "shop".to_owned(),
                scopes_only: true,
                ..CheckRequest::default()
            };
            let answer = operators[of].checks().check(ask).await.ok()?;
            Some(answer.into_inner().decision() == Decision::Allow)
        };
        for of in 0..2 {
            eventually_async("the key is allowed", async || decision(of).await.filter(|allowed| *allowed))
                .await;
        }
        let ask = RevokeKeyRequest { id: made.id, reason: String::new() };
        operators[(round + 1) % 2].keys().revoke_key(ask).await.expect("the key is revoked");
        for of in 0..2 {
            assert_ne!(decision(of).await, Some(true), "a revoked key was allowed");
        }
    }
    let log = postgres.log();
    assert!(log.contains("UPDATE replicas") && !log.contains("NOTIFY") && !log.contains("LISTEN"), "{log}");
}
