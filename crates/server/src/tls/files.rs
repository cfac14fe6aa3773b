//! The files that the settings name, read and checked. What is wrong names its setting, its file and what to do;
//! nothing of a key is ever shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};

use crate::settings::{Problem, catalogue};

/// The files of one port.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
    /// The setting that names `client_ca`.
    pub(crate) ca_setting: &'static str,
}

/// What the files hold.
pub(crate) struct Material {
    pub(crate) pair: Arc<CertifiedKey>,
    pub(crate) clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// Everything that is wrong with the files.
pub(crate) fn check(files: &Files) -> Vec<Problem> {
    read(files, &super::accept::provider()).err().unwrap_or_default()
}

/// Reads them all.
pub(crate) fn read(files: &Files, provider: &Arc<CryptoProvider>) -> Result<Material, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut keep = |problem| problems.push(problem);
    let chain = certificates(&files.cert, catalogue::TLS_CERT.key).map_err(&mut keep).ok();
    let key = key(&files.key).map_err(&mut keep).ok();
    let clients = match &files.client_ca {
        None => Some(None),
        Some(path) => verifier(path, files.ca_setting, provider).map(Some).map_err(&mut keep).ok(),
    };
    let pair =
        chain.zip(key).and_then(|(chain, key)| pair(files, chain, key, provider).map_err(&mut keep).ok());
    match (pair, clients) {
        (Some(pair), Some(clients)) => Ok(Material { pair: Arc::new(pair), clients }),
        _ => Err(problems),
    }
}

fn wrong(setting: &'static str, path: &Path, remedy: impl Into<String>) -> Problem {
    Problem::new(setting, path.display().to_string(), remedy)
}

fn unreadable(setting: &'static str, path: &Path, what: &str, error: &PemError) -> Problem {
    let remedy = match error {
        PemError::Io(error) => format!("the file can't be read: {error}"),
        PemError::NoItemsFound => format!("there is no {what} in the file: it must be PEM"),
        _ => format!("the file is not the PEM of a {what}"),
    };
    wrong(setting, path, remedy)
}

fn certificates(path: &Path, setting: &'static str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let bad =
        |error: &PemError| unreadable(setting, path, "certificate (-----BEGIN CERTIFICATE-----)", error);
    let found = CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| bad(&error))?;
    if found.is_empty() { Err(bad(&PemError::NoItemsFound)) } else { Ok(found) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let what = "private key (-----BEGIN PRIVATE KEY-----, without a passphrase)";
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(catalogue::TLS_KEY.key, path, what, &error))
}

fn pair(
    files: &Files,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Problem> {
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => wrong(
            catalogue::TLS_KEY.key,
            &files.key,
            format!(
                "it is not the key of the certificate in {} (tls_cert): give the two that were made together",
                files.cert.display()
            ),
        ),
        rustls::Error::InvalidCertificate(_) => {
            wrong(catalogue::TLS_CERT.key, &files.cert, "the certificate in it can't be parsed")
        }
        // Its text may tell of the key.
        _ => wrong(
            catalogue::TLS_KEY.key,
            &files.key,
            "it can't be used: give ECDSA P-256 or P-384, Ed25519 or RSA",
        ),
    })
}

fn verifier(
    path: &Path,
    setting: &'static str,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, setting)? {
        roots.add(certificate).map_err(|_| wrong(setting, path, "a certificate in it can't be parsed"))?;
    }
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    built.map_err(|error| wrong(setting, path, format!("it can't be used: {error}")))
}
