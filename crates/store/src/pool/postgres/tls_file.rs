//! Files that the URL of PostgreSQL names for TLS. The library does not name the file that it can't use.

use std::io;
use std::path::{Path, PathBuf};

use crate::pool::OpenError;

/// Longest file that is read. A file of certificates is shorter.
const MAX_BYTES: u64 = 4 << 20;

/// Returns the error of the first file that can't be read, or that lacks what its parameter needs. It repeats no part of
/// the content.
pub(super) fn unusable(files: &[(&'static str, PathBuf)]) -> Option<OpenError> {
    files.iter().find_map(|(parameter, path)| {
        let error = check(parameter, path).err()?;
        Some(OpenError::TlsFile { parameter, path: path.clone(), error })
    })
}

fn check(parameter: &str, path: &Path) -> io::Result<()> {
    // A pipe may have nothing to read any more.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_dir() && (!metadata.is_file() || metadata.len() > MAX_BYTES) {
        return Ok(());
    }
    let content = std::fs::read(path)?;
    match missing(parameter, &String::from_utf8_lossy(&content)) {
        Some(problem) => Err(io::Error::other(problem)),
        None => Ok(()),
    }
}

/// Returns what a file's content lacks, and what to do.
fn missing(parameter: &str, content: &str) -> Option<&'static str> {
    let encrypted = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];
    match parameter {
        "sslkey" if encrypted.iter().any(|line| content.contains(line)) => Some(
            "the private key is encrypted: write it without a passphrase, for example with openssl pkey, into a file that \
             only Latchkey's user can read",
        ),
        "sslkey" if !content.contains("PRIVATE KEY-----") => {
            Some("it has no private key in PEM: give the file of the client's private key")
        }
        "sslrootcert" | "sslcert" if !content.contains("-----BEGIN CERTIFICATE-----") => {
            Some("it has no certificate in PEM: give a file with -----BEGIN CERTIFICATE-----")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_file_that_lacks_what_its_parameter_needs_is_named_with_the_cause() {
        let folder = tempfile::tempdir().unwrap();
        for (parameter, content, cause) in [
            ("sslrootcert", "", Some("no certificate in PEM")),
            ("sslcert", "-----BEGIN PRIVATE KEY-----", Some("no certificate in PEM")),
            ("sslkey", CERTIFICATE, Some("no private key in PEM")),
            ("sslkey", "-----BEGIN ENCRYPTED PRIVATE KEY-----", Some("is encrypted")),
            ("sslkey", "-----BEGIN EC PRIVATE KEY-----", None),
            ("sslcert", CERTIFICATE, None),
        ] {
            let path = folder.path().join("file.pem");
            std::fs::write(&path, content).unwrap();
            let error = unusable(&[(parameter, path)]).map(|error| error.to_string()).unwrap_or_default();
            let named = error.starts_with(parameter) && error.contains("file.pem");
            assert_eq!(named, cause.is_some(), "{error}");
            assert!(error.contains(cause.unwrap_or_default()), "{error}");
        }
    }

    #[test]
    fn a_folder_and_a_missing_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("none.pem")] {
            let error = unusable(&[("sslrootcert", path)]).unwrap().to_string();
            assert!(error.starts_with("sslrootcert can't be used: "), "{error}");
        }
    }
}
