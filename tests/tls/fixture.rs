//! A Latchkey with TLS, its CA and the CA of its clients.

use std::path::{Path, PathBuf};

use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use latchkey_testing::{Ca, Folder, Latchkey, Pair, Setup, tool};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

pub(crate) struct Fixture {
    pub(crate) latchkey: Latchkey,
    pub(crate) ca: Ca,
    pub(crate) clients: Ca,
    pub(crate) folder: Folder,
}

impl Fixture {
    /// Starts the server. If `mutual` is set, it requests client certificates; `setup` adds settings.
    pub(crate) fn start(mutual: bool, setup: impl FnOnce(Setup, &Folder) -> Setup) -> Self {
        Self::among(Ca::new(), mutual, setup)
    }

    /// Starts the server with revocation lists of this client CA.
    pub(crate) fn listed(clients: Ca, lists: &[String]) -> Self {
        let lists = lists.concat();
        Self::among(clients, true, |setup, folder| {
            setup.environment(
                "LATCHKEY_TLS_CLIENT_CRL",
                &folder.write("lists.pem", &lists).display().to_string(),
            )
        })
    }

    /// Starts the server with a client CA.
    pub(crate) fn among(clients: Ca, mutual: bool, setup: impl FnOnce(Setup, &Folder) -> Setup) -> Self {
        let (folder, ca) = (Folder::new("certificates"), Ca::new());
        let pair = ca.issue(&["localhost", "127.0.0.1"]);
        let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
        let mut base = Setup::default()
            .shipped("demo")
            .environment("LATCHKEY_TLS_CERT", &path("cert.pem", &pair.cert))
            .environment("LATCHKEY_TLS_KEY", &path("key.pem", &pair.key));
        if mutual {
            base = base.environment("LATCHKEY_TLS_CLIENT_CA", &path("clients.pem", clients.pem()));
        }
        let _ = folder.write("ca.pem", ca.pem());
        Self { latchkey: setup(base, &folder).start(), ca, clients, folder }
    }

    pub(crate) fn mutual() -> Self {
        Self::start(true, |setup, _| setup)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a channel that trusts `ca` and presents `pair`.
    pub(crate) fn channel(port: u16, ca: &Ca, pair: Option<&Pair>) -> Channel {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca.pem()));
        let tls = match pair {
            Some(pair) => tls.identity(Identity::from_pem(&pair.cert, &pair.key)),
            None => tls,
        };
        let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).expect("an address");
        endpoint.tls_config(tls).expect("a usable certificate").connect_lazy()
    }

    pub(crate) fn tenants(&self, pair: Option<&Pair>) -> TenantServiceClient<Channel> {
        TenantServiceClient::new(Self::channel(self.latchkey.grpc(), &self.ca, pair))
    }

    /// Writes a client's pair to files, and returns grpcurl's arguments for it.
    pub(crate) fn shown(&self, name: &str, pair: &Pair) -> Vec<String> {
        let file = |kind: &str, text: &str| {
            self.folder.write(&format!("{name}.{kind}.pem"), text).display().to_string()
        };
        vec!["-cert".to_owned(), file("cert", &pair.cert), "-key".to_owned(), file("key", &pair.key)]
    }

    /// Runs grpcurl over TLS; returns whether it succeeded, and its output.
    pub(crate) fn grpcurl(&self, ca: &Path, words: &[String], call: &[&str]) -> (bool, String) {
        Self::grpcurl_at(self.latchkey.grpc(), ca, words, call)
    }

    /// Runs grpcurl against another port.
    pub(crate) fn grpcurl_at(port: u16, ca: &Path, words: &[String], call: &[&str]) -> (bool, String) {
        let mut command = std::process::Command::new(tool("grpcurl"));
        command.args(["-max-time", "120", "-cacert"]).arg(ca).args(words);
        let (options, rest) = call.split_at(call.len().saturating_sub(1));
        let address = format!("localhost:{port}");
        let output = command.args(options).arg(address).args(rest).output().expect("grpcurl starts");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}
