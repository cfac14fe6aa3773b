//! Authentication and TLS of a test server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::Postgres;
use super::programs::give;
use crate::{Pair, eventually};

impl Postgres {
    /// Puts rules before those that admit the user `postgres`, and requires a password from all other users.
    pub fn set_access(&self, rules: &str) {
        let rest = "local all all trust\nhost all postgres 127.0.0.1/32 trust\n\
                    host replication postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(self.data.join("pg_hba.conf"), format!("{rules}\n{rest}"))
            .expect("pg_hba.conf is written");
        self.reload();
    }

    /// Creates a role that may log in with a password; `options` are those of CREATE ROLE.
    pub fn create_role(&self, name: &str, options: &str) {
        let sql = format!("CREATE ROLE {name} LOGIN PASSWORD 'secret' {options}");
        self.sql(&self.url("postgres"), &sql);
    }

    /// Offers TLS with a certificate; clients are asked for one of this CA's, if there is one.
    pub fn serve_tls(&self, pair: &Pair, client_ca: Option<&str>) {
        self.place("server.crt", &pair.cert);
        self.place("server.key", &pair.key);
        let url = self.url("postgres");
        if let Some(ca) = client_ca {
            let path = self.place("client-ca.crt", ca);
            self.sql(&url, &format!("ALTER SYSTEM SET ssl_ca_file = '{}'", path.display()));
        }
        self.sql(&url, "ALTER SYSTEM SET ssl = on");
        self.reload();
        eventually("TLS is offered", || (self.sql(&url, "SHOW ssl") == "on").then_some(()));
    }

    fn reload(&self) {
        let loaded = "SELECT pg_conf_load_time()";
        // Over its socket, where every rule admits it.
        let url = self.by_socket("postgres");
        let before = self.sql(&url, loaded);
        self.sql(&url, "SELECT pg_reload_conf()");
        eventually("the configuration is read", || (self.sql(&url, loaded) != before).then_some(()));
    }

    /// Writes a file that only the server can read into its folder.
    fn place(&self, name: &str, content: &str) -> PathBuf {
        let path = self.data.join(name);
        std::fs::write(&path, content).expect("a file is written");
        give(&path, self.user);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode is set");
        path
    }
}
