//! Classification of failed handshakes. Most are noise; a revoked client certificate is not.

use std::io;

use rustls::{CertificateError, Error};

/// Returns whether a handshake failed because of the revocation lists: the client's certificate is revoked, or its list is
/// missing, expired or invalid.
pub(crate) fn is_revocation_error(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(
        inner,
        Some(
            Error::InvalidCertRevocationList(_)
                | Error::InvalidCertificate(
                    CertificateError::Revoked
                        | CertificateError::UnknownRevocationStatus
                        | CertificateError::ExpiredRevocationList
                        | CertificateError::ExpiredRevocationListContext { .. }
                )
        )
    )
}
