//! The operators' first key if no key is configured: it is written to a file that only its owner can read, and to
//! no JSON log. A log of text that is not a terminal has it with a warning.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use latchkey_proto::v1::ListTenantsRequest;
use latchkey_testing::{Folder, Latchkey, Setup, eventually};

/// Returns the key in a file that only its owner can read.
fn key_in(path: &Path) -> String {
    let mode = std::fs::metadata(path).expect("the file exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::read_to_string(path).expect("the file is read").trim_end().to_owned()
}

/// Returns true if a key may list tenants, as operators' keys may.
async fn lists_tenants(latchkey: &Latchkey, key: &str) -> bool {
    let mut tenants = latchkey.caller(key).tenants();
    tenants.list_tenants(ListTenantsRequest::default()).await.is_ok()
}

/// Asserts that the key is an operator's and that it is nowhere in the log.
async fn is_the_key(latchkey: &Latchkey, key: &str) {
    assert!(lists_tenants(latchkey, key).await, "it is an operator's");
    latchkey.wait_for_log("first key");
    let log = latchkey.log();
    assert!(!log.contains(key), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')), "every line is JSON: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_json_never_has_the_first_key() {
    let latchkey = Setup::default().environment("LATCHKEY_ROOT_KEY", "").start();
    let path = latchkey.folder().path().join("latchkey.db.root-key");
    let key = key_in(&path);
    assert!(key.starts_with("lk_op_"), "{key}");
    is_the_key(&latchkey, &key).await;
    std::fs::remove_file(&path).expect("its owner takes it away");
    latchkey.kill();
    latchkey.restart();
    assert!(!path.exists(), "the database has operators");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_is_written_to_the_file_that_is_named() {
    let folder = Folder::new("first-key");
    let path = folder.path().join("first");
    let setup = Setup::default().environment("LATCHKEY_ROOT_KEY", "");
    let latchkey = setup.environment("LATCHKEY_ROOT_KEY_FILE", &path.display().to_string()).start();
    let key = key_in(&path);
    is_the_key(&latchkey, &key).await;
    latchkey.kill();
    latchkey.restart();
    assert_eq!(key_in(&path), key, "from now on it is the key that is given");
    assert!(lists_tenants(&latchkey, &key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_text_in_a_file_has_the_first_key_with_a_warning() {
    let setup = Setup::default().environment("LATCHKEY_ROOT_KEY", "");
    let latchkey = setup.environment("LATCHKEY_LOG_FORMAT", "text").start();
    latchkey.wait_for_log("is not a terminal");
    let key = eventually("the key has a line of its own", || {
        latchkey.log().lines().find(|line| line.starts_with("lk_op_")).map(str::to_owned)
    });
    assert!(lists_tenants(&latchkey, &key).await, "it is an operator's");
    let log = latchkey.log();
    let warning = log.lines().find(|line| line.contains("is not a terminal")).expect("a warning");
    assert!(
        warning.contains("WARN") && warning.contains("root_key_file") && !warning.contains(&*key),
        "{warning}"
    );
}

#[test]
fn a_file_that_can_not_be_written_ends_the_start() {
    let setup = Setup::default().environment("LATCHKEY_ROOT_KEY", "");
    let latchkey = setup.environment("LATCHKEY_ROOT_KEY_FILE", "/nowhere/first").launch();
    assert!(!latchkey.wait().success());
    let log = latchkey.log();
    assert!(log.contains("root_key_file: ") && log.contains("written to /nowhere/first: "), "{log}");
    assert!(!log.contains("conflicts"), "the database has nothing to do with it: {log}");
}
