//! A program with the database of a newer version: it serves if the schema permits it, and otherwise reports why it
//! does not. A reversal of migrations deletes nothing without `--discard-data`.

use std::process::{Command, Output};

use latchkey_testing::{Database, Latchkey, eventually, on_both, program};

use crate::stored::{MASTER_KEY, on, reason};

on_both!(
    a_schema_that_permits_it_is_served_by_an_older_program,
    a_schema_that_forbids_it_is_not_touched_by_an_older_program,
    a_reversal_that_would_delete_keys_is_refused,
);

const PROFILE: &str = include_str!("stored.toml");

/// Starts a server, creates a key, ends the server, and records a migration of a newer version in its
/// database.
async fn migrated(database: Database, oldest: &str) -> (Latchkey, String) {
    let (latchkey, operator) = on(database.single_replica()).open("stored", PROFILE, &["acme"]).await;
    let (_, value) = operator.scoped_key("acme", &["items.read"]).await;
    latchkey.kill();
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9001_wider', 1)";
    let _ = latchkey.sql(newer);
    let _ = latchkey.sql(&format!("UPDATE schema_requirement SET oldest_migration = '{oldest}'"));
    (latchkey, value)
}

/// Runs a command on the database of a server.
fn run(latchkey: &Latchkey, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.env_clear().args(words).args(["--database-url", latchkey.database()]);
    if words == ["doctor"] {
        command.env("LATCHKEY_MASTER_KEY", MASTER_KEY);
    }
    command.output().expect("the program starts")
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

async fn a_schema_that_permits_it_is_served_by_an_older_program(database: Database) {
    let (latchkey, value) = migrated(database, "m0018_schema_requirement").await;
    latchkey.restart();
    assert_eq!(reason(&latchkey.operator(), &value).await, "REASON_OK");
    for words in ["m9001_wider", "newer version"] {
        latchkey.wait_for_log(words);
    }
    latchkey.kill();
    let status = run(&latchkey, &["migrate", "status"]);
    assert!(status.status.success() && text(&status).contains("applied by a newer version"), "{status:?}");
    let up = run(&latchkey, &["migrate", "up"]);
    assert!(up.status.success() && text(&up).contains("m9001_wider"), "{up:?}");
}

async fn a_schema_that_forbids_it_is_not_touched_by_an_older_program(database: Database) {
    let (latchkey, _) = migrated(database, "m9001_wider").await;
    let words = "versions before m9001_wider must not use it";
    latchkey.relaunch_unready();
    let body = eventually("it says why it is not ready", || {
        let page = latchkey.page("/readyz");
        (page.status == 503 && page.body.contains(words)).then_some(page.body)
    });
    assert!(body.contains("restore the backup"), "{body}");
    latchkey.kill();
    for command in [&["migrate", "status"][..], &["migrate", "up"], &["doctor"]] {
        let output = run(&latchkey, command);
        assert!(!output.status.success() && text(&output).contains(words), "{command:?}: {output:?}");
    }
}

async fn a_reversal_that_would_delete_keys_is_refused(database: Database) {
    let (latchkey, operator) = on(database.single_replica()).open("stored", PROFILE, &["acme"]).await;
    let (_, value) = operator.scoped_key("acme", &["items.read"]).await;
    latchkey.kill();
    let down = ["migrate", "down", "--steps", "20"];
    let refused = run(&latchkey, &down);
    let words = text(&refused);
    assert!(
        !refused.status.success() && words.contains(" keys,") && words.contains("would be deleted"),
        "{words}"
    );
    assert!(words.contains("--discard-data"), "{words}");
    latchkey.restart();
    assert_eq!(reason(&latchkey.operator(), &value).await, "REASON_OK", "nothing was reverted");
    latchkey.kill();
    assert!(run(&latchkey, &[&down[..], &["--discard-data"]].concat()).status.success());
}
