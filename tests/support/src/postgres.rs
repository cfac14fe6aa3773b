//! A real PostgreSQL: one server for each test process, which its tests share, and separate servers for tests
//! that stop or kill theirs or limit its resources.

mod access;
mod locks;
mod programs;
mod standby;

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::process::{kill_process, test_kill_process};

pub use self::locks::TableLock;
pub(crate) use self::programs::as_server_user;
use self::programs::{User, children, give, initialise, launch, user};
use crate::process::wait_until_stopped;
use crate::{Clocks, Disk, Folder, Process, Signal, eventually, free_port, replace_once, tools};

static SHARED: LazyLock<Postgres> = LazyLock::new(Postgres::start);

/// Part of a PostgreSQL that is on a disk of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// All files except the write-ahead log.
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
    environment: Vec<(&'static str, String)>,
    port: u16,
    databases: AtomicU32,
}

impl Postgres {
    /// Returns the server that all tests of this process share, which is started on first use. It must not be
    /// stopped.
    #[must_use]
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// Starts a separate server.
    #[must_use]
    pub fn start() -> Self {
        Self::with(None, Vec::new())
    }

    /// Starts a PostgreSQL with a part on a disk that can be filled.
    #[must_use]
    pub fn on(disk: &Disk, part: Volume) -> Self {
        Self::with(Some((disk, part)), Vec::new())
    }

    /// Starts a PostgreSQL that reads these clocks.
    #[must_use]
    pub fn by_clocks(clocks: &Clocks) -> Self {
        Self::with(None, clocks.environment().to_vec())
    }

    fn with(disk: Option<(&Disk, Volume)>, environment: Vec<(&'static str, String)>) -> Self {
        let folder = Folder::new("postgres");
        let user = user();
        for place in [Some(folder.path()), disk.map(|(disk, _)| disk.path())].into_iter().flatten() {
            give(place, user);
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
        Self::run(folder, data, environment)
    }

    /// Starts a server on existing data.
    fn run(folder: Folder, data: PathBuf, environment: Vec<(&'static str, String)>) -> Self {
        let (port, user) = (free_port(), user());
        let server = Mutex::new(launch((&folder, &data), &environment, (user, port)));
        let postgres = Self { server, folder, data, user, environment, port, databases: AtomicU32::new(0) };
        postgres.wait();
        postgres
    }

    /// Creates an empty database and returns its URL.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url("postgres"), &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Returns the URL of a database of this server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the URL of a database of this server over its Unix socket.
    #[must_use]
    pub fn by_socket(&self, database: &str) -> String {
        format!(
            "postgres://postgres@localhost:{}/{database}?host={}",
            self.port,
            self.folder.path().display()
        )
    }

    /// Returns the URL of the same database over another port, such as a proxy's.
    #[must_use]
    pub fn through(&self, port: u16, url: &str) -> String {
        replace_once(url, &format!(":{}/", self.port), &format!(":{port}/"))
    }

    /// Runs SQL in a database, and returns the output of psql, unaligned and without headings.
    pub fn sql(&self, url: &str, statements: &str) -> String {
        let output = psql(url, statements).output().expect("psql starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Returns the port of the server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process identifier of the postmaster.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server().pid()
    }

    /// Returns the output so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server().log()
    }

    /// Shuts the server down in good order (fast shutdown), which closes its connections.
    pub fn stop(&self) {
        self.server().end(Signal::INT);
    }

    /// Stops the server at once (`pg_ctl stop -m immediate`), so that it must recover from its log.
    pub fn stop_immediately(&self) {
        self.server().end(Signal::QUIT);
    }

    /// Changes a setting for all new sessions, which reloads the configuration.
    pub fn set(&self, name: &str, value: &str) {
        let url = self.url("postgres");
        self.sql(&url, &format!("ALTER SYSTEM SET {name} = '{value}'"));
        self.sql(&url, "SELECT pg_reload_conf()");
        eventually(name, || (self.sql(&url, &format!("SHOW {name}")) == value).then_some(()));
    }

    /// Kills the postmaster and its backends by SIGKILL.
    pub fn kill(&self) {
        let mut server = self.server();
        let backends = children(server.pid());
        server.end(Signal::KILL);
        for &backend in &backends {
            let _ = kill_process(backend, Signal::KILL);
        }
        // The server can't start again while a backend holds its shared memory.
        eventually("the backends end", || {
            backends.iter().all(|&backend| test_kill_process(backend).is_err()).then_some(())
        });
    }

    /// Starts the server again after `stop` or `kill`, on the same port and data.
    pub fn restart(&self) {
        let server = launch((&self.folder, &self.data), &self.environment, (self.user, self.port));
        *self.server() = server;
        self.wait();
    }

    /// Suspends the postmaster and every backend (SIGSTOP).
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Resumes a suspended server.
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, signal: Signal) {
        let mut server = self.server();
        server.signal(signal);
        // A postmaster that is suspended starts no more.
        let backends = children(server.pid());
        for &backend in &backends {
            let _ = kill_process(backend, signal);
        }
        if signal == Signal::STOP {
            backends.into_iter().for_each(wait_until_stopped);
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
        // SIGQUIT ends it at once, and it still releases its shared memory.
        self.server().end(Signal::QUIT);
    }
}

pub(crate) fn psql(url: &str, statements: &str) -> Command {
    let mut command = Command::new(tools::postgres().join("psql"));
    command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statements, url]);
    // A statement that waits for a lock fails with an error that says so.
    command.env("PGOPTIONS", "-c lock_timeout=2min");
    command
}
