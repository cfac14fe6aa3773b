//! A real Redis on a free port, without persistence. It uses plain text, or TLS with a certificate that is
//! created for it. `cluster.rs` starts a cluster of three.

mod certificate;
mod clock;
mod cluster;
mod sentinels;

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Folder, Process, Signal, eventually, free_port, tools};

pub use cluster::RedisCluster;
pub use sentinels::{RedisSentinel, RedisSentinels};

/// Transport and further options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RedisMode {
    Plain,
    Tls,
    /// Node of a cluster, with the port over which the nodes communicate.
    Node(u16),
}

/// A Redis server without a password, on loopback.
#[derive(Debug)]
pub struct Redis {
    server: Mutex<Process>,
    folder: Folder,
    port: u16,
    mode: RedisMode,
    options: Vec<String>,
}

impl Redis {
    /// Starts a server.
    #[must_use]
    pub fn start() -> Self {
        Self::with_mode(RedisMode::Plain)
    }

    /// Starts a server with further options of redis-server's command line.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        Self::launched(RedisMode::Plain, options)
    }

    /// Starts a server that accepts only TLS, with a certificate for 127.0.0.1 by its own CA.
    #[must_use]
    pub fn tls() -> Self {
        Self::with_mode(RedisMode::Tls)
    }

    /// Starts a server that accepts only TLS, with further options.
    #[must_use]
    pub fn tls_with(options: &[&str]) -> Self {
        Self::launched(RedisMode::Tls, options)
    }

    fn with_mode(mode: RedisMode) -> Self {
        Self::launched(mode, &[])
    }

    fn launched(mode: RedisMode, options: &[&str]) -> Self {
        let (folder, port) = (Folder::new("redis"), free_port());
        if mode == RedisMode::Tls {
            certificate::make(&folder);
        }
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        clock::set(&folder, 0);
        let server = Mutex::new(launch(&folder, port, mode, &options));
        let redis = Self { server, folder, port, mode, options };
        redis.wait();
        redis
    }

    /// Returns the path of the PEM file with the CA of the server's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join(certificate::CA)
    }

    /// Returns the URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.mode == RedisMode::Tls { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Returns the port of the server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets the server's wall clock ahead of the machine's by these seconds; a negative number sets it back.
    pub fn set_clock(&self, ahead: i64) {
        clock::set(&self.folder, ahead);
    }

    /// Runs a command, and returns the output of redis-cli.
    pub fn cli(&self, words: &[&str]) -> String {
        let (port, ca) = (self.port.to_string(), self.ca().display().to_string());
        let tls: &[&str] = if self.mode == RedisMode::Tls { &["--tls", "--cacert", &ca] } else { &[] };
        cli(&[tls, &["-p", &port]].concat(), words)
    }

    /// Returns the number of commands of this name that the server has run.
    #[must_use]
    pub fn calls(&self, command: &str) -> u64 {
        let stats = self.cli(&["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    }

    /// Suspends the server (SIGSTOP): connections stay open, and no command is answered.
    pub fn freeze(&self) {
        self.server().signal(Signal::STOP);
    }

    /// Resumes a suspended server.
    pub fn thaw(&self) {
        self.server().signal(Signal::CONT);
    }

    /// Kills the server.
    pub fn kill(&self) {
        self.server().end(Signal::KILL);
    }

    /// Starts the server again after `kill`, empty, on the same port.
    pub fn restart(&self) {
        *self.server() = launch(&self.folder, self.port, self.mode, &self.options);
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

/// Runs redis-cli with these options, and returns its output.
fn cli(options: &[&str], words: &[&str]) -> String {
    let output = Command::new(tools::tool("redis-cli")).args(options).args(words).output();
    let output = output.expect("redis-cli starts");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn launch(folder: &Folder, port: u16, mode: RedisMode, options: &[String]) -> Process {
    let mut command = Command::new(tools::tool("redis-server"));
    clock::follow(&mut command, folder);
    let port = port.to_string();
    command.current_dir(folder.path()).args(["--bind", "127.0.0.1"]);
    match mode {
        RedisMode::Plain => command.args(["--port", &port]),
        RedisMode::Tls => {
            let [ca, certificate, key] = [certificate::CA, certificate::CERTIFICATE, certificate::KEY];
            command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
            command.args(["--tls-ca-cert-file", ca, "--tls-cert-file", certificate, "--tls-key-file", key])
        }
        RedisMode::Node(bus) => {
            command.args(["--port", &port, "--cluster-port", &bus.to_string()]);
            command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "15000"]);
            command.args(["--cluster-require-full-coverage", "no"])
        }
    };
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]).args(options);
    Process::start(&mut command, folder, "redis")
}
