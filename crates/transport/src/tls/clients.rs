//! Verification of client certificates: signed by a CA of the port, and not revoked.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::crl::{CrlSet, CrlValidity};
use super::error::TlsFileError;
use super::files::{SettingFile, certificates};
use super::x509;

/// Files that client certificates are verified with.
#[derive(Clone, Debug)]
pub struct ClientAuthFiles {
    /// CA certificates.
    pub ca: SettingFile,
    /// Revocation lists of the CAs.
    pub crl: Option<SettingFile>,
}

/// Verifier of client certificates.
pub(crate) struct ClientVerifier {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    /// Validity of the revocation lists, if there are any.
    pub(crate) crl_validity: Option<CrlValidity>,
    /// Names of CAs that have a list and are not in the file of CAs.
    pub(crate) foreign_issuers: Vec<String>,
}

impl ClientAuthFiles {
    /// Reads the files, or returns the errors in both.
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
            lists.check(crl, &self.ca, &roots, provider).map_err(|error| vec![error])?;
            (crl_validity, foreign_issuers) = (lists.crl_validity(), lists.foreign_issuers(&roots));
            // The defaults stay: the lists are consulted for every certificate up to the CA, and a certificate without a
            // list is rejected.
            builder = builder.with_crls(lists.into_der()).enforce_revocation_expiration();
        }
        let ca_error = |error| vec![self.ca.error(format!("it cannot be used: {error}"))];
        Ok(ClientVerifier { verifier: builder.build().map_err(ca_error)?, crl_validity, foreign_issuers })
    }

    /// Returns the validity of the revocation lists, if there are any and they can be read.
    #[must_use]
    pub fn crl_validity(&self) -> Option<CrlValidity> {
        CrlSet::read(self.crl.as_ref()?).ok()?.crl_validity()
    }
}

fn roots(ca: &SettingFile) -> Result<Arc<RootCertStore>, TlsFileError> {
    let mut roots = RootCertStore::empty();
    let certificates = certificates(ca)?;
    for (position, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|error| {
            let cause = x509::rejection_cause(certificate, &error);
            let (position, count) = (position + 1, certificates.len());
            ca.error(format!(
                "a certificate in it cannot be parsed (certificate {position} of {count}: {cause})"
            ))
        })?;
    }
    Ok(Arc::new(roots))
}
