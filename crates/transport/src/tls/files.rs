//! Reads and checks the TLS files that the settings name. An error names the setting, the file and the remedy, and never
//! shows any part of a key.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::clients::{ClientAuthFiles, ClientVerifier};
use super::error::TlsFileError;
use super::x509;

/// TLS files of a port.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate of the server, followed by its intermediate certificates.
    pub cert: SettingFile,
    /// Private key of the certificate.
    pub key: SettingFile,
    /// Files for client certificates; `None` if clients are not asked for one.
    pub client_auth: Option<ClientAuthFiles>,
}

/// File and the setting that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Name of the setting.
    pub setting: &'static str,
}

/// Parsed content of the files.
pub(crate) struct KeyMaterial {
    pub(crate) pair: Arc<CertifiedKey>,
    pub(crate) client_verifier: Option<ClientVerifier>,
}

/// Returns all errors in the files.
#[must_use]
pub fn check_files(files: &TlsFiles) -> Vec<TlsFileError> {
    read_files(files, &super::acceptor::crypto_provider()).err().unwrap_or_default()
}

/// Reads all files, or returns all errors in them.
pub(crate) fn read_files(
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<KeyMaterial, Vec<TlsFileError>> {
    let mut problems = Vec::new();
    let mut keep = |problem| problems.push(problem);
    let chain = certificates(&files.cert).map_err(&mut keep).ok();
    let key = key(&files.key).map_err(&mut keep).ok();
    let clients = match &files.client_auth {
        None => Some(None),
        Some(clients) => {
            let verifier = clients.verifier(provider).map(Some);
            verifier.map_err(|errors| errors.into_iter().for_each(&mut keep)).ok()
        }
    };
    let pair = chain
        .zip(key)
        .and_then(|(chain, key)| certified_key(files, chain, key, provider).map_err(&mut keep).ok());
    match (pair, clients) {
        (Some(pair), Some(client_verifier)) => Ok(KeyMaterial { pair: Arc::new(pair), client_verifier }),
        _ => Err(problems),
    }
}

impl SettingFile {
    pub(super) fn error(&self, remedy: impl Into<String>) -> TlsFileError {
        TlsFileError::new(self.setting, self.path.display().to_string(), remedy)
    }

    pub(super) fn pem_error(&self, what: &str, error: &PemError) -> TlsFileError {
        self.error(match error {
            PemError::Io(error) => format!("the file can't be read: {error}"),
            PemError::NoItemsFound => format!("there is no {what} in the file: it must be PEM"),
            _ => format!("the file is not the PEM of a {what}"),
        })
    }
}

pub(super) fn certificates(file: &SettingFile) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let bad = |error: &PemError| file.pem_error("certificate (-----BEGIN CERTIFICATE-----)", error);
    let found = CertificateDer::pem_file_iter(&file.path).map_err(|error| bad(&error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| bad(&error))?;
    if found.is_empty() { Err(bad(&PemError::NoItemsFound)) } else { Ok(found) }
}

fn key(file: &SettingFile) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let what = "private key (-----BEGIN PRIVATE KEY-----, without a passphrase)";
    PrivateKeyDer::from_pem_file(&file.path).map_err(|error| file.pem_error(what, &error))
}

fn certified_key(
    TlsFiles { cert, key: file, .. }: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsFileError> {
    let first = chain.first().cloned();
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => file.error(format!(
            "it is not the key of the certificate in {} ({}): give a certificate and the key that it was issued for",
            cert.path.display(),
            cert.setting
        )),
        rustls::Error::InvalidCertificate(_) => {
            let cause = first.map(|first| x509::rejection_cause(&first, &error)).unwrap_or_default();
            cert.error(format!("the certificate in it cannot be parsed ({cause})"))
        }
        // The error's text could reveal parts of the key.
        _ => file.error("it cannot be used: give an ECDSA P-256 or P-384, Ed25519 or RSA key"),
    })
}
