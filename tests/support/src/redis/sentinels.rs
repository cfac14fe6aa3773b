//! Real Redis Sentinels on loopback, and a primary with one replica that they watch.

use std::net::TcpStream;
use std::process::Command;

use super::Redis;
use crate::{Folder, Process, Signal, eventually, free_port, tools};

/// Name of the primary in Sentinel.
const NAME: &str = "latchkey-limits";

/// A Sentinel.
#[derive(Debug)]
pub struct RedisSentinel {
    server: Process,
    port: u16,
    _folder: Folder,
}

impl RedisSentinel {
    /// Starts a Sentinel that monitors the server on this port, and replaces it if this many Sentinels agree.
    #[must_use]
    pub fn watching(port: u16, quorum: u32) -> Self {
        let (folder, own) = (Folder::new("sentinel"), free_port());
        let file = folder.path().join("sentinel.conf");
        // A machine that is busy with other tests must not cause a failover.
        let lines = [
            format!("port {own}\nbind 127.0.0.1\ndir {}", folder.path().display()),
            format!("sentinel monitor {NAME} 127.0.0.1 {port} {quorum}"),
            format!("sentinel down-after-milliseconds {NAME} 5000"),
            format!("sentinel failover-timeout {NAME} 3000\n"),
        ];
        std::fs::write(&file, lines.join("\n")).expect("the configuration is written");
        let mut command = Command::new(tools::tool("redis-sentinel"));
        let server = Process::start(command.arg(&file), &folder, "sentinel");
        let mut sentinel = Self { server, port: own, _folder: folder };
        eventually("the Sentinel answers", || {
            let ended = sentinel.server.ended();
            assert!(ended.is_none(), "the Sentinel ended:\n{}", sentinel.server.log());
            TcpStream::connect(("127.0.0.1", own)).ok()
        });
        sentinel
    }

    /// Returns the port of the Sentinel.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Suspends the Sentinel (SIGSTOP): connections stay open, and no command is answered.
    pub fn freeze(&mut self) {
        self.server.signal(Signal::STOP);
    }

    /// Runs a command, and returns the output of redis-cli.
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> String {
        super::cli(&["-p", &self.port.to_string()], words)
    }
}

/// A primary, its replica, and three Sentinels.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: [Redis; 2],
    sentinels: Vec<RedisSentinel>,
}

impl RedisSentinels {
    /// Starts the servers, and waits until each Sentinel knows the replica and the other Sentinels.
    #[must_use]
    pub fn start() -> Self {
        let primary = Redis::start();
        let replica = Redis::with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
        eventually("the replica follows", || {
            replica.cli(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
        });
        let sentinels: Vec<_> = (0..3).map(|_| RedisSentinel::watching(primary.port(), 2)).collect();
        for sentinel in &sentinels {
            eventually("the Sentinels know each other", || {
                let seen = sentinel.cli(&["SENTINEL", "MASTER", NAME]);
                let lines: Vec<&str> = seen.lines().collect();
                let number = |name: &str| {
                    lines.iter().position(|line| *line == name).and_then(|at| lines.get(at + 1)).copied()
                };
                (number("num-slaves") == Some("1") && number("num-other-sentinels") == Some("2"))
                    .then_some(())
            });
        }
        Self { servers: [primary, replica], sentinels }
    }

    /// Returns the URL with all Sentinels and with these credentials, which end with `@`.
    #[must_use]
    pub fn url(&self, credentials: &str) -> String {
        Self::url_of(&self.sentinels, credentials)
    }

    /// Returns the URL with these Sentinels.
    #[must_use]
    pub fn url_of(sentinels: &[RedisSentinel], credentials: &str) -> String {
        let hosts: Vec<_> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://{credentials}{}/{NAME}", hosts.join(","))
    }

    /// Returns the servers; the first one was the primary at the start.
    #[must_use]
    pub fn servers(&self) -> &[Redis; 2] {
        &self.servers
    }

    /// Returns the Sentinels.
    pub fn sentinels(&mut self) -> &mut [RedisSentinel] {
        &mut self.sentinels
    }

    /// Waits until the server at this index is the primary according to every Sentinel and to itself.
    pub fn until_primary(&self, server: usize) {
        let server = &self.servers[server];
        let port = server.port().to_string();
        eventually("the Sentinels replace the primary", || {
            let named = |sentinel: &RedisSentinel| {
                sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).ends_with(&port)
            };
            (self.sentinels.iter().all(named) && role(server) == "master").then_some(())
        });
    }

    /// Waits until the server at this index is a replica.
    pub fn until_replica(&self, server: usize) {
        eventually("the server is a replica", || (role(&self.servers[server]) == "slave").then_some(()));
    }
}

fn role(server: &Redis) -> String {
    server.cli(&["ROLE"]).lines().next().unwrap_or_default().to_owned()
}
