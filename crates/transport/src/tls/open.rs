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
pub(super) struct Shown {
    chain: Box<[CertificateDer<'static>]>,
    at: UnixTime,
}

/// Those of one port, by number.
#[derive(Default)]
pub(super) struct Open {
    next: AtomicU64,
    entries: Mutex<HashMap<u64, Entry>>,
}

struct Entry {
    shown: Arc<Shown>,
    cut: oneshot::Sender<()>,
}

/// A connection's right to go on.
pub(crate) struct Stay {
    open: Arc<Open>,
    number: u64,
    over: oneshot::Receiver<()>,
}

impl Shown {
    /// Shown at this moment, in seconds since 1970.
    pub(super) fn at(chain: &[CertificateDer<'_>], seconds: i64) -> Self {
        let at = Duration::from_secs(seconds.try_into().unwrap_or_default());
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Self { chain, at: UnixTime::since_unix_epoch(at) }
    }

    pub(super) fn admitted(&self, verifier: &dyn ClientCertVerifier) -> bool {
        let Some((own, between)) = self.chain.split_first() else { return false };
        verifier.verify_client_cert(own, between, self.at).is_ok()
    }
}

impl Open {
    pub(super) fn enter(self: &Arc<Self>, shown: Arc<Shown>) -> Stay {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (cut, over) = oneshot::channel();
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Entry { shown, cut });
        Stay { open: Arc::clone(self), number, over }
    }

    /// Cuts off whom this doesn't admit, and tells how many they were. Other work goes on in between.
    pub(super) async fn sift(&self, verifier: &dyn ClientCertVerifier) -> usize {
        let entries = || self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> =
            entries().iter().map(|(number, entry)| (*number, Arc::clone(&entry.shown))).collect();
        let mut cut = 0;
        for (number, shown) in all {
            if !shown.admitted(verifier) {
                let gone = entries().remove(&number);
                // One that has ended by itself meanwhile isn't counted.
                cut += usize::from(gone.is_some_and(|entry| entry.cut.send(()).is_ok()));
            }
            tokio::task::yield_now().await;
        }
        cut
    }
}

impl Stay {
    /// Comes when it is over.
    pub(crate) async fn over(&mut self) {
        if (&mut self.over).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Stay {
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
    use crate::tls::accept::provider;
    use crate::tls::fixture::{Ca, SERIAL};
    use crate::tls::tests::{House, VERSIONS, client, named};
    use crate::tls::{Clients, fixture};

    /// What a CA's clients are held against, by a list of it.
    fn verifier(ca: &Ca, revoked: &[u64]) -> Arc<dyn ClientCertVerifier> {
        let house = House::new(Some(ca));
        let list = ca.list(revoked, (1990, 4000)).pem().unwrap();
        let crl = Some(named(fixture::write(house.path(), "list.pem", &list), "tls_client_crl"));
        let Clients { ca, .. } = house.files.clients.clone().unwrap();
        Clients { ca, crl }.verifier(&provider()).unwrap_or_else(|wrong| panic!("{wrong:?}")).verifies
    }

    fn shown(ca: &Ca, ended: bool, at: u64) -> Arc<Shown> {
        let (cert, _) = ca.issue(&["ops.example"], ended);
        let chain = Box::new([CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()]);
        Arc::new(Shown { chain, at: UnixTime::since_unix_epoch(Duration::from_secs(at)) })
    }

    #[tokio::test]
    async fn whoever_is_revoked_is_cut_off_and_others_stay() {
        let (ca, other) = (Ca::new(), Ca::named("another CA"));
        let open = Arc::<Open>::default();
        // One that had not ended yet when it was shown, in the year 2000.
        let mut ended = open.enter(shown(&ca, true, 950_000_000));
        assert_eq!(open.sift(verifier(&ca, &[SERIAL + 1]).as_ref()).await, 0);
        let mut strange = open.enter(shown(&other, false, 1_700_000_000));
        assert_eq!(open.sift(verifier(&ca, &[]).as_ref()).await, 1, "its CA is gone");
        strange.over().await;
        let gone = open.enter(shown(&ca, false, 1_700_000_000));
        drop(gone);
        assert_eq!(open.sift(verifier(&ca, &[SERIAL]).as_ref()).await, 1, "one has gone by itself");
        ended.over().await;
        assert!(open.entries.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_is_revoked_while_hands_are_shaken_is_refused() {
        let clients = Ca::new();
        let mut house = House::new(Some(&clients));
        let put = |house: &House, revoked: &[u64]| {
            fixture::write(house.path(), "list.pem", &clients.list(revoked, (1990, 4000)).pem().unwrap())
        };
        let crl = Some(named(put(&house, &[]), "tls_client_crl"));
        house.files.clients.as_mut().unwrap().crl = crl;
        let shown = clients.issue(&["ops.example"], false);
        for revoked in [&[][..], &[SERIAL]] {
            let _ = put(&house, &[]);
            let acceptor = house.acceptor();
            let (near, far) = tokio::io::duplex(64 * 1024);
            let mut accepted = std::pin::pin!(acceptor.accept(near));
            // It begins with the lists of now, and waits for the client's first word.
            tokio::select! {
                biased;
                _ = &mut accepted => unreachable!("nothing was said yet"),
                () = std::future::ready(()) => {}
            }
            let _ = put(&house, revoked);
            assert_eq!(acceptor.reload().await, Ok(0), "nobody is in yet");
            let connector = TlsConnector::from(Arc::new(client(&house.ca.pem, Some(&shown), VERSIONS[1])));
            let connected = connector.connect(ServerName::try_from("localhost").unwrap(), far);
            let (accepted, _connected) = tokio::join!(accepted, connected);
            let refused = accepted.map(|_| ()).map_err(|error| error.kind());
            let expected = if revoked.is_empty() { Ok(()) } else { Err(io::ErrorKind::PermissionDenied) };
            assert_eq!(refused, expected);
        }
    }
}
