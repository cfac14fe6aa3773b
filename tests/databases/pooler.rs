//! PgBouncer between the replicas and PostgreSQL, in either mode: the guarantees of a revocation hold, and a
//! wrong setting is reported.

use latchkey_proto::v1::{CheckRequest, Decision, RevokeKeyRequest};
use latchkey_testing::{
    Caller, Latchkey, PgBouncer, Postgres, SHOP, Setup, eventually, eventually_async, key,
};

use crate::program::{printed, run};

/// Stores the settings of each transaction that writes a key.
const RECORD: &str = "
    CREATE TABLE seen (setting text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen SELECT DISTINCT name || '=' || setting FROM pg_settings WHERE name IN
            ('synchronous_commit', 'lock_timeout', 'transaction_isolation');
        RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON keys EXECUTE FUNCTION note()";

/// Settings of the database that would break a guarantee if a transaction inherited them.
const HOSTILE: [&str; 3] =
    ["synchronous_commit = off", "lock_timeout = '10ms'", "default_transaction_isolation = 'serializable'"];

fn replica(url: &str, pooler: &str) -> Latchkey {
    // The lock timeout depends on the deadline.
    let setup = Setup::default().default_deadlines().database(url).profile("shop", SHOP);
    setup.environment("LATCHKEY_DATABASE_POOLER", pooler).launch()
}

async fn decision(caller: &Caller, value: &str) -> Option<bool> {
    let ask = CheckRequest {
        credential: value.to_owned(),
        profile: "shop".to_owned(),
        scopes_only: true,
        ..CheckRequest::default()
    };
    let answer = caller.checks().check(ask).await.ok()?;
    Some(answer.into_inner().decision() == Decision::Allow)
}

/// Creates and revokes keys on two replicas behind a pooler. Returns the settings of the writes.
async fn revocations_hold(mode: &str) -> String {
    let postgres = Postgres::start();
    let direct = postgres.database();
    let pooler = PgBouncer::start(&postgres, mode);
    let url = pooler.through(&direct);
    for setting in HOSTILE {
        postgres.sql(&postgres.url("postgres"), &format!("ALTER DATABASE test_0 SET {setting}"));
    }
    let up = run(&["migrate", "up"], &url, &[("LATCHKEY_DATABASE_POOLER", mode)]);
    assert!(up.status.success(), "{}", printed(&up));
    postgres.sql(&direct, RECORD);
    let replicas = [replica(&url, mode), replica(&url, mode)];
    replicas.iter().for_each(Latchkey::ready);
    let operators = replicas.each_ref().map(Latchkey::operator);
    eventually_async("a tenant is made", async || operators[0].try_tenant("acme", "shop", "").await.ok())
        .await;
    for round in 0..20 {
        let (made, value) = eventually_async("a key is made", async || {
            operators[round % 2].try_key(key("acme", "live")).await.ok()
        })
        .await;
        for operator in &operators {
            let allowed = async || (decision(operator, &value).await == Some(true)).then_some(());
            eventually_async("the key is allowed", allowed).await;
        }
        let ask = || RevokeKeyRequest { id: made.id.clone(), reason: String::new() };
        let revoked = async || operators[(round + 1) % 2].keys().revoke_key(ask()).await.ok();
        eventually_async("the key is revoked", revoked).await;
        for operator in &operators {
            assert_ne!(decision(operator, &value).await, Some(true), "a revoked key was allowed");
        }
    }
    let status = run(&["migrate", "status"], &url, &[("LATCHKEY_DATABASE_POOLER", mode)]);
    assert!(status.status.success() && !printed(&status).contains("missing"), "{}", printed(&status));
    postgres.sql(&direct, "SELECT DISTINCT setting FROM seen ORDER BY 1")
}

#[test]
fn migrations_are_applied_where_transactions_only_read_by_default() {
    let postgres = Postgres::start();
    let direct = postgres.database();
    let pooler = PgBouncer::start(&postgres, "transaction");
    let reading = "ALTER DATABASE test_0 SET default_transaction_read_only = on";
    postgres.sql(&postgres.url("postgres"), reading);
    let up =
        run(&["migrate", "up"], &pooler.through(&direct), &[("LATCHKEY_DATABASE_POOLER", "transaction")]);
    assert!(up.status.success(), "{}", printed(&up));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_hold_through_a_pooler_in_session_mode() {
    let seen = revocations_hold("session").await;
    assert_eq!(seen, "lock_timeout=1750\nsynchronous_commit=on\ntransaction_isolation=read committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_hold_through_a_pooler_in_transaction_mode() {
    let seen = revocations_hold("transaction").await;
    assert_eq!(seen, "lock_timeout=1750\nsynchronous_commit=on\ntransaction_isolation=read committed");
}

#[test]
fn the_wrong_setting_is_named_and_nothing_is_acknowledged() {
    let postgres = Postgres::start();
    let direct = postgres.database();
    let pooler = PgBouncer::start(&postgres, "transaction");
    let replicas = [(); 2].map(|()| replica(&pooler.through(&direct), "none"));
    eventually("the setting is named", || {
        let named = |replica: &Latchkey| replica.log().contains("database_pooler");
        replicas.iter().any(named).then_some(())
    });
}

#[test]
fn a_pooler_that_allows_no_transactions_is_an_answer_with_its_remedy() {
    let postgres = Postgres::start();
    let pooler = PgBouncer::start(&postgres, "statement");
    let url = pooler.through(&postgres.database());
    let output = run(&["doctor"], &url, &[("LATCHKEY_DATABASE_POOLER", "transaction")]);
    let text = printed(&output);
    assert!(text.contains("can't be used: ") && text.contains("SQLSTATE 08P01"), "{text}");
    assert!(text.contains("set PgBouncer's pool_mode to session"), "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
}

#[test]
fn the_wrong_setting_is_named_by_doctor() {
    let postgres = Postgres::start();
    let direct = postgres.database();
    assert!(run(&["migrate", "up"], &direct, &[]).status.success());
    let pooler = PgBouncer::start(&postgres, "transaction");
    for setting in ["none", "session"] {
        let output = run(&["doctor"], &pooler.through(&direct), &[("LATCHKEY_DATABASE_POOLER", setting)]);
        let text = printed(&output);
        assert!(text.contains("database_pooler = \"transaction\""), "{setting}: {text}");
        assert_eq!(output.status.code(), Some(1), "{setting}: {text}");
    }
    let right = run(&["doctor"], &pooler.through(&direct), &[("LATCHKEY_DATABASE_POOLER", "transaction")]);
    assert!(!printed(&right).contains("several connections at once"), "{}", printed(&right));
}

#[test]
fn migrations_at_once_through_the_transaction_mode_are_applied_once() {
    let postgres = Postgres::start();
    let pooler = PgBouncer::start(&postgres, "transaction");
    let url = pooler.through(&postgres.database());
    let all = std::thread::scope(|scope| {
        let migrate = || run(&["migrate", "up"], &url, &[("LATCHKEY_DATABASE_POOLER", "transaction")]);
        let threads = [(); 4].map(|()| scope.spawn(migrate));
        threads.map(|thread| thread.join().expect("a thread ends"))
    });
    for output in all {
        assert!(output.status.success(), "{}", printed(&output));
    }
}

#[test]
fn doctor_says_what_the_transaction_mode_costs() {
    let postgres = Postgres::start();
    let pooler = PgBouncer::start(&postgres, "transaction");
    let url = pooler.through(&postgres.database());
    let mode = [("LATCHKEY_DATABASE_POOLER", "transaction")];
    assert!(run(&["migrate", "up"], &url, &mode).status.success());
    let text = printed(&run(&["doctor"], &url, &mode));
    assert!(text.contains("four round trips"), "{text}");
}
