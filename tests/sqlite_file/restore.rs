//! A database's file, its log and the mark of its newest commit: what does not belong together is refused with what to do,
//! and a restore by these steps works.

use super::*;

/// Files beside the database that a restore removes.
const LEFT: [&str; 3] = ["-wal", "-shm", "-mark"];

/// Returns the path of a file beside the database of a server.
fn of(latchkey: &Latchkey, suffix: &str) -> PathBuf {
    latchkey.folder().path().join(format!("latchkey.db{suffix}"))
}

/// Removes files beside the database of a server, if they exist.
fn remove(latchkey: &Latchkey, suffixes: &[&str]) {
    for suffix in suffixes {
        let _ = std::fs::remove_file(of(latchkey, suffix));
    }
}

/// Starts a server again after an orderly stop, so that its log is restarted.
fn restart_orderly(latchkey: &Latchkey) -> Caller {
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success());
    latchkey.restart();
    latchkey.operator()
}

/// Asserts that a start is refused in one line.
#[track_caller]
fn assert_start_refused(latchkey: &Latchkey, words: &str) {
    let before = latchkey.log().len();
    assert!(!latchkey.relaunch().success(), "{words}");
    assert_refused("serve", &latchkey.log()[before..], words);
    for command in [&["migrate", "status"][..], &["migrate", "up"]] {
        let output = beside(latchkey, command);
        assert!(!output.status.success(), "{command:?}");
        assert_refused(&format!("{command:?}"), &String::from_utf8_lossy(&output.stderr), words);
    }
}

/// Returns a server whose key was revoked after a backup, in a log that began after the backup. The server was killed.
async fn killed_after_a_revocation() -> (Latchkey, String, PathBuf) {
    let (latchkey, operator) = open().await;
    let (revoked, value) = operator.plain_key("acme", "live").await;
    let copy = latchkey.folder().path().join("copy.db");
    latchkey.backup(&copy);
    let _ = operator.plain_key("acme", "live").await;
    let operator = restart_orderly(&latchkey);
    let _ = operator.revoke(&revoked.id).await;
    assert_eq!(admits(&operator, &value).await, Ok(false));
    latchkey.kill();
    (latchkey, value, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_a_log_that_was_left_is_refused_and_works_without_it() {
    let (latchkey, value, copy) = killed_after_a_revocation().await;
    std::fs::copy(&copy, file(&latchkey)).expect("a file can be copied");
    assert_start_refused(&latchkey, "do not belong together");
    remove(&latchkey, &["-wal", "-shm"]);
    assert_start_refused(&latchkey, "lacks the newest commits");
    remove(&latchkey, &LEFT);
    latchkey.restart();
    let operator = latchkey.operator();
    assert_eq!(admits(&operator, &value).await, Ok(true), "the backup is older than the revocation");
    latchkey.wait_for_log("the database is a copy");
    // From here on, it is a database as any other.
    let (fresh, kept) = operator.plain_key("acme", "live").await;
    let _ = operator.revoke(&fresh.id).await;
    latchkey.kill();
    latchkey.restart();
    assert_eq!(admits(&latchkey.operator(), &kept).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_removed_after_a_crash_is_missed_and_can_be_put_back() {
    let (latchkey, value, _) = killed_after_a_revocation().await;
    let aside = latchkey.folder().path().join("aside");
    std::fs::rename(of(&latchkey, "-wal"), &aside).expect("a file can be renamed");
    remove(&latchkey, &["-shm"]);
    assert_start_refused(&latchkey, "lacks the newest commits");
    std::fs::rename(&aside, of(&latchkey, "-wal")).expect("a file can be renamed");
    latchkey.restart();
    assert_eq!(admits(&latchkey.operator(), &value).await, Ok(false), "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_after_an_orderly_stop_is_refused_beside_the_mark() {
    let (latchkey, value, copy) = killed_after_a_revocation().await;
    latchkey.restart();
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success());
    let newest = latchkey.folder().path().join("newest.db");
    std::fs::rename(file(&latchkey), &newest).expect("a file can be renamed");
    std::fs::copy(&copy, file(&latchkey)).expect("a file can be copied");
    assert_start_refused(&latchkey, "lacks the newest commits");
    std::fs::rename(&newest, file(&latchkey)).expect("a file can be renamed");
    latchkey.restart();
    assert_eq!(admits(&latchkey.operator(), &value).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_newest_state_needs_no_step() {
    let (latchkey, operator) = open().await;
    let (revoked, value) = operator.plain_key("acme", "live").await;
    let _ = operator.revoke(&revoked.id).await;
    let copy = latchkey.folder().path().join("copy.db");
    latchkey.backup(&copy);
    latchkey.kill();
    std::fs::rename(&copy, file(&latchkey)).expect("a file can be renamed");
    remove(&latchkey, &["-wal", "-shm"]);
    latchkey.restart();
    assert_eq!(admits(&latchkey.operator(), &value).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_that_is_copied_over_a_running_one_is_noticed() {
    let (latchkey, operator) = open().await;
    let (_, value) = operator.plain_key("acme", "live").await;
    let (other, mut others) = open().await;
    for _ in 0..5 {
        let _ = others.plain_key("acme", "live").await;
        others = restart_orderly(&other);
    }
    other.signal(Signal::TERM);
    assert!(other.wait().success());
    let operator = restart_orderly(&latchkey);
    let _ = operator.plain_key("acme", "live").await;
    std::fs::copy(file(&other), file(&latchkey)).expect("a file can be copied");
    assert!(operator.try_key(key("acme", "live")).await.is_err(), "it would be written to a mixed file");
    tokio::task::block_in_place(|| {
        eventually("it is not ready since its file was overwritten", || {
            let page = latchkey.page("/readyz");
            (page.status == 503 && page.body.contains("was overwritten")).then_some(())
        });
    });
    let outage = async || (admits(&operator, &value).await == Err(Code::Unavailable)).then_some(());
    eventually_async("Checks are refused", outage).await;
}

#[test]
fn a_mode_that_creates_no_file_is_kept() {
    let folder = latchkey_testing::Folder::new("mode");
    let path = folder.path().join("latchkey.db");
    for mode in ["rw", "ro"] {
        let latchkey =
            Setup::default().database(&format!("sqlite://{}?mode={mode}", path.display())).launch();
        assert!(!latchkey.wait().success(), "{mode}");
        assert_refused(mode, &latchkey.log(), "the mode in database_url creates none");
        assert!(!path.exists(), "{mode}");
    }
}
