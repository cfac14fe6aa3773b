//! The files that the settings name, read and checked. What is wrong names its setting, its file and what to do;
//! nothing of a key is ever shown.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::clients::{ClientAuthFiles, ClientVerifier};
use super::error::TlsFileError;

/// The files of one port.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, and after it those between it and its CA.
    pub cert: SettingFile,
    /// Its private key.
    pub key: SettingFile,
    /// Where clients are asked for certificates.
    pub client_auth: Option<ClientAuthFiles>,
}

/// A file, and the setting that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFile {
    /// Where it is.
    pub path: PathBuf,
    /// Name of the setting.
    pub setting: &'static str,
}

/// What the files hold.
pub(crate) struct KeyMaterial {
    pub(crate) pair: Arc<CertifiedKey>,
    pub(crate) client_verifier: Option<ClientVerifier>,
}

/// Everything that is wrong with the files.
#[must_use]
pub fn check_files(files: &TlsFiles) -> Vec<TlsFileError> {
    read_files(files, &super::acceptor::crypto_provider()).err().unwrap_or_default()
}

/// Reads them all.
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
            verifier.map_err(|wrong| wrong.into_iter().for_each(&mut keep)).ok()
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
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => file.error(format!(
            "it is not the key of the certificate in {} ({}): give the two that were made together",
            cert.path.display(),
            cert.setting
        )),
        rustls::Error::InvalidCertificate(_) => cert.error("the certificate in it can't be parsed"),
        // Its text may tell of the key.
        _ => file.error("it can't be used: give ECDSA P-256 or P-384, Ed25519 or RSA"),
    })
}
