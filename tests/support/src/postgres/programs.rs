//! PostgreSQL's programs. They run as a separate user if the tests run as root, because PostgreSQL refuses to run as
//! root.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Pid;

use crate::{Folder, Process, tools};

/// The user that the server runs as if the tests run as root.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    uid: u32,
    gid: u32,
}

pub(super) fn user() -> Option<User> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
    let found = ["postgres", "nobody"].iter().find_map(|wanted| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    });
    Some(found.expect("there is a user postgres or nobody"))
}

/// Makes the server's user the owner of a folder.
pub(super) fn give(folder: &Path, user: Option<User>) {
    if let Some(user) = user {
        chown(folder, Some(user.uid), Some(user.gid)).expect("root can give a folder away");
    }
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, all).expect("a folder's mode can be set");
}

/// Makes a command run as the server's user, and lets that user read a folder.
pub(crate) fn as_server_user(command: &mut Command, folder: &Path) {
    let user = user();
    give(folder, user);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
}

pub(super) fn program(name: &str, folder: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(tools::postgres().join(name));
    command.current_dir(folder).env("LC_ALL", "C.UTF-8");
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

pub(super) fn initialise(folder: &Path, (data, log): (&Path, Option<&Path>), user: Option<User>) {
    let mut command = program("initdb", folder, user);
    command.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D"]).arg(data);
    if let Some(log) = log {
        command.args(["--wal-segsize=1", "-X"]).arg(log);
    }
    run(&mut command);
}

/// Runs a program until it ends; panics if it fails.
pub(super) fn run(command: &mut Command) {
    let output = command.output().expect("PostgreSQL's programs start");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(super) fn launch(
    (folder, data): (&Folder, &Path),
    environment: &[(&'static str, String)],
    (user, port): (Option<User>, u16),
) -> Process {
    let mut command = program("postgres", folder.path(), user);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.arg("-D").arg(data).arg("-k").arg(folder.path()).args(["-p", &port.to_string()]);
    for setting in ["listen_addresses=127.0.0.1", "max_connections=300", "shared_buffers=32MB"] {
        command.args(["-c", setting]);
    }
    Process::start(&mut command, folder, "postgres")
}

pub(super) fn children(parent: u32) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = std::fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
