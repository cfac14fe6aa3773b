//! Ends the processes that the tests started, however the test process itself ends: by a panic, an abort, or
//! SIGKILL.
//!
//! Statics are never dropped, and a killed process cannot clean up. Therefore a small shell holds the other
//! end of a pipe, receives the names of all processes and folders, and cleans up when the pipe closes.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
pids=' '
dirs=
while read -r word what; do
    case $word in
        pid) pids="$pids$what " ;;
        gone) pids=$(printf '%s' "$pids" | sed "s/ $what / /") ;;
        dir) dirs="$dirs$what
" ;;
    esac
done
for pid in $pids; do kill -CONT "$pid"; kill -QUIT "$pid"; done 2>/dev/null
for turn in 1 2 3 4 5 6 7 8 9 10; do
    left=
    for pid in $pids; do kill -0 "$pid" 2>/dev/null && left=1; done
    [ -z "$left" ] && break
    sleep 0.1
done
for pid in $pids; do kill -KILL "$pid"; done 2>/dev/null
printf '%s' "$dirs" | while read -r dir; do umount -l "$dir" 2>/dev/null; rm -rf "$dir"; done
"#;

static REAPER: LazyLock<Mutex<Child>> = LazyLock::new(|| {
    let child = Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("/bin/sh starts");
    Mutex::new(child)
});

fn register(line: &str) {
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = reaper.stdin.as_mut().expect("the reaper's pipe is open");
    writeln!(pipe, "{line}").expect("the reaper listens");
}

/// Registers a process that must not outlive this one.
pub(crate) fn process(pid: u32) {
    register(&format!("pid {pid}"));
}

/// Removes a process that has ended, since its identifier may be reused.
pub(crate) fn ended(pid: u32) {
    register(&format!("gone {pid}"));
}

/// Registers a folder that must not outlive this process.
pub(crate) fn folder(path: &Path) {
    register(&format!("dir {}", path.display()));
}
