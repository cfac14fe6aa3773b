//! A SQLite file belongs to one process, which notices when it is no longer the file that was opened.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use latchkey_proto::v1::{CheckRequest, Decision, RevokeKeyRequest};
use latchkey_testing::{
    Caller, Database, Latchkey, SHOP, Setup, Signal, eventually, eventually_async, key, program,
};
use tonic::Code;

#[path = "sqlite_file/restore.rs"]
mod restore;

async fn open() -> (Latchkey, Caller) {
    let setup = Database::Embedded.setup().environment("LATCHKEY_SHUTDOWN_DELAY", "0s");
    setup.open("shop", SHOP, &["acme"]).await
}

fn file(latchkey: &Latchkey) -> PathBuf {
    latchkey.folder().path().join("latchkey.db")
}

fn ask(value: &str) -> CheckRequest {
    CheckRequest { credential: value.to_owned(), dry_run: true, scopes_only: true, ..CheckRequest::default() }
}

async fn admits(operator: &Caller, value: &str) -> Result<bool, Code> {
    let answer = operator.checks().check(ask(value)).await.map_err(|status| status.code())?;
    Ok(answer.into_inner().decision() == Decision::Allow)
}

/// Runs a command on the database of a server.
fn beside(latchkey: &Latchkey, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.env_clear().args(words).env("LATCHKEY_DATABASE_URL", latchkey.database());
    command.output().expect("the program starts")
}

/// Asserts that the reason of a failure is in exactly one line.
#[track_caller]
fn assert_refused(what: &str, text: &str, words: &str) {
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(words)).collect();
    assert_eq!(lines.len(), 1, "{what}: {text}");
    assert!(lines[0].contains("latchkey.db") && !text.contains("panicked"), "{what}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused_and_a_copy_is_not() {
    let (latchkey, operator) = open().await;
    let (_, value) = operator.plain_key("acme", "live").await;
    let words = "another process uses";
    let second = Setup::default().database(latchkey.database()).launch();
    assert!(!second.wait().success());
    assert_refused("serve", &second.log(), words);
    for command in [&["migrate", "up"][..], &["rewrap"]] {
        let output = beside(&latchkey, command);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{command:?}: {text}");
        assert_refused(&format!("{command:?}"), &text, words);
        assert_eq!(text.lines().filter(|line| !line.trim().is_empty()).count(), 1, "{command:?}: {text}");
    }
    // The checks hold while the server serves, and while it writes.
    let copy = latchkey.folder().path().join("copy.db");
    latchkey.backup(&copy);
    assert!(std::fs::metadata(&copy).expect("a copy").len() > 0);
    assert_eq!(admits(&operator, &value).await, Ok(true));
    let (_, fresh) = operator.plain_key("acme", "live").await;
    assert_eq!(admits(&operator, &fresh).await, Ok(true), "it writes as before");
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success());
    let output = beside(&latchkey, &["migrate", "up"]);
    assert!(output.status.success(), "nobody uses it: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_free_again_after_a_kill() {
    let (latchkey, operator) = open().await;
    let (_, value) = operator.plain_key("acme", "live").await;
    latchkey.kill();
    latchkey.restart();
    assert_eq!(admits(&latchkey.operator(), &value).await, Ok(true));
}

/// Under another name, the commits in the write-ahead log of a process that was killed would be missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_second_name_is_refused_by_either_name() {
    let (latchkey, operator) = open().await;
    let (revoked, value) = operator.plain_key("acme", "live").await;
    let _ = operator.revoke(&revoked.id).await;
    latchkey.kill();
    let other = latchkey.folder().path().join("latchkey.db.other");
    std::fs::hard_link(file(&latchkey), &other).expect("a link can be made");
    let second = Setup::default().database(&format!("sqlite:{}", other.display())).launch();
    assert!(!second.wait().success());
    assert_refused("serve", &second.log(), "has 2 names");
    for command in [&["migrate", "status"][..], &["migrate", "up"]] {
        let output = beside(&latchkey, command);
        assert!(!output.status.success(), "{command:?}");
        assert_refused(&format!("{command:?}"), &String::from_utf8_lossy(&output.stderr), "has 2 names");
    }
    std::fs::remove_file(&other).expect("the link is there");
    latchkey.restart();
    assert_eq!(admits(&latchkey.operator(), &value).await, Ok(false));
}

/// Replaces the database of the running process by a copy, as `mv` does.
fn replace(latchkey: &Latchkey) {
    let copy = latchkey.folder().path().join("copy.db");
    latchkey.backup(&copy);
    std::fs::rename(&copy, file(latchkey)).expect("a file can be renamed");
}

