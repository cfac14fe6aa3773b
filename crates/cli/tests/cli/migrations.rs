//! `latchkey migrate` and `latchkey rewrap` on an embedded database, without a server.

use super::{latchkey, text};

/// Runs `latchkey migrate` in a folder, and returns what it prints.
fn migrate(folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = latchkey(folder).arg("migrate").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn migrations_go_up_and_down() {
    let folder = tempfile::tempdir().unwrap();
    migrate(folder.path(), &["up"]);
    assert!(!migrate(folder.path(), &["status"]).contains("missing"));
    migrate(folder.path(), &["down", "--steps", "1"]);
    assert_eq!(migrate(folder.path(), &["status"]).matches("missing").count(), 1);
}

#[test]
fn as_many_migrations_are_reported_as_were_reverted() {
    let folder = tempfile::tempdir().unwrap();
    migrate(folder.path(), &["up"]);
    let all = migrate(folder.path(), &["status"]).lines().count() - 1;
    let down = migrate(folder.path(), &["down", "--steps", "1000", "--discard-data"]);
    assert!(down.contains(&format!("{all} migrations reverted")), "{down}");
}

#[test]
fn each_migration_of_a_database_that_does_not_exist_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let table = migrate(folder.path(), &["status"]);
    assert_eq!(table.matches("missing").count(), table.lines().count() - 1, "{table}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it made a file");
}

#[test]
fn commands_that_need_a_database_create_none() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ["--master-key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="];
    for command in [&["migrate", "down"][..], &["rewrap", keys[0], keys[1]]] {
        let output = latchkey(folder.path()).args(command).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{command:?}: {error}");
        assert!(error.contains("does not exist, or is empty"), "{error}");
        assert!(error.contains("latchkey migrate up"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{command:?} made a file");
    }
}
