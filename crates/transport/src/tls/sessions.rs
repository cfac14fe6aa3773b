//! Open connections and the client certificates that they presented. When the files change, each certificate is verified
//! again: if it was revoked or its CA was removed, the connection is closed at once, with its calls in flight. It is
//! verified for the time of its handshake, so a certificate that has merely expired since does not close the connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::oneshot;

/// Certificate chain that a client presented, and the time of it.
pub(super) struct PresentedChain {
    chain: Box<[CertificateDer<'static>]>,
    at: UnixTime,
}

/// Open connections of a port, by number.
#[derive(Default)]
pub(super) struct OpenConnections {
    next: AtomicU64,
    entries: Mutex<HashMap<u64, Entry>>,
}

struct Entry {
    presented: Arc<PresentedChain>,
    close: oneshot::Sender<()>,
}

/// Registration of an open connection, which signals when its certificate is no longer accepted.
pub(crate) struct ConnectionGuard {
    open: Arc<OpenConnections>,
    number: u64,
    revoked: oneshot::Receiver<()>,
}

impl PresentedChain {
    /// Creates a chain that was presented at a time in seconds since 1970.
    pub(super) fn at(chain: &[CertificateDer<'_>], seconds: i64) -> Self {
        let at = Duration::from_secs(seconds.try_into().unwrap_or_default());
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Self { chain, at: UnixTime::since_unix_epoch(at) }
    }

    pub(super) fn is_accepted_by(&self, verifier: &dyn ClientCertVerifier) -> bool {
        let Some((own, intermediates)) = self.chain.split_first() else { return false };
        verifier.verify_client_cert(own, intermediates, self.at).is_ok()
    }
}

impl OpenConnections {
    pub(super) fn register(self: &Arc<Self>, presented: Arc<PresentedChain>) -> ConnectionGuard {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (close, revoked) = oneshot::channel();
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, Entry { presented, close });
        ConnectionGuard { open: Arc::clone(self), number, revoked }
    }

    /// Closes the connections whose certificate the verifier rejects, and returns their number. It yields to other tasks
    /// after each connection.
    pub(super) async fn revalidate(&self, verifier: &dyn ClientCertVerifier) -> usize {
        let entries = || self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> =
            entries().iter().map(|(number, entry)| (*number, Arc::clone(&entry.presented))).collect();
        let mut closed = 0;
        for (number, presented) in all {
            if !presented.is_accepted_by(verifier) {
                let gone = entries().remove(&number);
                // A connection that has ended by itself in the meantime is not counted.
                closed += usize::from(gone.is_some_and(|entry| entry.close.send(()).is_ok()));
            }
            tokio::task::yield_now().await;
        }
        closed
    }
}

impl ConnectionGuard {
    /// Completes when the certificate is no longer accepted.
    pub(crate) async fn revoked(&mut self) {
        if (&mut self.revoked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.open.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustls::pki_types::ServerName;
    use rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::acceptor::crypto_provider;
    use crate::tls::fixture::{Ca, SERIAL};
    use crate::tls::tests::{TlsFixture, VERSIONS, client, setting_file};
    use crate::tls::{ClientAuthFiles, fixture};

    /// Returns a verifier of a CA's client certificates with a revocation list.
    fn verifier(ca: &Ca, revoked: &[u64]) -> Arc<dyn ClientCertVerifier> {
        let fixture = TlsFixture::new(Some(ca));
        let list = ca.crl(revoked, (1990, 4000)).pem().unwrap();
        let crl = Some(setting_file(fixture::write(fixture.path(), "list.pem", &list), "tls_client_crl"));
        let ClientAuthFiles { ca, .. } = fixture.files.client_auth.clone().unwrap();
        ClientAuthFiles { ca, crl }
            .verifier(&crypto_provider())
            .unwrap_or_else(|errors| panic!("{errors:?}"))
            .verifier
    }

    fn presented(ca: &Ca, ended: bool, at: u64) -> Arc<PresentedChain> {
        let (cert, _) = ca.issue(&["ops.example"], ended);
        let chain = Box::new([CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()]);
        Arc::new(PresentedChain { chain, at: UnixTime::since_unix_epoch(Duration::from_secs(at)) })
    }

    #[tokio::test]
    async fn connections_with_revoked_certificates_are_closed_and_others_stay() {
        let (ca, other) = (Ca::new(), Ca::named("another CA"));
        let open = Arc::<OpenConnections>::default();
        // An expired certificate that was still valid when it was presented, in the year 2000.
        let mut ended = open.register(presented(&ca, true, 950_000_000));
        assert_eq!(open.revalidate(verifier(&ca, &[SERIAL + 1]).as_ref()).await, 0);
        let mut strange = open.register(presented(&other, false, 1_700_000_000));
        assert_eq!(open.revalidate(verifier(&ca, &[]).as_ref()).await, 1, "its CA was removed");
        strange.revoked().await;
        let gone = open.register(presented(&ca, false, 1_700_000_000));
        drop(gone);
        assert_eq!(
            open.revalidate(verifier(&ca, &[SERIAL]).as_ref()).await,
            1,
            "one connection has ended by itself"
        );
        ended.revoked().await;
        assert!(open.entries.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_certificate_that_is_revoked_during_the_handshake_is_rejected() {
        let clients = Ca::new();
        let mut fixture = TlsFixture::new(Some(&clients));
        let put = |fixture: &TlsFixture, revoked: &[u64]| {
            fixture::write(fixture.path(), "list.pem", &clients.crl(revoked, (1990, 4000)).pem().unwrap())
        };
        let crl = Some(setting_file(put(&fixture, &[]), "tls_client_crl"));
        fixture.files.client_auth.as_mut().unwrap().crl = crl;
        let presented = clients.issue(&["ops.example"], false);
        for revoked in [&[][..], &[SERIAL]] {
            let _ = put(&fixture, &[]);
            let acceptor = fixture.acceptor();
            let (near, far) = tokio::io::duplex(64 * 1024);
            let mut accepted = std::pin::pin!(acceptor.accept(near));
            // The handshake begins with the present lists, and waits for the client's first bytes.
            tokio::select! {
                biased;
                _ = &mut accepted => unreachable!("the client has sent nothing yet"),
                () = std::future::ready(()) => {}
            }
            let _ = put(&fixture, revoked);
            assert_eq!(acceptor.reload().await, Ok(0), "no connection is open yet");
            let connector =
                TlsConnector::from(Arc::new(client(&fixture.ca.pem, Some(&presented), VERSIONS[1])));
            let connected = connector.connect(ServerName::try_from("localhost").unwrap(), far);
            let (accepted, _connected) = tokio::join!(accepted, connected);
            let refused = accepted.map(|_| ()).map_err(|error| error.kind());
            let expected = if revoked.is_empty() { Ok(()) } else { Err(io::ErrorKind::PermissionDenied) };
            assert_eq!(refused, expected);
        }
    }
}
