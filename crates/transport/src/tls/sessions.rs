//! Open connections and the certificates that let them in. When the files change, each is asked again whether it
//! would get in now: who is revoked meanwhile, or whose CA is gone, is cut off at once, with the calls that are in
//! flight. A certificate that has merely ended meanwhile is none of their business: it was good at its handshake,
//! and that is the time it is asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::oneshot;

/// What a client showed, and when.
pub(super) struct PresentedChain {
    chain: Box<[CertificateDer<'static>]>,
    at: UnixTime,
}

/// Those of one port, by number.
#[derive(Default)]
pub(super) struct OpenConnections {
    next: AtomicU64,
    entries: Mutex<HashMap<u64, Entry>>,
}

struct Entry {
    presented: Arc<PresentedChain>,
    close: oneshot::Sender<()>,
}

/// A connection's right to go on.
pub(crate) struct ConnectionGuard {
    open: Arc<OpenConnections>,
    number: u64,
    revoked: oneshot::Receiver<()>,
}

impl PresentedChain {
    /// PresentedChain at this moment, in seconds since 1970.
    pub(super) fn at(chain: &[CertificateDer<'_>], seconds: i64) -> Self {
        let at = Duration::from_secs(seconds.try_into().unwrap_or_default());
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Self { chain, at: UnixTime::since_unix_epoch(at) }
    }

    pub(super) fn is_accepted_by(&self, verifier: &dyn ClientCertVerifier) -> bool {
        let Some((own, between)) = self.chain.split_first() else { return false };
        verifier.verify_client_cert(own, between, self.at).is_ok()
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

    /// Cuts off whom this doesn't admit, and tells how many they were. Other work goes on in between.
    pub(super) async fn revalidate(&self, verifier: &dyn ClientCertVerifier) -> usize {
        let entries = || self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> =
            entries().iter().map(|(number, entry)| (*number, Arc::clone(&entry.presented))).collect();
        let mut closed = 0;
        for (number, presented) in all {
            if !presented.is_accepted_by(verifier) {
                let gone = entries().remove(&number);
                // One that has ended by itself meanwhile isn't counted.
                closed += usize::from(gone.is_some_and(|entry| entry.close.send(()).is_ok()));
            }
            tokio::task::yield_now().await;
        }
        closed
    }
}

impl ConnectionGuard {
    /// Comes when it is over.
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

    /// What a CA's clients are held against, by a list of it.
    fn verifier(ca: &Ca, revoked: &[u64]) -> Arc<dyn ClientCertVerifier> {
        let fixture = TlsFixture::new(Some(ca));
        let list = ca.crl(revoked, (1990, 4000)).pem().unwrap();
        let crl = Some(setting_file(fixture::write(fixture.path(), "list.pem", &list), "tls_client_crl"));
        let ClientAuthFiles { ca, .. } = fixture.files.client_auth.clone().unwrap();
        ClientAuthFiles { ca, crl }
            .verifier(&crypto_provider())
            .unwrap_or_else(|wrong| panic!("{wrong:?}"))
            .verifier
    }

    fn presented(ca: &Ca, ended: bool, at: u64) -> Arc<PresentedChain> {
        let (cert, _) = ca.issue(&["ops.example"], ended);
        let chain = Box::new([CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()]);
        Arc::new(PresentedChain { chain, at: UnixTime::since_unix_epoch(Duration::from_secs(at)) })
    }

    #[tokio::test]
    async fn whoever_is_revoked_is_cut_off_and_others_stay() {
        let (ca, other) = (Ca::new(), Ca::named("another CA"));
        let open = Arc::<OpenConnections>::default();
        // One that had not ended yet when it was shown, in the year 2000.
        let mut ended = open.register(presented(&ca, true, 950_000_000));
        assert_eq!(open.revalidate(verifier(&ca, &[SERIAL + 1]).as_ref()).await, 0);
        let mut strange = open.register(presented(&other, false, 1_700_000_000));
        assert_eq!(open.revalidate(verifier(&ca, &[]).as_ref()).await, 1, "its CA is gone");
        strange.revoked().await;
        let gone = open.register(presented(&ca, false, 1_700_000_000));
        drop(gone);
        assert_eq!(open.revalidate(verifier(&ca, &[SERIAL]).as_ref()).await, 1, "one has gone by itself");
        ended.revoked().await;
        assert!(open.entries.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_is_revoked_while_hands_are_shaken_is_refused() {
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
            // It begins with the lists of now, and waits for the client's first word.
            tokio::select! {
                biased;
                _ = &mut accepted => unreachable!("nothing was said yet"),
                () = std::future::ready(()) => {}
            }
            let _ = put(&fixture, revoked);
            assert_eq!(acceptor.reload().await, Ok(0), "nobody is in yet");
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
