//! Who may be a client of a port: whom its CAs signed, and have not revoked.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::files::{Named, certificates};
use super::lists::{Lists, Term};
use super::problem::TlsProblem;

/// The files that say so.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The CAs.
    pub ca: Named,
    /// The CAs' revocation lists.
    pub crl: Option<Named>,
}

/// What clients' certificates are held against.
pub(crate) struct Verifier {
    pub(crate) verifies: Arc<dyn ClientCertVerifier>,
    /// Until when the revocation lists hold, where there are any.
    pub(crate) term: Option<Term>,
    /// The CAs that have a list and are not in the settings' file.
    pub(crate) others: Vec<String>,
}

impl Clients {
    /// Reads them, and tells what is wrong with either.
    pub(super) fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, Vec<TlsProblem>> {
        let lists = self.crl.as_ref().map(|crl| Lists::read(crl).map(|lists| (crl, lists))).transpose();
        let (roots, lists) = match (roots(&self.ca), lists) {
            (Ok(roots), Ok(lists)) => (roots, lists),
            (roots, lists) => return Err(roots.err().into_iter().chain(lists.err()).collect()),
        };
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider.clone());
        let (mut term, mut others) = (None, Vec::new());
        if let Some((crl, lists)) = lists {
            lists.check((crl, &self.ca), &roots, provider).map_err(|wrong| vec![wrong])?;
            (term, others) = (lists.term(), lists.others(&roots));
            // Beyond the defaults, which are to ask for every certificate up to the CA, and to refuse where no list
            // answers.
            builder = builder.with_crls(lists.into_der()).enforce_revocation_expiration();
        }
        let wrong = |error| vec![self.ca.wrong(format!("it can't be used: {error}"))];
        Ok(Verifier { verifies: builder.build().map_err(wrong)?, term, others })
    }

    /// Until when the lists hold, where there are any and they can be read.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        Lists::read(self.crl.as_ref()?).ok()?.term()
    }
}

fn roots(ca: &Named) -> Result<Arc<RootCertStore>, TlsProblem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|_| ca.wrong("a certificate in it can't be parsed"))?;
    }
    Ok(Arc::new(roots))
}
