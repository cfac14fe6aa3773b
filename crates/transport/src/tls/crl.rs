//! Revocation lists (RFC 5280, section 5): whom the clients' CAs no longer vouch for. rustls asks them at each
//! handshake, for every certificate up to the CA, and refuses where no list answers or the one that does has run
//! out, as Envoy and nginx do. So what would refuse everybody is looked for here, before the lists are taken over.

use std::fs;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateRevocationListDer, TrustAnchor};
use webpki::{CertRevocationList, OwnedCertRevocationList};

use super::der;
use super::error::TlsFileError;
use super::files::SettingFile;

const PEM_HEADER: &[u8] = b"-----BEGIN";

/// One list.
struct Crl {
    der: CertificateRevocationListDer<'static>,
    issuer: Box<[u8]>,
    /// The part of its CA's certificates that it speaks of; none: all.
    scope: Option<Box<[u8]>>,
    /// From when until when it holds, in seconds since 1970.
    validity: (i64, i64),
}

/// All lists of one file.
pub(super) struct CrlSet(Vec<Crl>);

/// Until when lists hold, in seconds since 1970: the first of them counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlValidity {
    /// When there should have been a new one: when seven eighths of its time are over.
    pub due: i64,
    /// When it runs out: from then on nobody whom it would speak of is admitted.
    pub expires: i64,
}

/// How far it is with a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlStatus {
    /// Nothing is to be done.
    Current,
    /// There should be new ones.
    Due,
    /// They have run out.
    Expired,
}

impl CrlValidity {
    /// How far it is at a moment, in seconds since 1970.
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
    /// Reads a file, PEM or DER.
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
        let found: Vec<_> = found.into_iter().map(Crl::parse).collect::<Result<_, _>>().map_err(|what| {
            from.error(format!(
                "a list in it can't be used ({what}): give whole lists (not delta, not indirect) of version 2 with \
                 a next update, in PEM, or one in DER"
            ))
        })?;
        Ok(Self(found))
    }

    /// Looks whether every CA has its list, by its own signature, and no list is hidden behind another.
    pub(super) fn check(
        &self,
        (from, cas): (&SettingFile, &SettingFile),
        roots: &RootCertStore,
        provider: &CryptoProvider,
    ) -> Result<(), TlsFileError> {
        for (number, list) in self.0.iter().enumerate() {
            let overlaps = |other: &Crl| {
                let whole = list.scope.is_none() || other.scope.is_none();
                list.issuer == other.issuer && (whole || list.scope == other.scope)
            };
            if self.0.iter().skip(number + 1).any(overlaps) {
                let name = issuer_name(&list.issuer);
                return Err(from.error(format!("there are two lists of {name} in it: give the newest alone")));
            }
        }
        for ca in &roots.roots {
            let name = format!("{} in {} ({})", issuer_name(&ca.subject), cas.path.display(), cas.setting);
            let mut any = false;
            for list in self.issued_by(ca) {
                any = true;
                if !list.signed_by(ca, provider) {
                    let remedy =
                        "is not signed by it: give the CA's own, and of CAs that share a name only one";
                    return Err(from.error(format!("the list of {name} {remedy}")));
                }
            }
            if !any {
                let remedy = "everybody whom it signed would be refused. Add its list, which may be empty";
                return Err(from.error(format!("there is no list of {name}: {remedy}")));
            }
        }
        Ok(())
    }

    fn issued_by<'a>(&'a self, ca: &'a TrustAnchor<'_>) -> impl Iterator<Item = &'a Crl> {
        self.0.iter().filter(|list| *list.issuer == *ca.subject)
    }

    /// The names of CAs that have a list and are none of these: CAs between them and a client, or strangers.
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
    fn parse(der: CertificateRevocationListDer<'static>) -> Result<Self, webpki::Error> {
        let parsed = CertRevocationList::from(OwnedCertRevocationList::from_der(&der)?);
        let (issuer, scope) = (parsed.issuer().into(), parsed.issuing_distribution_point().map(Box::from));
        let validity = der::crl_update_times(&der).ok_or(webpki::Error::BadDerTime)?;
        Ok(Self { der, issuer, scope, validity })
    }

    fn signed_by(&self, ca: &TrustAnchor<'_>, provider: &CryptoProvider) -> bool {
        let Some(signed) = der::split_signed(&self.der) else { return false };
        let Some((algorithm, key)) = der::public_key(&ca.subject_public_key_info) else { return false };
        let fits = provider.signature_verification_algorithms.all.iter().filter(|one| {
            *one.public_key_alg_id() == *algorithm && *one.signature_alg_id() == *signed.algorithm
        });
        fits.into_iter().any(|one| one.verify_signature(key, signed.message, signed.signature).is_ok())
    }
}

/// A CA as people know it.
fn issuer_name(subject: &[u8]) -> String {
    der::distinguished_name(subject)
        .map_or_else(|| "a CA without a readable name".to_owned(), |name| format!("{name:?}"))
}

#[cfg(test)]
mod tests;
