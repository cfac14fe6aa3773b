//! Certificate revocation lists (RFC 5280, section 5) of the clients' CAs. rustls consults them at each handshake for
//! every certificate up to the CA, and rejects the client if there is no list or the list has expired, as Envoy and nginx
//! do. Mistakes that would reject all clients are therefore found here, before the lists are put in force.

use std::fs;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateRevocationListDer, TrustAnchor};
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::error::X509Error;

use super::error::TlsFileError;
use super::files::SettingFile;
use super::x509;

const PEM_HEADER: &[u8] = b"-----BEGIN";

/// Revocation list.
struct Crl {
    der: CertificateRevocationListDer<'static>,
    issuer: Box<[u8]>,
    /// Distribution point whose certificates the list covers; `None` for all certificates of its CA.
    scope: Option<Box<[u8]>>,
    /// Times of this update and the next one, in seconds since 1970.
    validity: (i64, i64),
    /// Number of the list; `None` if the list does not give it.
    number: Option<String>,
}

/// Error of a revocation list that cannot be used.
#[derive(Debug, thiserror::Error)]
enum CrlError {
    /// The list is not encoded as RFC 5280 (section 5.1) requires.
    #[error("it is truncated or malformed: {0}")]
    Malformed(#[from] X509Error),
    /// webpki, which rustls consults, does not support the list.
    #[error("{0}")]
    Unsupported(#[from] webpki::Error),
    /// The list has no next update.
    #[error("it has no next update")]
    NoNextUpdate,
}

/// All lists of a file.
pub(super) struct CrlSet(Vec<Crl>);

/// Validity of revocation lists, in seconds since 1970: the list that ends first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlValidity {
    /// Time at which a new list is due: when seven eighths of the validity are over.
    pub due: i64,
    /// Expiry: from then on, all clients that the list covers are rejected.
    pub expires: i64,
}

/// State of revocation lists at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlStatus {
    /// Valid, and no new list is due.
    Current,
    /// Valid, and a new list is due.
    Due,
    /// Expired.
    Expired,
}

impl CrlValidity {
    /// Returns the state at a time in seconds since 1970.
    #[must_use]
    pub fn status(self, now: i64) -> CrlStatus {
        match now {
            _ if now >= self.expires => CrlStatus::Expired,
            _ if now >= self.due => CrlStatus::Due,
            _ => CrlStatus::Current,
        }
    }
}

impl CrlSet {
    /// Reads a file in PEM or DER.
    pub(super) fn read(from: &SettingFile) -> Result<Self, TlsFileError> {
        let bad = |error: &PemError| from.pem_error("revocation list (-----BEGIN X509 CRL-----)", error);
        let bytes = fs::read(&from.path).map_err(|error| bad(&PemError::Io(error)))?;
        let found: Vec<_> = if bytes.windows(PEM_HEADER.len()).any(|window| window == PEM_HEADER) {
            let found = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<_, _>>();
            found.map_err(|error| bad(&error))?
        } else {
            vec![CertificateRevocationListDer::from(bytes)]
        };
        if found.is_empty() {
            return Err(bad(&PemError::NoItemsFound));
        }
        let count = found.len();
        let unusable = |(position, error): (usize, CrlError)| {
            from.error(format!(
                "a revocation list in it cannot be used (list {} of {count}: {error}): give complete lists (not delta, not indirect) \
                 of version 2 with a next update, in PEM, or one in DER",
                position + 1
            ))
        };
        let parse = |(position, der)| Crl::parse(der).map_err(|error| unusable((position, error)));
        Ok(Self(found.into_iter().enumerate().map(parse).collect::<Result<_, _>>()?))
    }

    /// Checks that every CA has a list with its own signature, and that no list hides another.
    pub(super) fn check(
        &self,
        from: &SettingFile,
        cas: &SettingFile,
        roots: &RootCertStore,
        provider: &CryptoProvider,
    ) -> Result<(), TlsFileError> {
        for (position, list) in self.0.iter().enumerate() {
            let overlaps = |other: &Crl| {
                let whole = list.scope.is_none() || other.scope.is_none();
                list.issuer == other.issuer && (whole || list.scope == other.scope)
            };
            if let Some(other) = self.0.iter().skip(position + 1).find(|other| overlaps(other)) {
                let name = issuer_name(&list.issuer);
                let numbers = format!("numbers {} and {}", list.number(), other.number());
                return Err(from.error(format!(
                    "it has two revocation lists of {name} ({numbers}): give only the newest"
                )));
            }
        }
        for ca in &roots.roots {
            let name = format!("{} in {} ({})", issuer_name(&ca.subject), cas.path.display(), cas.setting);
            let mut any = false;
            for list in self.issued_by(ca) {
                any = true;
                if !list.signed_by(ca, provider) {
                    let remedy = "is not signed by it: give the CA's own list, and only one of several CAs that share a name";
                    return Err(from.error(format!("the revocation list of {name} {remedy}")));
                }
            }
            if !any {
                let remedy = "all of its clients would be rejected. Add its list, which may be empty";
                return Err(from.error(format!("there is no revocation list of {name}: {remedy}")));
            }
        }
        Ok(())
    }

    fn issued_by<'a>(&'a self, ca: &'a TrustAnchor<'_>) -> impl Iterator<Item = &'a Crl> {
        self.0.iter().filter(|list| *list.issuer == *ca.subject)
    }

    /// Returns the names of the lists' CAs that are not among `roots`: intermediate CAs, or foreign ones.
    pub(super) fn foreign_issuers(&self, roots: &RootCertStore) -> Vec<String> {
        let known = |list: &&Crl| !roots.roots.iter().any(|ca| *list.issuer == *ca.subject);
        self.0.iter().filter(known).map(|list| issuer_name(&list.issuer)).collect()
    }

    pub(super) fn crl_validity(&self) -> Option<CrlValidity> {
        let due = |(from, until): (i64, i64)| until - until.saturating_sub(from).max(0) / 8;
        let due = self.0.iter().map(|list| due(list.validity)).min()?;
        Some(CrlValidity { due, expires: self.0.iter().map(|list| list.validity.1).min()? })
    }

    pub(super) fn into_der(self) -> impl Iterator<Item = CertificateRevocationListDer<'static>> {
        self.0.into_iter().map(|list| list.der)
    }
}

impl Crl {
    /// Parses a list. `x509-parser` reads it first, because its errors name the wrong field.
    fn parse(der: CertificateRevocationListDer<'static>) -> Result<Self, CrlError> {
        let fields = x509::crl_fields(&der)?;
        let parsed = CertRevocationList::from(OwnedCertRevocationList::from_der(&der)?);
        let (issuer, scope) = (parsed.issuer().into(), parsed.issuing_distribution_point().map(Box::from));
        let validity = (fields.this_update, fields.next_update.ok_or(CrlError::NoNextUpdate)?);
        Ok(Self { der, issuer, scope, validity, number: fields.number })
    }

    fn signed_by(&self, ca: &TrustAnchor<'_>, provider: &CryptoProvider) -> bool {
        let algorithms = provider.signature_verification_algorithms.all;
        x509::is_crl_signed_by(&self.der, &ca.subject_public_key_info, algorithms).unwrap_or(false)
    }

    fn number(&self) -> &str {
        self.number.as_deref().unwrap_or("unknown")
    }
}

/// Returns the name of a CA for messages.
fn issuer_name(subject: &[u8]) -> String {
    x509::distinguished_name(subject)
        .map_or_else(|error| format!("a CA without a readable name ({error})"), |name| format!("{name:?}"))
}

#[cfg(test)]
mod tests;
