//! Why a handshake failed. Most that fail are noise; a certificate that its CA has revoked is not.

use std::io;

use rustls::{CertificateError, Error};

/// Whether it failed for what the revocation lists say of the client's certificate, or can't say.
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
