//! The program's commands on a database, and their output.

use std::process::{Command, Output};

use latchkey_testing::{Folder, program};

const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Runs a command of the program on a database.
pub(crate) fn run(words: &[&str], url: &str, more: &[(&str, &str)]) -> Output {
    let folder = Folder::new("program");
    let mut command = Command::new(program());
    command.env_clear().env("HOME", folder.path()).current_dir(folder.path()).args(words);
    command.env("LATCHKEY_DATABASE_URL", url).env("LATCHKEY_MASTER_KEY", MASTER_KEY);
    command.envs(more.iter().copied()).output().expect("the program starts")
}

/// Returns the output of a command.
pub(crate) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// Returns the output of `doctor` and `migrate status` about a database that can't be used: both must fail.
pub(crate) fn said(url: &str) -> [String; 2] {
    [&["doctor"][..], &["migrate", "status"]].map(|words| {
        let output = run(words, url, &[]);
        assert!(!output.status.success(), "{words:?} must fail: {}", printed(&output));
        printed(&output)
    })
}
