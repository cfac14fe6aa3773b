//! Start of the program's process.

use std::path::PathBuf;
use std::process::Command;

use crate::{Folder, Process};

/// The machine that a process runs on, as far as it can tell by its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Here,
    /// In a network namespace of its own, from which only Unix sockets can be reached.
    Elsewhere,
}

/// Program of a Latchkey, and the machine that it seems to run on.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) place: Place,
}

impl Start {
    /// Starts the program in a folder, with these variables and none of the test's own.
    pub(crate) fn run(&self, folder: &Folder, environment: &[(String, String)]) -> Process {
        let mut command = match self.place {
            Place::Here => Command::new(&self.program),
            Place::Elsewhere => {
                let mut command = Command::new("unshare");
                command
                    .args(["-rn", "sh", "-c", r#"ip link set lo up && exec "$0" "$@""#])
                    .arg(&self.program);
                command
            }
        };
        command.args(["serve", "--migrate"]).current_dir(folder.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LATCHKEY_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Process::start(&mut command, folder, "latchkey")
    }
}

/// Returns the path of the program that was built with the same cargo profile as the running test.
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let program = folder.join("latchkey");
    assert!(program.is_file(), "{} is missing: run cargo build", program.display());
    program
}
