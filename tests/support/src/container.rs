//! The built program as a container runtime starts it: in a mount namespace with a read-only root that has the image's
//! files and the mounts of a manifest alone, as an unprivileged user.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Folder, program};

/// User and group of the image (`nonroot` of distroless).
const USER: u32 = 65_532;

/// Arguments: the root, the program, the working directory, and pairs of a source and a target up to `--`; then the words of the command.
const SCRIPT: &str = r#"
set -eu
root=$1 program=$2 workdir=$3
shift 3
mkdir -p "$root/usr/lib" "$root/usr/lib64" "$root/usr/local/bin" "$root/etc" "$root/proc" "$root/dev" "$root/tmp"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
mount --bind "$root" "$root"
mount --bind /usr/lib "$root/usr/lib"
[ ! -d /usr/lib64 ] || mount --bind /usr/lib64 "$root/usr/lib64"
mount --rbind /proc "$root/proc"
: > "$root/usr/local/bin/latchkey"
mount --bind "$program" "$root/usr/local/bin/latchkey"
cp /etc/hosts /etc/nsswitch.conf "$root/etc/" 2>/dev/null || true
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$root$(dirname "$2")"; : > "$root$2"; fi
    mount --bind "$1" "$root$2"
    shift 2
done
shift
mount -o remount,bind,ro "$root"
export HOME="$workdir"
exec python3 -c '
import os, sys
root, folder, *words = sys.argv[1:]
os.chroot(root)
os.chdir(folder)
os.setgroups([])
os.setresgid(65532, 65532, 65532)
os.setresuid(65532, 65532, 65532)
os.execv(words[0], words)
' "$root" "$workdir" "$@"
"#;

/// Container of the image, not started.
#[derive(Debug)]
pub struct Container {
    folder: Folder,
    workdir: String,
    mounts: Vec<(PathBuf, String)>,
    environment: Vec<(String, String)>,
    runs: std::cell::Cell<u32>,
}

impl Default for Container {
    fn default() -> Self {
        Self::new()
    }
}

impl Container {
    /// Creates a container without mounts and environment.
    #[must_use]
    pub fn new() -> Self {
        let folder = Folder::new("container");
        let (workdir, mounts, environment) = ("/".to_owned(), Vec::new(), Vec::new());
        Self { folder, workdir, mounts, environment, runs: std::cell::Cell::new(0) }
    }

    /// Adds a volume of files at a path, readable by the image's group alone, as a `Secret` or a `ConfigMap` is mounted.
    #[must_use]
    pub fn volume(self, path: &str, files: &[(String, String)]) -> Self {
        let source = self.folder.path().join(format!("volume-{}", self.mounts.len()));
        std::fs::create_dir(&source).expect("a folder can be made");
        for (name, text) in files {
            let file = source.join(name);
            std::fs::write(&file, text).expect("a file can be written");
            give(&file);
        }
        self.mount(&source, path)
    }

    /// Adds a mount of a file or folder of this machine.
    #[must_use]
    pub fn mount(mut self, source: &Path, path: &str) -> Self {
        self.mounts.push((source.to_owned(), path.to_owned()));
        self
    }

    /// Adds a folder at a path that the container's user may write to.
    #[must_use]
    pub fn writable(self, path: &str) -> Self {
        let source = self.folder.path().join(format!("writable-{}", self.mounts.len()));
        std::fs::create_dir(&source).expect("a folder can be made");
        if is_root() {
            std::os::unix::fs::chown(&source, Some(USER), Some(USER)).expect("root may give a folder away");
        }
        self.mount(&source, path)
    }

    /// Sets the working directory.
    #[must_use]
    pub fn workdir(mut self, path: &str) -> Self {
        path.clone_into(&mut self.workdir);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the command that runs a program in the container: its path there, and its arguments.
    #[must_use]
    pub fn command<S: AsRef<str>>(&self, words: &[S]) -> Command {
        self.runs.set(self.runs.get() + 1);
        let root = self.folder.path().join(format!("root-{}", self.runs.get()));
        let mut command = unshare(&[]);
        command.args(["sh", "-c", SCRIPT, "container"]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.arg(root).arg(program()).arg(&self.workdir);
        for (source, path) in &self.mounts {
            command.arg(source).arg(path);
        }
        command.arg("--").args(words.iter().map(AsRef::as_ref));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Folder for logs of its processes.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

/// Returns a command that runs further words as root of a mount namespace, and of the other namespaces that are named.
/// If the tests do not run as root, it runs in a user namespace with the user IDs of /etc/subuid.
#[must_use]
pub fn unshare(namespaces: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount").args(namespaces);
    if !is_root() {
        command.args(["--map-auto", "--map-root-user"]);
    }
    command
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Lets only the image's group read a file. If the tests do not run as root, that is not possible, and every user may
/// read it.
fn give(file: &Path) {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    let mode = if is_root() { 0o440 } else { 0o444 };
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("a mode can be set");
    if is_root() {
        chown(file, Some(0), Some(USER)).expect("root may give a file away");
    }
}
