//! Acceptor of TLS connections, with the configuration that is in force at that moment.

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

use super::clients::{ClientAuthFiles, ClientVerifier};
use super::crl::CrlValidity;
use super::error::TlsFileError;
use super::files::{KeyMaterial, TlsFiles, read_files};
use super::reload::{FileStamps, blocking_files, file_stamps};
use super::sessions::{ConnectionGuard, OpenConnections, PresentedChain};
use super::{san, x509};

/// Maximum duration of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Protocol inside TLS, which is negotiated by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2, for gRPC.
    Http2,
    /// HTTP/1.1, for the HTTP port.
    Http1,
}

/// Acceptor of the TLS connections of a port.
pub struct Acceptor {
    pub(super) files: TlsFiles,
    protocol: Protocol,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<ActiveConfig>,
    open: Arc<OpenConnections>,
    clock: Arc<dyn Clock>,
    /// Stamps of the files when they were first read.
    pub(super) initial_stamps: FileStamps,
}

/// Configuration that is in force.
pub(super) struct ActiveConfig {
    config: Arc<ServerConfig>,
    /// Expiry of the server's certificate, in seconds since 1970; `None` if it cannot be read.
    certificate_expiry: Option<i64>,
    /// Verifier of client certificates; `None` if clients are not asked for one.
    pub(super) client_verifier: Option<ClientVerifier>,
}

/// Connection whose handshake has succeeded.
pub struct TlsConnection<S> {
    /// Decrypted stream.
    pub stream: TlsStream<S>,
    /// Names of the client's certificate; `None` if the port asks for none.
    pub certificate: Option<ClientCertificate>,
    /// Guard that signals when the client's certificate is no longer accepted.
    pub(crate) guard: Option<ConnectionGuard>,
}

pub(super) fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Acceptor {
    /// Reads the files, or returns all errors in them. The clock is used for the age of revocation lists and for the time
    /// at which a client presented its certificate.
    pub fn new(
        files: TlsFiles,
        protocol: Protocol,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Vec<TlsFileError>> {
        let provider = crypto_provider();
        let initial_stamps = file_stamps(&files);
        let current = ArcSwap::from_pointee(build_config(&files, protocol, &provider)?);
        let acceptor =
            Self { files, protocol, provider, current, open: Arc::default(), clock, initial_stamps };
        acceptor.log_foreign_crls();
        Ok(acceptor)
    }

    /// Performs the handshake with the configuration that is in force.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsConnection<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.current.load_full();
        let acceptor = TlsAcceptor::from(current.config.clone());
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let stream = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await.map_err(late)??;
        let Some(chain) = stream.get_ref().1.peer_certificates() else {
            return Ok(TlsConnection { stream, certificate: None, guard: None });
        };
        let (certificate, presented) = (
            chain.first().map(san::certificate_names),
            Arc::new(PresentedChain::at(chain, self.unix_seconds())),
        );
        let guard = Some(self.open.register(presented.clone()));
        // If the files changed during the handshake, `reload` may have missed this connection.
        let now = self.current();
        if !Arc::ptr_eq(&current, &now) && !now.accepts(&presented) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the changed TLS files do not accept the client's certificate",
            ));
        }
        Ok(TlsConnection { stream, certificate, guard })
    }

    /// Reads the files again, closes the connections whose client certificate is no longer accepted, and returns their
    /// number. On errors, the previous configuration stays in force.
    pub(super) async fn reload(&self) -> Result<usize, Vec<TlsFileError>> {
        let blocking = blocking_files(&self.files);
        if !blocking.is_empty() {
            return Err(blocking);
        }
        let current = Arc::new(build_config(&self.files, self.protocol, &self.provider)?);
        self.current.store(Arc::clone(&current));
        self.log_foreign_crls();
        match &current.client_verifier {
            Some(client_verifier) => Ok(self.open.revalidate(client_verifier.verifier.as_ref()).await),
            None => Ok(0),
        }
    }

    /// Returns the present time in seconds since 1970.
    pub(super) fn unix_seconds(&self) -> i64 {
        self.clock.now().wall.0.div_euclid(1_000)
    }

    fn current(&self) -> Arc<ActiveConfig> {
        self.current.load_full()
    }

    /// Returns the expiry of the server's certificate, in seconds since 1970.
    #[must_use]
    pub fn certificate_expiry(&self) -> Option<i64> {
        self.current().certificate_expiry
    }

    /// Returns the validity of the revocation lists.
    #[must_use]
    pub fn crl_validity(&self) -> Option<CrlValidity> {
        self.current().client_verifier.as_ref()?.crl_validity
    }

    fn log_foreign_crls(&self) {
        let current = self.current();
        let foreign_issuers = current.client_verifier.iter().flat_map(|verifier| &verifier.foreign_issuers);
        let foreign_issuers: Vec<_> = foreign_issuers.map(String::as_str).collect();
        if let (false, Some(ClientAuthFiles { ca, crl: Some(crl) })) =
            (foreign_issuers.is_empty(), &self.files.client_auth)
        {
            tracing::info!(
                crl = %crl.path.display(),
                others = foreign_issuers.join("; "),
                "some revocation lists belong to CAs that are not in {}: they apply only if such a CA is an intermediate of a client's certificate",
                ca.setting
            );
        }
    }
}

impl ActiveConfig {
    fn accepts(&self, presented: &PresentedChain) -> bool {
        self.client_verifier
            .as_ref()
            .is_none_or(|client_verifier| presented.is_accepted_by(client_verifier.verifier.as_ref()))
    }
}

fn build_config(
    files: &TlsFiles,
    protocol: Protocol,
    provider: &Arc<CryptoProvider>,
) -> Result<ActiveConfig, Vec<TlsFileError>> {
    let KeyMaterial { pair, client_verifier } = read_files(files, provider)?;
    let certificate_expiry = pair.cert.first().and_then(|certificate| certificate_expiry(files, certificate));
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| vec![TlsFileError::new("tls_cert", "built in", error.to_string())])?;
    let builder = match &client_verifier {
        Some(clients) => builder.with_client_cert_verifier(clients.verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![match protocol {
        Protocol::Http2 => b"h2".to_vec(),
        Protocol::Http1 => b"http/1.1".to_vec(),
    }];
    // No resumption: a resumed session is not verified again, even if its certificate has expired or was revoked since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(ActiveConfig { config: Arc::new(config), certificate_expiry, client_verifier })
}

/// Returns the expiry of the server's certificate, in seconds since 1970. Without it, the port works and only the metric is
/// absent, so the error is logged.
fn certificate_expiry(files: &TlsFiles, certificate: &[u8]) -> Option<i64> {
    let unreadable = |error| {
        tracing::warn!(
            cert = %files.cert.path.display(),
            %error,
            "the expiry of the certificate in {} cannot be read, so no metric shows it",
            files.cert.setting
        );
    };
    x509::not_after(certificate).map_err(unreadable).ok()
}
