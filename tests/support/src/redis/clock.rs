//! Wall clock of a Redis server, which a test can set.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::Folder;

/// File with the difference from the machine's clock.
const CLOCK: &str = "clock";

/// Preloaded library, compiled once for each test process.
static LIBRARY: LazyLock<(Folder, PathBuf)> = LazyLock::new(|| {
    let folder = Folder::new("clock");
    let (source, library) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
    fs::write(&source, include_str!("clock.c")).expect("the library's source is written");
    let output =
        Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output();
    let output = output.expect("cc starts");
    assert!(output.status.success(), "{output:?}");
    (folder, library)
});

/// Sets the clock ahead of the machine's by these seconds; a negative number sets it back.
pub(super) fn set(folder: &Folder, ahead: i64) {
    let micros = (ahead * 1_000_000).to_ne_bytes();
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(false).open(folder.path().join(CLOCK));
    let file = file.as_mut().expect("the clock's file opens");
    std::io::Write::write_all(file, &micros).expect("the clock's file is written");
}

/// Makes a server read the clock of its folder.
pub(super) fn follow(command: &mut Command, folder: &Folder) {
    command.env("LD_PRELOAD", &LIBRARY.1).env("LATCHKEY_TEST_CLOCK", folder.path().join(CLOCK));
}
