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
use super::files::Named;
use super::problem::TlsProblem;

const BEGINS: &[u8] = b"-----BEGIN";

/// One list.
struct List {
    der: CertificateRevocationListDer<'static>,
    issuer: Box<[u8]>,
    /// The part of its CA's certificates that it speaks of; none: all.
    scope: Option<Box<[u8]>>,
    /// From when until when it holds, in seconds since 1970.
    holds: (i64, i64),
}

/// All lists of one file.
pub(super) struct Lists(Vec<List>);

/// Until when lists hold, in seconds since 1970: the first of them counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// When there should have been a new one: when seven eighths of its time are over.
    pub due: i64,
    /// When it runs out: from then on nobody whom it would speak of is admitted.
    pub ends: i64,
}

/// How far it is with a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Nothing is to be done.
    Fresh,
    /// There should be new ones.
    Due,
    /// They have run out.
    Over,
}

impl Term {
    /// How far it is at a moment, in seconds since 1970.
    #[must_use]
    pub fn age(self, now: i64) -> Age {
        match now {
            _ if now >= self.ends => Age::Over,
            _ if now >= self.due => Age::Due,
            _ => Age::Fresh,
        }
    }
}

impl Lists {
    /// Reads a file, PEM or DER.
    pub(super) fn read(from: &Named) -> Result<Self, TlsProblem> {
        let bad = |error: &PemError| from.unreadable("revocation list (-----BEGIN X509 CRL-----)", error);
        let bytes = fs::read(&from.path).map_err(|error| bad(&PemError::Io(error)))?;
        let found: Vec<_> = if bytes.windows(BEGINS.len()).any(|window| window == BEGINS) {
            let found = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<_, _>>();
            found.map_err(|error| bad(&error))?
        } else {
            vec![CertificateRevocationListDer::from(bytes)]
        };
        if found.is_empty() {
            return Err(bad(&PemError::NoItemsFound));
        }
        let found: Vec<_> = found.into_iter().map(List::parse).collect::<Result<_, _>>().map_err(|what| {
            from.wrong(format!(
                "a list in it can't be used ({what}): give whole lists (not delta, not indirect) of version 2 with \
                 a next update, in PEM, or one in DER"
            ))
        })?;
        Ok(Self(found))
    }

    /// Looks whether every CA has its list, by its own signature, and no list is hidden behind another.
    pub(super) fn check(
        &self,
        (from, cas): (&Named, &Named),
        roots: &RootCertStore,
        provider: &CryptoProvider,
    ) -> Result<(), TlsProblem> {
        for (number, list) in self.0.iter().enumerate() {
            let hides = |other: &List| {
                let whole = list.scope.is_none() || other.scope.is_none();
                list.issuer == other.issuer && (whole || list.scope == other.scope)
            };
            if self.0.iter().skip(number + 1).any(hides) {
                let name = named(&list.issuer);
                return Err(from.wrong(format!("there are two lists of {name} in it: give the newest alone")));
            }
        }
        for ca in &roots.roots {
            let name = format!("{} in {} ({})", named(&ca.subject), cas.path.display(), cas.setting);
            let mut any = false;
            for list in self.of(ca) {
                any = true;
                if !list.signed_by(ca, provider) {
                    let remedy =
                        "is not signed by it: give the CA's own, and of CAs that share a name only one";
                    return Err(from.wrong(format!("the list of {name} {remedy}")));
                }
            }
            if !any {
                let remedy = "everybody whom it signed would be refused. Add its list, which may be empty";
                return Err(from.wrong(format!("there is no list of {name}: {remedy}")));
            }
        }
        Ok(())
    }

    fn of<'a>(&'a self, ca: &'a TrustAnchor<'_>) -> impl Iterator<Item = &'a List> {
        self.0.iter().filter(|list| *list.issuer == *ca.subject)
    }

    /// The names of CAs that have a list and are none of these: CAs between them and a client, or strangers.
    pub(super) fn others(&self, roots: &RootCertStore) -> Vec<String> {
        let known = |list: &&List| !roots.roots.iter().any(|ca| *list.issuer == *ca.subject);
        self.0.iter().filter(known).map(|list| named(&list.issuer)).collect()
    }

    pub(super) fn term(&self) -> Option<Term> {
        let due = |(from, until): (i64, i64)| until - until.saturating_sub(from).max(0) / 8;
        let due = self.0.iter().map(|list| due(list.holds)).min()?;
        Some(Term { due, ends: self.0.iter().map(|list| list.holds.1).min()? })
    }

    pub(super) fn into_der(self) -> impl Iterator<Item = CertificateRevocationListDer<'static>> {
        self.0.into_iter().map(|list| list.der)
    }
}

impl List {
    fn parse(der: CertificateRevocationListDer<'static>) -> Result<Self, webpki::Error> {
        let parsed = CertRevocationList::from(OwnedCertRevocationList::from_der(&der)?);
        let (issuer, scope) = (parsed.issuer().into(), parsed.issuing_distribution_point().map(Box::from));
        let holds = der::holds(&der).ok_or(webpki::Error::BadDerTime)?;
        Ok(Self { der, issuer, scope, holds })
    }

    fn signed_by(&self, ca: &TrustAnchor<'_>, provider: &CryptoProvider) -> bool {
        let Some(signed) = der::signed(&self.der) else { return false };
        let Some((algorithm, key)) = der::key(&ca.subject_public_key_info) else { return false };
        let fits = provider.signature_verification_algorithms.all.iter().filter(|one| {
            *one.public_key_alg_id() == *algorithm && *one.signature_alg_id() == *signed.algorithm
        });
        fits.into_iter().any(|one| one.verify_signature(key, signed.message, signed.signature).is_ok())
    }
}

/// A CA as people know it.
fn named(subject: &[u8]) -> String {
    der::name(subject).map_or_else(|| "a CA without a readable name".to_owned(), |name| format!("{name:?}"))
}

#[cfg(test)]
mod tests;
