//! A real PostgreSQL: one server per test process for everyone who wants a database, and private servers
//! for those who stop, kill or starve theirs.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, kill_process, test_kill_process};

use crate::{Disk, Folder, Process, Signal, eventually, free_port, replace_once, tools};

static SHARED: LazyLock<Postgres> = LazyLock::new(Postgres::start);

/// The user that the server runs as, where tests run as root; PostgreSQL refuses to be root.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

/// Part of a PostgreSQL that is on a disk of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// The tables, and all the rest but the write-ahead log.
    Data,
    /// The write-ahead log, in files of one MiB.
    Log,
}

/// A PostgreSQL server with the user `postgres`, without a password, on loopback.
#[derive(Debug)]
pub struct Postgres {
    server: Mutex<Process>,
    folder: Folder,
    data: PathBuf,
    user: Option<User>,
    port: u16,
    databases: AtomicU32,
}

impl Postgres {
    /// The server that everyone in this test process shares; started on first use. Never stop it.
    #[must_use]
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// Starts a server of one's own.
    #[must_use]
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts a PostgreSQL with a part on a disk that can be filled.
    #[must_use]
    pub fn on(disk: &Disk, part: Volume) -> Self {
        Self::with(Some((disk, part)))
    }

    fn with(disk: Option<(&Disk, Volume)>) -> Self {
        let folder = Folder::new("postgres");
        let user = user();
        for place in [Some(folder.path()), disk.map(|(disk, _)| disk.path())].into_iter().flatten() {
            if let Some(user) = user {
                chown(place, Some(user.uid), Some(user.gid)).expect("root can give a folder away");
            }
            let all = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(place, all).expect("a folder's mode can be set");
        }
        let (mut data, mut log) = (folder.path().join("data"), None);
        match disk {
            Some((disk, Volume::Data)) => {
                log = Some(folder.path().join("log"));
                data = disk.path().join("data");
            }
            Some((disk, Volume::Log)) => log = Some(disk.path().join("log")),
            None => {}
        }
        initialise(folder.path(), (&data, log.as_deref()), user);
        let port = free_port();
        let server = Mutex::new(launch((&folder, &data), user, port));
        let postgres = Self { server, folder, data, user, port, databases: AtomicU32::new(0) };
        postgres.wait();
        postgres
    }

    /// The URL of a fresh, empty database.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url("postgres"), &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database of this server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of the same database by way of another port, such as a proxy's.
    #[must_use]
    pub fn through(&self, port: u16, url: &str) -> String {
        replace_once(url, &format!(":{}/", self.port), &format!(":{port}/"))
    }

    /// Runs SQL in a database, and answers what psql prints, unaligned and without headings.
    pub fn sql(&self, url: &str, statements: &str) -> String {
        let output = psql(url, statements).output().expect("psql starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server().pid()
    }

    /// Output so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server().log()
    }

    /// Stops it in good order, dropping its connections.
    pub fn stop(&self) {
        self.server().end(Signal::INT);
    }

    /// Kills it and its backends, with no chance to tidy up.
    pub fn kill(&self) {
        let mut server = self.server();
        let backends = children(server.pid());
        server.end(Signal::KILL);
        for &backend in &backends {
            let _ = kill_process(backend, Signal::KILL);
        }
        // It can't start again while one of them holds its memory.
        eventually("the backends end", || {
            backends.iter().all(|&backend| test_kill_process(backend).is_err()).then_some(())
        });
    }

    /// Starts it again after `stop` or `kill`, on the same port and data.
    pub fn restart(&self) {
        *self.server() = launch((&self.folder, &self.data), self.user, self.port);
        self.wait();
    }

    /// Stops the postmaster and every backend in the middle of what they do (SIGSTOP).
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, signal: Signal) {
        let mut server = self.server();
        server.signal(signal);
        for child in children(server.pid()) {
            let _ = kill_process(child, signal);
        }
    }

    fn server(&self) -> MutexGuard<'_, Process> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        eventually("PostgreSQL answers", || {
            let mut server = self.server();
            assert!(server.ended().is_none(), "PostgreSQL ended:\n{}", server.log());
            let answer = psql(&self.url("postgres"), "SELECT 1").output().expect("psql starts");
            answer.status.success().then_some(())
        });
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.thaw();
        // SIGQUIT: at once, but not without giving its shared memory back.
        self.server().end(Signal::QUIT);
    }
}

pub(crate) fn psql(url: &str, statements: &str) -> Command {
    let mut command = Command::new(tools::postgres().join("psql"));
    command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statements, url]);
    command
}

fn user() -> Option<User> {
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

fn program(name: &str, folder: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(tools::postgres().join(name));
    command.current_dir(folder).env("LC_ALL", "C.UTF-8");
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

fn initialise(folder: &Path, (data, log): (&Path, Option<&Path>), user: Option<User>) {
    let mut command = program("initdb", folder, user);
    command.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D"]).arg(data);
    if let Some(log) = log {
        command.args(["--wal-segsize=1", "-X"]).arg(log);
    }
    let output = command.output().expect("initdb starts");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
}

fn launch((folder, data): (&Folder, &Path), user: Option<User>, port: u16) -> Process {
    let mut command = program("postgres", folder.path(), user);
    command.arg("-D").arg(data).arg("-k").arg(folder.path()).args(["-p", &port.to_string()]);
    for setting in ["listen_addresses=127.0.0.1", "max_connections=300", "shared_buffers=32MB"] {
        command.args(["-c", setting]);
    }
    Process::start(&mut command, folder, "postgres")
}

fn children(parent: u32) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = std::fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