async fn nothing_is_decided_any_more(latchkey: &Latchkey, operator: &Caller, value: &str) {
    tokio::task::block_in_place(|| {
        eventually("it is not ready since its file was replaced", || {
            let page = latchkey.page("/readyz");
            (page.status == 503 && page.body.contains("was replaced")).then_some(())
        });
    });
    let outage = async || (admits(operator, value).await == Err(Code::Unavailable)).then_some(());
    eventually_async("Checks are refused", outage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_is_noticed_and_nothing_is_decided_or_written() {
    let (latchkey, operator) = open().await;
    let (revoked, value) = operator.plain_key("acme", "live").await;
    assert_eq!(admits(&operator, &value).await, Ok(true));
    replace(&latchkey);
    nothing_is_decided_any_more(&latchkey, &operator, &value).await;
    let revocation = RevokeKeyRequest { id: revoked.id.clone(), reason: String::new() };
    assert!(
        operator.keys().revoke_key(revocation).await.is_err(),
        "it would be written to a file without a name"
    );
    assert!(operator.try_key(key("acme", "live")).await.is_err());
    latchkey.wait_for_log("was replaced");
    let log = latchkey.log();
    let told = log.lines().filter(|line| line.contains("\"ERROR\"") && line.contains("was replaced")).count();
    assert_eq!(told, 1, "{log}");
    // The new file is complete, and is used after a restart.
    latchkey.signal(Signal::TERM);
    let _ = latchkey.wait();
    latchkey.restart();
    let operator = latchkey.operator();
    assert_eq!(admits(&operator, &value).await, Ok(true));
    let _ = operator.revoke(&revoked.id).await;
    assert_eq!(admits(&operator, &value).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_removed_is_noticed_as_well() {
    let (latchkey, operator) = open().await;
    let (_, value) = operator.plain_key("acme", "live").await;
    assert_eq!(admits(&operator, &value).await, Ok(true));
    std::fs::remove_file(file(&latchkey)).expect("a file can be removed");
    nothing_is_decided_any_more(&latchkey, &operator, &value).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_removed_is_noticed_and_what_was_written_before_is_saved() {
    let (latchkey, operator) = open().await;
    let (revoked, value) = operator.plain_key("acme", "live").await;
    let _ = operator.revoke(&revoked.id).await;
    let (other, kept) = operator.plain_key("acme", "live").await;
    for suffix in ["-wal", "-shm"] {
        let path = format!("{}{suffix}", file(&latchkey).display());
        std::fs::remove_file(path).expect("the file is there");
    }
    let revocation = RevokeKeyRequest { id: other.id, reason: String::new() };
    assert!(operator.keys().revoke_key(revocation).await.is_err(), "the write would be lost");
    nothing_is_decided_any_more(&latchkey, &operator, &kept).await;
    latchkey.signal(Signal::TERM);
    let _ = latchkey.wait();
    latchkey.restart();
    let operator = latchkey.operator();
    assert_eq!(admits(&operator, &value).await, Ok(false), "the key stays revoked");
    assert_eq!(admits(&operator, &kept).await, Ok(true));
}

/// A volume that is not mounted must not look like a first start.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_beside_its_master_key_is_refused() {
    let (latchkey, operator) = open().await;
    let (_, value) = operator.plain_key("acme", "live").await;
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success());
    let (path, kept) = (file(&latchkey), latchkey.folder().path().join("kept.db"));
    std::fs::rename(&path, &kept).expect("a file can be renamed");
    for what in ["absent", "empty", "without a table"] {
        let _ = std::fs::remove_file(&path);
        if what == "empty" {
            std::fs::write(&path, b"").expect("a file can be written");
        } else if what == "without a table" {
            let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM')";
            let made = std::process::Command::new("python3").args(["-c", script]).arg(&path).status();
            assert!(
                made.expect("python3 starts").success() && path.metadata().is_ok_and(|file| file.len() > 0)
            );
        }
        let before = latchkey.log().len();
        assert!(!latchkey.relaunch().success(), "{what}");
        assert_refused(what, &latchkey.log()[before..], "a database was here");
        let output = beside(&latchkey, &["migrate", "up"]);
        assert!(!output.status.success(), "{what}");
        assert_refused(what, &String::from_utf8_lossy(&output.stderr), "a database was here");
    }
    std::fs::rename(&kept, &path).expect("a file can be renamed");
    latchkey.restart();
    assert_eq!(admits(&latchkey.operator(), &value).await, Ok(true));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_the_database_are_open_to_their_owner_alone() {
    let (latchkey, operator) = open().await;
    let _ = operator.plain_key("acme", "live").await;
    let names =
        ["latchkey.db", "latchkey.db-wal", "latchkey.db-shm", "latchkey.db-mark", "latchkey.db.master-key"];
    let modes = || names.map(|name| mode(&latchkey.folder().path().join(name)));
    assert_eq!(modes(), [0o600; 5], "{names:?}");
    // Files of an earlier release.
    latchkey.kill();
    let wide = std::fs::Permissions::from_mode(0o644);
    for name in &names[..3] {
        std::fs::set_permissions(latchkey.folder().path().join(name), wide.clone())
            .expect("a mode can be set");
    }
    latchkey.restart();
    let narrowed = eventually("its files are narrowed", || (modes() == [0o600; 5]).then(modes));
    assert_eq!(narrowed, [0o600; 5]);
}

/// Overwrites the first page of a table with bytes that are no page.
fn damage(latchkey: &Latchkey, table: &str) {
    let root = latchkey.sql(&format!("SELECT rootpage FROM sqlite_master WHERE name = '{table}'"));
    let size: u64 = latchkey.sql("PRAGMA page_size").parse().expect("a size");
    let root: u64 = root.parse().expect("a number");
    let opened = std::fs::OpenOptions::new().write(true).open(file(latchkey)).expect("a file");
    let bytes: Vec<u8> = (0..1_500_u32).map(|at| at.to_le_bytes()[0] ^ 0xa5).collect();
    std::os::unix::fs::FileExt::write_all_at(&opened, &bytes, (root - 1) * size)
        .expect("a page can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_pages_are_found_by_the_doctor_and_at_a_start() {
    for table in ["keys", "tenants", "audit_events"] {
        let (latchkey, operator) = open().await;
        let _ = operator.plain_key("acme", "live").await;
        latchkey.signal(Signal::TERM);
        assert!(latchkey.wait().success());
        damage(&latchkey, table);
        let output = beside(&latchkey, &["doctor"]);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains("its file is damaged"), "{table}: {text}");
        assert_eq!(output.status.code(), Some(1), "{table}: {text}");
        if table == "audit_events" {
            // A start and a Check do not read it.
            continue;
        }
        latchkey.relaunch_unready();
        eventually("the start names the damage", || {
            let page = latchkey.page("/readyz");
            (page.status == 503 && page.body.contains("malformed")).then_some(())
        });
    }
}
