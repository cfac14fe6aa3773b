//! Who may be a client of a port: whom its CAs signed, and have not revoked.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::crl::{CrlSet, CrlValidity};
use super::error::TlsFileError;
use super::files::{SettingFile, certificates};

/// The files that say so.
#[derive(Clone, Debug)]
pub struct ClientAuthFiles {
    /// The CAs.
    pub ca: SettingFile,
    /// The CAs' revocation lists.
    pub crl: Option<SettingFile>,
}

/// What clients' certificates are held against.
pub(crate) struct ClientVerifier {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    /// Until when the revocation lists hold, where there are any.
    pub(crate) crl_validity: Option<CrlValidity>,
    /// The CAs that have a list and are not in the settings' file.
    pub(crate) foreign_issuers: Vec<String>,
}

impl ClientAuthFiles {
    /// Reads them, and tells what is wrong with either.
    pub(super) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<ClientVerifier, Vec<TlsFileError>> {
        let lists = self.crl.as_ref().map(|crl| CrlSet::read(crl).map(|lists| (crl, lists))).transpose();
        let (roots, lists) = match (roots(&self.ca), lists) {
            (Ok(roots), Ok(lists)) => (roots, lists),
            (roots, lists) => return Err(roots.err().into_iter().chain(lists.err()).collect()),
        };
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider.clone());
        let (mut crl_validity, mut foreign_issuers) = (None, Vec::new());
        if let Some((crl, lists)) = lists {
            lists.check((crl, &self.ca), &roots, provider).map_err(|wrong| vec![wrong])?;
            (crl_validity, foreign_issuers) = (lists.crl_validity(), lists.foreign_issuers(&roots));
            // Beyond the defaults, which are to ask for every certificate up to the CA, and to refuse where no list
            // answers.
            builder = builder.with_crls(lists.into_der()).enforce_revocation_expiration();
        }
        let wrong = |error| vec![self.ca.error(format!("it can't be used: {error}"))];
        Ok(ClientVerifier { verifier: builder.build().map_err(wrong)?, crl_validity, foreign_issuers })
    }

    /// Until when the lists hold, where there are any and they can be read.
    #[must_use]
    pub fn crl_validity(&self) -> Option<CrlValidity> {
        CrlSet::read(self.crl.as_ref()?).ok()?.crl_validity()
    }
}

fn roots(ca: &SettingFile) -> Result<Arc<RootCertStore>, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|_| ca.error("a certificate in it can't be parsed"))?;
    }
    Ok(Arc::new(roots))
}
