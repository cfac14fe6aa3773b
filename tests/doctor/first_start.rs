//! Tests of the database's file before a first start: what a start would refuse is an error of `latchkey doctor`.

use std::os::unix::fs::symlink;
use std::process::Command;

use latchkey_testing::{Folder, Setup};

use crate::{doctor, has};

#[test]
fn a_path_that_a_start_would_refuse_is_an_error_with_the_words_of_the_start() {
    let folder = Folder::new("first-start");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let made = Command::new("mkfifo").arg(path("pipe")).status().expect("mkfifo starts");
    assert!(made.success());
    symlink("absent/latchkey.db", path("link")).expect("a link can be made");
    for (file, words) in [("pipe", "is a pipe"), ("link", "whose folder does not exist")] {
        let url = format!("sqlite://{}?mode=rwc", path(file));
        let (found, code) = doctor(&["--database-url", &url]);
        has(&found, "database", "error", words);
        assert_eq!(code, 1, "{found:?}");
        let refused = Setup::default().database(&url).launch();
        assert!(!refused.wait().success(), "{words}");
        assert!(refused.log().contains(words), "{}", refused.log());
    }
    let (found, code) = doctor(&["--database-url", "sqlite:///dev/null?mode=rwc"]);
    has(&found, "database", "error", "/dev/null is a device");
    assert_eq!(code, 1, "{found:?}");
}

#[test]
fn a_link_to_a_file_that_the_first_start_creates_is_no_error() {
    let folder = Folder::new("first-start");
    let link = folder.path().join("link.db");
    symlink("latchkey.db", &link).expect("a link can be made");
    let (found, code) = doctor(&["--database-url", &format!("sqlite://{}?mode=rwc", link.display())]);
    has(&found, "database", "warning", "the first start creates it");
    assert_eq!(code, 0, "{found:?}");
}
