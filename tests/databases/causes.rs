//! The cause for which a database can't be used is reported in its own words: by doctor, by the command line, on
//! /readyz and in the log.

use std::path::Path;
use std::process::Command;

use latchkey_testing::{Folder, Latchkey, Postgres, SHOP, Setup, eventually, eventually_async};

use crate::program::{printed, run, said};

/// Asserts that doctor and the command line print these words, never the password, and not that the server, which has
/// answered, does not.
#[track_caller]
fn assert_doctor_and_migrate_name(url: &str, words: &[&str]) {
    for text in said(url) {
        for word in words {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
        assert!(!text.contains("canary"), "{text}");
        assert!(!text.contains("not answer") && !text.contains("can't be reached"), "{text}");
    }
}

/// Asserts that doctor says that a database can't be used, by its exit code as well.
#[track_caller]
fn doctor_refuses(url: &str) {
    let output = run(&["doctor"], url, &[]);
    assert!(printed(&output).contains("can't be used: "), "{}", printed(&output));
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
}

/// Waits until /readyz is not 200 and contains these words. It must not say that the server, which has answered, does not.
fn readyz_says(latchkey: &Latchkey, words: &str) {
    let body = eventually(words, || {
        let page = latchkey.page("/readyz");
        (page.status == 503 && page.body.contains(words)).then_some(page.body)
    });
    assert!(!body.contains("not answer"), "{body}");
}

#[test]
fn a_role_that_may_not_log_in_or_connect_is_given_the_statement_that_lets_it() {
    let postgres = Postgres::start();
    let url = postgres.database();
    postgres.create_role("ada", "");
    postgres.create_role("shut", "");
    postgres.sql(&url, "ALTER ROLE shut NOLOGIN");
    let as_user = |user: &str| url.replace("postgres@", &format!("{user}@"));
    let name = url.rsplit('/').next().expect("a name");
    assert_doctor_and_migrate_name(
        &as_user("shut:secret"),
        &["is not permitted to log in (SQLSTATE 28000)", "run ALTER ROLE … LOGIN"],
    );
    postgres.sql(&url, &format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"));
    assert_doctor_and_migrate_name(&as_user("ada:secret"), &["run GRANT CONNECT ON DATABASE"]);
}

#[test]
fn the_cause_of_a_refused_connection_has_the_servers_words() {
    let postgres = Postgres::start();
    let url = postgres.database();
    postgres.set_access("hostssl all tls_only all trust\nhost all barred all reject");
    for role in ["ada", "barred", "full"] {
        postgres.create_role(role, "");
    }
    postgres.sql(&url, "ALTER ROLE full CONNECTION LIMIT 0");
    let as_user = |user: &str| url.replace("postgres@", &format!("{user}@"));
    let wrong = "password authentication failed for user \"ada\" (SQLSTATE 28P01)";
    assert_doctor_and_migrate_name(&as_user("ada:canary"), &[wrong, "correct the user and password"]);
    assert_doctor_and_migrate_name(
        &as_user("barred:canary"),
        &["pg_hba.conf rejects connection", "(SQLSTATE 28000)"],
    );
    assert_doctor_and_migrate_name(
        &as_user("full:secret"),
        &["too many connections for role \"full\" (SQLSTATE 53300)"],
    );
    assert_doctor_and_migrate_name(
        &postgres.url("absent"),
        &["database \"absent\" does not exist (SQLSTATE 3D000)", "create the database"],
    );
    for url in [as_user("ada:canary"), as_user("full:secret"), postgres.url("absent")] {
        doctor_refuses(&url);
    }
    let waiting = Setup::default().database(&as_user("ada:canary")).launch();
    readyz_says(&waiting, wrong.split('"').next().expect("words"));
    eventually("the log has the code", || waiting.log().contains("SQLSTATE 28P01").then_some(()));
    let headline = "not ready: the database cannot be read and written";
    eventually(headline, || waiting.log().contains(headline).then_some(()));
    let log = waiting.log();
    assert!(!log.contains("canary") && !log.contains("does not answer"), "{log}");
}

#[test]
fn the_cause_names_the_grants_that_a_role_lacks() {
    let postgres = Postgres::start();
    let url = postgres.database();
    assert!(run(&["migrate", "up"], &url, &[]).status.success());
    postgres.create_role("lk", "");
    let as_role = url.replace("postgres@", "lk:secret@");
    assert_doctor_and_migrate_name(
        &as_role,
        &[
            "permission denied",
            "SELECT, INSERT, UPDATE, DELETE on keys",
            "GRANT SELECT, INSERT, UPDATE, DELETE",
        ],
    );
    // Only migrations use their lock.
    let tables = postgres.sql(
        &url,
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration_lock'",
    );
    for text in said(&as_role) {
        let unnamed: Vec<_> =
            tables.lines().filter(|table| !text.contains(&format!(" on {table}"))).collect();
        assert!(unnamed.is_empty() && tables.lines().count() > 10, "{unnamed:?} are not named: {text}");
    }
    let waiting = Setup::default().database(&as_role).environment("LATCHKEY_MIGRATE", "false").launch();
    readyz_says(&waiting, "permission denied");
    postgres.sql(&url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lk");
    postgres.sql(&url, "REVOKE DELETE ON grants FROM lk");
    assert_doctor_and_migrate_name(&as_role, &["lacks DELETE on grants"]);
    postgres.sql(&url, "GRANT DELETE ON grants TO lk");
    let status = run(&["migrate", "status"], &as_role, &[]);
    assert!(status.status.success(), "{}", printed(&status));
    postgres.sql(&url, "REVOKE USAGE ON SCHEMA public FROM PUBLIC");
    assert_doctor_and_migrate_name(&as_role, &["permission denied", "GRANT USAGE ON SCHEMA"]);
}

#[test]
fn policies_that_would_keep_rows_from_the_role_are_named_with_their_remedy() {
    let postgres = Postgres::start();
    let url = postgres.database();
    assert!(run(&["migrate", "up"], &url, &[]).status.success());
    postgres.create_role("lk", "");
    postgres.sql(&url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lk");
    let enable = "DO $$ DECLARE name text; BEGIN \
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name); END LOOP; END $$";
    postgres.sql(&url, enable);
    let as_role = url.replace("postgres@", "lk:secret@");
    assert_doctor_and_migrate_name(
        &as_role,
        &["affected by row-level security policy", "(SQLSTATE 42501)", "give it BYPASSRLS"],
    );
    postgres.sql(&url, "ALTER ROLE lk BYPASSRLS");
    let status = run(&["migrate", "status"], &as_role, &[]);
    assert!(status.status.success(), "{}", printed(&status));
}

#[test]
fn tables_without_their_list_of_migrations_must_be_restored_with_it() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    assert!(run(&["migrate", "up"], &url, &[]).status.success());
    postgres.sql(&url, "TRUNCATE seaql_migrations");
    let text = printed(&run(&["migrate", "up"], &url, &[]));
    assert!(text.contains("already exists (SQLSTATE 42P07)"), "{text}");
    assert!(text.contains("seaql_migrations does not match the other tables"), "{text}");
}

#[test]
fn a_database_of_another_encoding_is_refused_at_the_start() {
    let postgres = Postgres::shared();
    let create = "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    postgres.sql(&postgres.url("postgres"), create);
    let url = postgres.url("latin");
    assert_doctor_and_migrate_name(&url, &["encoding is LATIN1", "UTF8"]);
    doctor_refuses(&url);
    readyz_says(&Setup::default().database(&url).launch(), "encoding is LATIN1");
}

#[test]
fn a_character_that_ends_the_password_is_named() {
    for (url, character) in [
        ("postgres://ada:can/ary@127.0.0.1:1/db", "`/`"),
        ("postgres://ada:can?ary@127.0.0.1:1/db", "`?`"),
        ("postgres://ada:can#ary@127.0.0.1:1/db", "`#`"),
        ("postgres://ada:can@ary@127.0.0.1:1/db", "`@`"),
    ] {
        for text in said(url) {
            assert!(text.contains(character) && text.contains("percent-encoded"), "{text}");
            assert!(!text.contains("ary"), "{text}");
        }
    }
}

#[test]
fn sessions_that_end_and_locks_that_last_are_in_the_log_once_with_their_cause() {
    let postgres = Postgres::start();
    let latchkey = Setup::default().default_deadlines().database(&postgres.database()).start();
    let url = postgres.url("test_0");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'";
    for _ in 0..3 {
        postgres.sql(&url, end);
        latchkey.ready();
    }
    // The client can detect that an idle session is closed before it reads its last message.
    let words = "terminating connection due to administrator command (SQLSTATE 57P01)";
    eventually(words, || {
        let found = latchkey.log().contains(words).then_some(());
        if found.is_none() {
            postgres.sql(&url, end);
            latchkey.ready();
        }
        found
    });
    // A session can end during a statement, or while it is opened. Each is in the log once.
    let lines = |step: &str| {
        latchkey.log().lines().filter(|line| line.contains("SQLSTATE 57P01") && line.contains(step)).count()
    };
    let (statement, opening) = (lines("failed a statement"), lines("failed to open a connection"));
    assert!(statement <= 1 && opening <= 1 && statement + opening > 0, "{}", latchkey.log());
    let lock = postgres.lock(&url, "replicas");
    let words = "canceling statement due to lock timeout (SQLSTATE 55P03)";
    eventually(words, || latchkey.log().contains(words).then_some(()));
    drop(lock);
}

#[test]
fn a_database_that_is_dropped_is_named_while_nothing_can_be_decided() {
    let postgres = Postgres::start();
    let setup = Setup::default().database(&postgres.database()).environment("LATCHKEY_CACHE_LEASE", "5s");
    let latchkey = setup.start();
    postgres.sql(&postgres.url("postgres"), "DROP DATABASE test_0 WITH (FORCE)");
    readyz_says(&latchkey, "database \\\"test_0\\\" does not exist (SQLSTATE 3D000)");
}

#[test]
fn a_file_that_is_no_database_is_said_to_be_none() {
    let folder = Folder::new("no-database");
    let path = folder.write("latchkey.db", &"random bytes, ".repeat(400));
    let url = format!("sqlite://{}?mode=rwc", path.display());
    assert_doctor_and_migrate_name(&url, &["file is not a database (SQLite code 26)"]);
    doctor_refuses(&url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_reaches_a_standby_fails_with_its_cause() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let latchkey = Setup::default().database(&url).profile("shop", SHOP).start();
    let data = postgres.sql(&url, "SHOW data_directory");
    postgres.stop();
    std::fs::write(Path::new(&data).join("standby.signal"), b"").expect("a file can be written");
    postgres.restart();
    let operator = latchkey.operator();
    let words = "the database can't be used: see /readyz or Latchkey's log";
    eventually_async(words, async || {
        let failed = operator.try_tenant("acme", "shop", "").await.expect_err("a standby accepts no writes");
        (failed.code() == tonic::Code::Unavailable && failed.message() == words).then_some(())
    })
    .await;
    tokio::task::block_in_place(|| {
        eventually("the log has the cause", || {
            latchkey.log().contains("the server is a standby").then_some(())
        });
        assert_doctor_and_migrate_name(&url, &["the server is a standby"]);
        doctor_refuses(&url);
    });
}

#[test]
fn a_schema_of_another_version_and_a_file_in_use_have_an_exit_code_of_their_own() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    assert!(run(&["migrate", "up"], &url, &[]).status.success());
    postgres.sql(&url, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9001_wider', 1)");
    postgres.sql(&url, "UPDATE schema_requirement SET oldest_migration = 'm9001_wider'");
    for words in [["migrate", "status"], ["migrate", "up"]] {
        let output = run(&words, &url, &[]);
        assert_eq!(output.status.code(), Some(7), "{words:?}: {}", printed(&output));
    }
    let latchkey = Setup::default().start();
    let output = run(&["migrate", "up"], latchkey.database(), &[]);
    assert_eq!(output.status.code(), Some(7), "{}", printed(&output));
    let output = run(&["migrate", "status"], "postgres://ada@127.0.0.1:1/db", &[]);
    assert_eq!(output.status.code(), Some(6), "{}", printed(&output));
}

#[test]
fn a_mount_that_is_read_only_is_said_to_be_one() {
    let folder = Folder::new("read-only");
    let path = folder.path().join("latchkey.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    assert!(run(&["migrate", "up"], &url, &[]).status.success());
    let mount =
        |words: &[&str]| Command::new("mount").args(words).status().is_ok_and(|status| status.success());
    let place = folder.path().display().to_string();
    if !mount(&["--bind", &place, &place]) || !mount(&["-o", "remount,ro,bind", &place]) {
        // Only root can mount.
        return;
    }
    let output = run(&["migrate", "up"], &url, &[]);
    let _ = Command::new("umount").arg(&place).status();
    let text = printed(&output);
    assert!(!output.status.success() && text.to_lowercase().contains("read-only"), "{text}");
}
