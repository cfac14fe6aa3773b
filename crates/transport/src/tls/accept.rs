//! From a connection to an encrypted one, by the configuration that holds at that moment.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use latchkey_core::principal::ClientCertificate;
use latchkey_core::time::Clock;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::clients::{Clients, Verifier};
use super::files::{Files, Material, read};
use super::lists::Term;
use super::open::{Open, Shown, Stay};
use super::problem::TlsProblem;
use super::reload::{Stamps, stamps};
use super::{der, names};

/// How long a client may take to shake hands.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is spoken inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Http2,
    /// The HTTP port.
    Http1,
}

/// Accepts the connections of one port.
pub struct Acceptor {
    pub(super) files: Files,
    protocol: Protocol,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<Current>,
    open: Arc<Open>,
    clock: Arc<dyn Clock>,
    /// What the files were when they were first read.
    pub(super) first: Stamps,
}

/// What holds now.
pub(super) struct Current {
    config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since 1970; none where that can't be read from it.
    ends: Option<i64>,
    /// Where clients are asked for certificates.
    pub(super) clients: Option<Verifier>,
}

/// A connection whose handshake is done, and who it is with.
pub struct Admitted<S> {
    /// What is spoken inside.
    pub stream: TlsStream<S>,
    /// The client's certificate; none where the port asks for none.
    pub certificate: Option<ClientCertificate>,
    /// The right to go on, of who has shown one.
    pub(crate) stay: Option<Stay>,
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Acceptor {
    /// Reads the files, or returns everything that is wrong with them. The clock says how old lists are, and when a
    /// client has shown its certificate.
    pub fn new(files: Files, protocol: Protocol, clock: Arc<dyn Clock>) -> Result<Self, Vec<TlsProblem>> {
        let provider = provider();
        let first = stamps(&files);
        let current = ArcSwap::from_pointee(configuration(&files, protocol, &provider)?);
        let acceptor = Self { files, protocol, provider, current, open: Arc::default(), clock, first };
        acceptor.tell_of_others();
        Ok(acceptor)
    }

    /// Shakes hands, with whatever configuration holds now.
    pub async fn accept<S>(&self, stream: S) -> io::Result<Admitted<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.current.load_full();
        let acceptor = TlsAcceptor::from(current.config.clone());
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let stream = timeout(PATIENCE, acceptor.accept(stream)).await.map_err(late)??;
        let Some(chain) = stream.get_ref().1.peer_certificates() else {
            return Ok(Admitted { stream, certificate: None, stay: None });
        };
        let (certificate, shown) =
            (chain.first().map(names::of), Arc::new(Shown::at(chain, self.seconds_now())));
        let stay = Some(self.open.enter(shown.clone()));
        // Whoever shook hands while the files changed may have been missed by the look at those that are open.
        let now = self.current();
        if !Arc::ptr_eq(&current, &now) && !now.admits(&shown) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "refused by the files as they are now",
            ));
        }
        Ok(Admitted { stream, certificate, stay })
    }

    /// Takes over what the files hold now, and cuts off whom it doesn't admit; tells how many they were. Where it is
    /// wrong, nothing changes.
    pub(super) async fn reload(&self) -> Result<usize, Vec<TlsProblem>> {
        let current = Arc::new(configuration(&self.files, self.protocol, &self.provider)?);
        self.current.store(Arc::clone(&current));
        self.tell_of_others();
        match &current.clients {
            Some(clients) => Ok(self.open.sift(clients.verifies.as_ref()).await),
            None => Ok(0),
        }
    }

    /// Seconds since 1970.
    pub(super) fn seconds_now(&self) -> i64 {
        self.clock.now().wall.0.div_euclid(1_000)
    }

    fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// When the certificate that is shown now ends, in seconds since 1970.
    #[must_use]
    pub fn ends(&self) -> Option<i64> {
        self.current().ends
    }

    /// Until when the revocation lists hold.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        self.current().clients.as_ref()?.term
    }

    fn tell_of_others(&self) {
        let current = self.current();
        let others = current.clients.iter().flat_map(|clients| &clients.others);
        let others: Vec<_> = others.map(String::as_str).collect();
        if let (false, Some(Clients { ca, crl: Some(crl) })) = (others.is_empty(), &self.files.clients) {
            tracing::info!(
                crl = %crl.path.display(),
                others = others.join("; "),
                "some lists are of CAs that are not in {}: they count where such a CA stands between those and a client",
                ca.setting
            );
        }
    }
}

impl Current {
    fn admits(&self, shown: &Shown) -> bool {
        self.clients.as_ref().is_none_or(|clients| shown.admitted(clients.verifies.as_ref()))
    }
}

fn configuration(
    files: &Files,
    protocol: Protocol,
    provider: &Arc<CryptoProvider>,
) -> Result<Current, Vec<TlsProblem>> {
    let Material { pair, clients } = read(files, provider)?;
    let ends = pair.cert.first().and_then(|certificate| der::ends(certificate));
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| vec![TlsProblem::new("tls_cert", "built in", error.to_string())])?;
    let builder = match &clients {
        Some(clients) => builder.with_client_cert_verifier(clients.verifies.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut made = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    made.alpn_protocols = vec![match protocol {
        Protocol::Http2 => b"h2".to_vec(),
        Protocol::Http1 => b"http/1.1".to_vec(),
    }];
    // A resumed session isn't verified again: a certificate that has ended or was revoked meanwhile would live on in it.
    made.session_storage = Arc::new(NoServerSessionStorage {});
    made.send_tls13_tickets = 0;
    Ok(Current { config: Arc::new(made), ends, clients })
}
