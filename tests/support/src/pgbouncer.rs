//! A real PgBouncer in front of a PostgreSQL.

use std::process::Command;

use crate::postgres::as_server_user;
use crate::{Folder, Postgres, Process, eventually, free_port, replace_once};

/// A PgBouncer whose clients share few connections to the server.
#[derive(Debug)]
pub struct PgBouncer {
    _process: Process,
    _folder: Folder,
    port: u16,
    server: u16,
}

impl PgBouncer {
    /// Starts a pooler in this pool mode: `session`, `transaction` or `statement`.
    #[must_use]
    pub fn start(postgres: &Postgres, mode: &str) -> Self {
        let (folder, port) = (Folder::new("pgbouncer"), free_port());
        let users = folder.write("users.txt", "\"postgres\" \"\"\n");
        let size = if mode == "session" { 80 } else { 4 };
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {users}\n\
             pool_mode = {mode}\ndefault_pool_size = {size}\nmax_client_conn = 500\nserver_round_robin = 1\n",
            server = postgres.port(),
            users = users.display(),
        );
        let settings = folder.write("pgbouncer.ini", &settings);
        let mut command = Command::new("pgbouncer");
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:/usr/sbin", path.to_string_lossy())).arg(settings);
        as_server_user(&mut command, folder.path());
        let mut process = Process::start(&mut command, &folder, "pgbouncer");
        eventually("PgBouncer answers", || {
            assert!(process.ended().is_none(), "PgBouncer ended:\n{}", process.log());
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { _process: process, _folder: folder, port, server: postgres.port() }
    }

    /// Returns the URL of the same database through the pooler.
    #[must_use]
    pub fn through(&self, url: &str) -> String {
        replace_once(url, &format!(":{}/", self.server), &format!(":{}/", self.port))
    }
}
