//! The files that the settings name, read and checked. What is wrong names its setting, its file and what to do;
//! nothing of a key is ever shown.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::clients::{Clients, Verifier};
use super::problem::TlsProblem;

/// The files of one port.
#[derive(Clone, Debug)]
pub struct Files {
    /// The server's certificate, and after it those between it and its CA.
    pub cert: Named,
    /// Its private key.
    pub key: Named,
    /// Where clients are asked for certificates.
    pub clients: Option<Clients>,
}

/// A file, and the setting that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Where it is.
    pub path: PathBuf,
    /// Name of the setting.
    pub setting: &'static str,
}

/// What the files hold.
pub(crate) struct Material {
    pub(crate) pair: Arc<CertifiedKey>,
    pub(crate) clients: Option<Verifier>,
}

/// Everything that is wrong with the files.
#[must_use]
pub fn check(files: &Files) -> Vec<TlsProblem> {
    read(files, &super::accept::provider()).err().unwrap_or_default()
}

/// Reads them all.
pub(crate) fn read(files: &Files, provider: &Arc<CryptoProvider>) -> Result<Material, Vec<TlsProblem>> {
    let mut problems = Vec::new();
    let mut keep = |problem| problems.push(problem);
    let chain = certificates(&files.cert).map_err(&mut keep).ok();
    let key = key(&files.key).map_err(&mut keep).ok();
    let clients = match &files.clients {
        None => Some(None),
        Some(clients) => {
            let verifier = clients.verifier(provider).map(Some);
            verifier.map_err(|wrong| wrong.into_iter().for_each(&mut keep)).ok()
        }
    };
    let pair =
        chain.zip(key).and_then(|(chain, key)| pair(files, chain, key, provider).map_err(&mut keep).ok());
    match (pair, clients) {
        (Some(pair), Some(clients)) => Ok(Material { pair: Arc::new(pair), clients }),
        _ => Err(problems),
    }
}

impl Named {
    pub(super) fn wrong(&self, remedy: impl Into<String>) -> TlsProblem {
        TlsProblem::new(self.setting, self.path.display().to_string(), remedy)
    }

    pub(super) fn unreadable(&self, what: &str, error: &PemError) -> TlsProblem {
        self.wrong(match error {
            PemError::Io(error) => format!("the file can't be read: {error}"),
            PemError::NoItemsFound => format!("there is no {what} in the file: it must be PEM"),
            _ => format!("the file is not the PEM of a {what}"),
        })
    }
}

pub(super) fn certificates(file: &Named) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let bad = |error: &PemError| file.unreadable("certificate (-----BEGIN CERTIFICATE-----)", error);
    let found = CertificateDer::pem_file_iter(&file.path).map_err(|error| bad(&error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| bad(&error))?;
    if found.is_empty() { Err(bad(&PemError::NoItemsFound)) } else { Ok(found) }
}

fn key(file: &Named) -> Result<PrivateKeyDer<'static>, TlsProblem> {
    let what = "private key (-----BEGIN PRIVATE KEY-----, without a passphrase)";
    PrivateKeyDer::from_pem_file(&file.path).map_err(|error| file.unreadable(what, &error))
}

fn pair(
    Files { cert, key: file, .. }: &Files,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsProblem> {
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => file.wrong(format!(
            "it is not the key of the certificate in {} ({}): give the two that were made together",
            cert.path.display(),
            cert.setting
        )),
        rustls::Error::InvalidCertificate(_) => cert.wrong("the certificate in it can't be parsed"),
        // Its text may tell of the key.
        _ => file.wrong("it can't be used: give ECDSA P-256 or P-384, Ed25519 or RSA"),
    })
}
