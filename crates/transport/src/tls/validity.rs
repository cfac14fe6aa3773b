//! Periods of validity of the certificates in the TLS files, for warnings before and after their end.

use std::path::PathBuf;

use super::files::{SettingFile, TlsFiles, certificates};
use super::x509;

/// Time before the end of a certificate from which on it expires soon, in seconds. Alerts use the same time.
const SOON: i64 = 14 * 86_400;

/// Use of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateRole {
    /// Certificate of the server.
    Server,
    /// Intermediate certificate that the server sends.
    Intermediate,
    /// CA that client certificates are verified with.
    ClientCa,
}

/// State of a certificate at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Valid for longer than two weeks.
    Current,
    /// Not valid yet; the time until it is, in seconds.
    NotYetValid(i64),
    /// Valid, with two weeks or less left; the remaining time in seconds.
    ExpiresSoon(i64),
    /// Not valid any more; the time since the end in seconds.
    Expired(i64),
}

/// Validity of a certificate in a TLS file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateValidity {
    /// Setting that names the file.
    pub setting: &'static str,
    /// Path of the file.
    pub path: PathBuf,
    /// Use of the certificate.
    pub role: CertificateRole,
    /// Name of its subject.
    pub subject: String,
    /// Begin of its validity, in seconds since 1970.
    pub not_before: i64,
    /// End of its validity, in seconds since 1970.
    pub not_after: i64,
}

impl CertificateValidity {
    /// Returns the state at a time in seconds since 1970.
    #[must_use]
    pub fn status(&self, now: i64) -> CertificateStatus {
        match self.not_after - now {
            left if left <= 0 => CertificateStatus::Expired(-left),
            _ if now < self.not_before => CertificateStatus::NotYetValid(self.not_before - now),
            left if left <= SOON => CertificateStatus::ExpiresSoon(left),
            _ => CertificateStatus::Current,
        }
    }
}

/// Returns the validity of every certificate in the files. Files and certificates that cannot be read are left out: they
/// are errors elsewhere.
#[must_use]
pub fn certificate_validities(files: &TlsFiles) -> Vec<CertificateValidity> {
    let mut found = read(&files.cert, |position| match position {
        0 => CertificateRole::Server,
        _ => CertificateRole::Intermediate,
    });
    if let Some(clients) = &files.client_auth {
        found.extend(read(&clients.ca, |_| CertificateRole::ClientCa));
    }
    found
}

fn read(file: &SettingFile, role: impl Fn(usize) -> CertificateRole) -> Vec<CertificateValidity> {
    let chain = certificates(file).unwrap_or_default();
    let validity = |(position, certificate): (usize, &rustls::pki_types::CertificateDer<'_>)| {
        let (not_before, not_after, subject) = x509::validity(certificate).ok()?;
        let (setting, path) = (file.setting, file.path.clone());
        Some(CertificateValidity { setting, path, role: role(position), subject, not_before, not_after })
    };
    chain.iter().enumerate().filter_map(validity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_reported_before_and_after_its_end() {
        let certificate = CertificateValidity {
            setting: "tls_cert",
            path: PathBuf::new(),
            role: CertificateRole::Server,
            subject: String::new(),
            not_before: 1_000,
            not_after: 1_000 + 2 * SOON,
        };
        let end = certificate.not_after;
        let cases = [
            (999, CertificateStatus::NotYetValid(1)),
            (1_000, CertificateStatus::Current),
            (end - SOON, CertificateStatus::ExpiresSoon(SOON)),
            (end - 1, CertificateStatus::ExpiresSoon(1)),
            (end, CertificateStatus::Expired(0)),
            (end + 5, CertificateStatus::Expired(5)),
        ];
        for (now, expected) in cases {
            assert_eq!(certificate.status(now), expected, "{now}");
        }
    }
}
