//! A schema that lost a part, one that is in another place, and few connections: a start waits, and the commands name the
//! cause.

use latchkey_proto::v1::{CheckRequest, Decision};
use latchkey_testing::{Caller, Latchkey, Postgres, SHOP, Setup, eventually, eventually_async, key};

use crate::program::{printed, run, said};

/// Waits until /readyz is not 200 and contains these words.
fn waits(latchkey: &Latchkey, words: &str) {
    eventually(words, || {
        let page = latchkey.page("/readyz");
        (page.status == 503 && page.body.contains(words)).then_some(())
    });
}

/// Creates a database that a new role owns, and returns the URL with this role.
fn owned_by(postgres: &Postgres, role: &str) -> String {
    let url = postgres.database();
    postgres.create_role(role, "");
    let database = url.rsplit('/').next().expect("a name");
    postgres.sql(&url, &format!("ALTER DATABASE {database} OWNER TO {role}"));
    url.replace("postgres@", &format!("{role}:secret@"))
}

async fn allowed(operator: &Caller, value: &str) -> Option<bool> {
    let ask = CheckRequest {
        credential: value.to_owned(),
        profile: "shop".to_owned(),
        scopes_only: true,
        ..CheckRequest::default()
    };
    let answer = operator.checks().check(ask).await.ok()?;
    Some(answer.into_inner().decision() == Decision::Allow)
}

#[test]
fn a_schema_that_lost_a_part_is_refused_until_it_is_restored() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    assert!(run(&["migrate", "up"], &url, &[]).status.success());
    postgres.sql(&url, "ALTER TABLE keys DROP CONSTRAINT keys_hash_key; ALTER TABLE deletions SET UNLOGGED");
    for text in said(&url) {
        assert!(text.contains("a unique index on keys (hash) is missing"), "{text}");
        assert!(text.contains("ALTER TABLE deletions SET LOGGED"), "{text}");
    }
    let output = run(&["migrate", "up"], &url, &[]);
    assert_eq!(output.status.code(), Some(7), "{}", printed(&output));
    let replicas = ["true", "false"].map(|migrate| {
        let setup = Setup::default().database(&url).environment("LATCHKEY_MIGRATE", migrate);
        setup.launch()
    });
    for replica in &replicas {
        waits(replica, "a unique index on keys (hash) is missing");
    }
    postgres.sql(&url, "ALTER TABLE keys ADD UNIQUE (hash); ALTER TABLE deletions SET LOGGED");
    replicas.iter().for_each(Latchkey::ready);
    let doctor = printed(&run(&["doctor"], &url, &[]));
    assert!(!doctor.contains("unique index"), "{doctor}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_comes_first_later_moves_no_replica() {
    let postgres = Postgres::shared();
    let url = owned_by(postgres, "moved");
    let latchkey = Setup::default().database(&url).profile("shop", SHOP).start();
    let operator = latchkey.operator();
    eventually_async("a tenant is made", async || operator.try_tenant("acme", "shop", "").await.ok()).await;
    postgres.sql(
        &url,
        "CREATE SCHEMA moved; CREATE TABLE moved.keys AS TABLE public.keys WITH NO DATA; \
         CREATE TABLE moved.head AS TABLE public.head",
    );
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE usename = 'moved' AND application_name = 'latchkey'";
    postgres.sql(&url, end);
    let made = async || operator.try_key(key("acme", "live")).await.ok();
    let (_, value) = eventually_async("a key is made", made).await;
    let passes = async || (allowed(&operator, &value).await == Some(true)).then_some(());
    eventually_async("the key is allowed", passes).await;
    assert_eq!(postgres.sql(&url, "SELECT count(*) FROM moved.keys"), "0");
    let second = Setup::default().database(&url).launch();
    tokio::task::block_in_place(|| waits(&second, "are in the schema public behind it"));
    let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'moved'::regnamespace AND relkind = 'r'";
    assert_eq!(postgres.sql(&url, made), "2", "nothing was created");
}

#[test]
fn a_search_path_without_a_schema_is_said_to_have_none() {
    let url = format!("{}?options=-c%20search_path%3Dnosuch", Postgres::shared().database());
    let up = printed(&run(&["migrate", "up"], &url, &[]));
    for text in said(&url).into_iter().chain([up]) {
        assert!(text.contains("(nosuch) exists"), "{text}");
        assert!(!text.contains("permission denied") && !text.contains("run `latchkey migrate up`"), "{text}");
    }
}

#[test]
fn migrations_need_one_connection_and_a_replica_three() {
    let postgres = Postgres::start();
    let url = owned_by(&postgres, "few");
    let limit = |number: u32| {
        let sql = format!("ALTER ROLE few CONNECTION LIMIT {number}");
        postgres.sql(&postgres.url("postgres"), &sql)
    };
    limit(1);
    let up = run(&["migrate", "up"], &url, &[]);
    assert!(up.status.success(), "{}", printed(&up));
    let doctor = run(&["doctor"], &url, &[]);
    let text = printed(&doctor);
    assert!(text.contains("several connections at once") && text.contains("SQLSTATE 53300"), "{text}");
    assert_eq!(doctor.status.code(), Some(1), "{text}");
    limit(3);
    let latchkey = Setup::default().database(&url).start();
    assert_eq!(latchkey.page("/readyz").status, 200, "{}", latchkey.log());
}

#[test]
fn a_reversal_names_the_replicas_that_may_run() {
    let url = Postgres::shared().database();
    let warns = |text: &str| text.contains("replicas run with this schema, or were killed");
    assert!(run(&["migrate", "up"], &url, &[]).status.success());
    let alone = printed(&run(&["migrate", "down"], &url, &[]));
    assert!(alone.contains("1 migration reverted") && !warns(&alone), "{alone}");
    let _latchkey = Setup::default().database(&url).start();
    let beside = printed(&run(&["migrate", "down", "--discard-data"], &url, &[]));
    assert!(beside.contains("1 migration reverted") && warns(&beside), "{beside}");
}
