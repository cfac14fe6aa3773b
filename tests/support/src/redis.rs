//! A real Redis of one's own: on a free port, without persistence, stopped by its number.

use std::net::TcpStream;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Folder, Process, Signal, eventually, free_port, tools};

/// A Redis server without a password, on loopback.
#[derive(Debug)]
pub struct Redis {
    server: Mutex<Process>,
    folder: Folder,
    port: u16,
}

impl Redis {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        let (folder, port) = (Folder::new("redis"), free_port());
        let server = Mutex::new(launch(&folder, port));
        let redis = Self { server, folder, port };
        redis.wait();
        redis
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a command, and answers what redis-cli prints.
    pub fn cli(&self, words: &[&str]) -> String {
        let mut command = Command::new(tools::tool("redis-cli"));
        let output = command.args(["-p", &self.port.to_string()]).args(words).output();
        let output = output.expect("redis-cli starts");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// How many commands of this name it has run.
    #[must_use]
    pub fn calls(&self, command: &str) -> u64 {
        let stats = self.cli(&["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    }

    /// Stops it in the middle of what it does (SIGSTOP): connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.server().signal(Signal::STOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.server().signal(Signal::CONT);
    }

    /// Kills it.
    pub fn kill(&self) {
        self.server().end(Signal::KILL);
    }

    /// Starts it again after `kill`, empty, on the same port.
    pub fn restart(&self) {
        *self.server() = launch(&self.folder, self.port);
        self.wait();
    }

    fn wait(&self) {
        eventually("Redis answers", || {
            let mut server = self.server();
            assert!(server.ended().is_none(), "Redis ended:\n{}", server.log());
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    fn server(&self) -> MutexGuard<'_, Process> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn launch(folder: &Folder, port: u16) -> Process {
    let mut command = Command::new(tools::tool("redis-server"));
    command.current_dir(folder.path()).args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
    Process::start(&mut command, folder, "redis")
}
