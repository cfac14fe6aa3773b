//! From a connection to an encrypted one, by the configuration that holds at that moment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use latchkey_core::manage::ClientCertificate;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, ServerConfig as Config};
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::files::{Files, Material, read};
use super::names;
use super::reload::{Stamps, stamps};
use crate::settings::Problem;

/// How long a client may take to shake hands.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is spoken inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// gRPC.
    Http2,
    /// The HTTP port.
    Http1,
}

/// Accepts the connections of one port.
pub(crate) struct Acceptor {
    pub(super) files: Files,
    protocol: Protocol,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<ServerConfig>,
    /// When the certificate ends, in seconds since 1970; 0 where that can't be read from it.
    ends: AtomicI64,
    /// What the files were when they were first read.
    pub(super) first: Stamps,
}

/// A connection whose handshake is done, and who it is with: none, where the port asks for no certificate.
pub(crate) type Handshake<S> = (TlsStream<S>, Option<ClientCertificate>);

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Acceptor {
    /// Reads the files; everything that is wrong with them is told.
    pub(crate) fn new(files: Files, protocol: Protocol) -> Result<Self, Vec<Problem>> {
        let provider = provider();
        let first = stamps(&files);
        let (current, ends) = configuration(&files, protocol, &provider)?;
        let (current, ends) = (ArcSwap::from_pointee(current), AtomicI64::new(ends));
        Ok(Self { files, protocol, provider, current, ends, first })
    }

    /// Shakes hands, with whatever configuration holds now; connections that are open keep theirs.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<Handshake<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.current.load_full());
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let stream = timeout(PATIENCE, acceptor.accept(stream)).await.map_err(late)??;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(names::of);
        Ok((stream, shown))
    }

    /// Takes over what the files hold now. Where that is wrong, nothing changes.
    pub(super) fn reload(&self) -> Result<(), Vec<Problem>> {
        let (current, ends) = configuration(&self.files, self.protocol, &self.provider)?;
        self.current.store(Arc::new(current));
        self.ends.store(ends, Ordering::Relaxed);
        Ok(())
    }

    /// When the certificate that is shown now ends, in seconds since 1970.
    pub(crate) fn ends(&self) -> Option<i64> {
        Some(self.ends.load(Ordering::Relaxed)).filter(|ends| *ends > 0)
    }
}

fn configuration(
    files: &Files,
    protocol: Protocol,
    provider: &Arc<CryptoProvider>,
) -> Result<(ServerConfig, i64), Vec<Problem>> {
    let Material { pair, clients } = read(files, provider)?;
    let ends = pair.cert.first().and_then(|certificate| super::ends::of(certificate)).unwrap_or_default();
    let builder = Config::builder_with_provider(provider.clone());
    let builder = builder
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| vec![Problem::new("tls_cert", "built in", error.to_string())])?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut made = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    made.alpn_protocols = vec![match protocol {
        Protocol::Http2 => b"h2".to_vec(),
        Protocol::Http1 => b"http/1.1".to_vec(),
    }];
    // A resumed session isn't verified again: a certificate that has ended meanwhile would live on in it.
    made.session_storage = Arc::new(NoServerSessionStorage {});
    made.send_tls13_tickets = 0;
    Ok((made, ends))
}
