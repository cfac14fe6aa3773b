//! Certificates of the connections that the process opens: the own one for PostgreSQL, which the database's URL names
//! (`sslcert`), and the CAs of the database (`sslrootcert`), of Redis and of the collectors of OTLP.

use std::path::Path;

use latchkey_config::{DatabaseUrl, Settings};
use latchkey_core::route::decode_segment;
use latchkey_core::time::Timestamp;
use latchkey_transport::tls::{
    CertificateStatus, CertificateValidity, SettingFile, TlsFiles, certificate_validities,
};

use super::{HostCheck, HostFinding, finding, span};
use crate::doctor::{Area, Severity};

/// Setting and parameter of the own certificate.
const OWN: &str = "database_url (sslcert)";
/// Setting and parameter of the CAs.
const ROOT: &str = "database_url (sslrootcert)";
/// Setting of the CAs of Redis.
const REDIS: &str = "redis_ca";
/// Setting of the CAs of collectors.
const OTLP: &str = "otel_exporter_otlp_certificate";

/// Returns the files of certificates that the settings name.
pub(super) fn files(settings: &Settings) -> Vec<SettingFile> {
    let redis = settings.redis.as_ref().and_then(|redis| redis.ca_file.as_deref());
    let otlp = settings.otlp.as_ref().and_then(|otlp| otlp.ca_file.as_deref());
    [of_database(&settings.database.url), of_setting(REDIS, redis), of_setting(OTLP, otlp)].concat()
}

fn of_setting(setting: &'static str, path: Option<&Path>) -> Vec<SettingFile> {
    path.map(|path| SettingFile { setting, path: path.to_owned() }).into_iter().collect()
}

/// Returns the files of certificates that a URL names.
fn of_database(url: &DatabaseUrl) -> Vec<SettingFile> {
    if url.embedded().is_some() {
        return Vec::new();
    }
    let query = url.reveal().split_once('?').map_or("", |(_, query)| query);
    let file = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let setting = match name {
            "sslcert" | "ssl-cert" => OWN,
            // The word stands for the CAs of the system.
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" if value != "system" => ROOT,
            _ => return None,
        };
        Some(SettingFile { setting, path: decode_segment(value).into_owned().into() })
    };
    query.split('&').filter_map(file).collect()
}

/// Returns the findings about all certificates in the files, each once.
pub(super) fn examine(files: &[SettingFile], now: Timestamp) -> Vec<HostFinding> {
    let seconds = now.0.div_euclid(1_000);
    let mut found: Vec<HostFinding> = Vec::new();
    for file in files {
        // The key is not read.
        let alone = TlsFiles { cert: file.clone(), key: file.clone(), client_auth: None };
        let certificates = certificate_validities(&alone);
        let new = certificates.iter().filter_map(|certificate| describe(certificate, seconds));
        for new in new {
            if found.iter().all(|other| other.key != new.key) {
                found.push(new);
            }
        }
    }
    found
}

fn describe(certificate: &CertificateValidity, now: i64) -> Option<HostFinding> {
    let at = |seconds: i64| Timestamp(seconds.saturating_mul(1_000));
    let CertificateValidity { setting, path, role: _, subject, not_before, not_after } = certificate;
    let is_own = *setting == OWN;
    let (severity, state, effect) = match certificate.status(now) {
        CertificateStatus::Current => return None,
        CertificateStatus::Expired(ago) => (
            // Other CAs of the file may be valid.
            if is_own { Severity::Error } else { Severity::Warning },
            format!("expired at {} ({} ago)", at(*not_after), span(ago)),
            if is_own {
                ": the database rejects new connections"
            } else {
                ": certificates of it are rejected"
            },
        ),
        CertificateStatus::NotYetValid(left) => (
            if is_own { Severity::Error } else { Severity::Warning },
            format!("is not valid before {} (in {})", at(*not_before), span(left)),
            ": it is too new, or the clock of this machine is behind",
        ),
        CertificateStatus::ExpiresSoon(left) => {
            (Severity::Warning, format!("expires at {} (in {})", at(*not_after), span(left)), "")
        }
    };
    let name = match *setting {
        OWN => "certificate",
        REDIS => "CA of Redis",
        OTLP => "CA of collectors",
        _ => "CA of the database",
    };
    let what = format!("{setting} ({}): the {name} {subject} {state}{effect}", path.display());
    let remedy = if *setting == OTLP {
        "replace the file by one with a longer validity, and restart the replicas one after the other"
    } else {
        "replace the file by one with a longer validity; new connections use it"
    };
    let key = format!("{}\n{subject}\n{not_after}\n{severity:?}", path.display());
    Some(HostFinding::new(HostCheck::Certificates, key, finding(Area::Settings, severity, what, remedy)))
}

#[cfg(test)]
mod tests {
    use latchkey_testing::{Ca, Pair};

    use super::*;

    /// Time in the years in which the certificates of tests are valid.
    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn the_certificates_that_a_url_names_are_watched() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let ca = Ca::new();
        let root = write("ca.pem", ca.pem());
        let old = write("own cert.pem", &ca.expired(&["latchkey"]).cert).replace(' ', "%20");
        let url = format!("postgres://u@db/x?sslmode=verify-full&sslcert={old}&sslkey=/k&sslrootcert={root}");
        let files = of_database(&DatabaseUrl::parse(&url).unwrap());
        assert_eq!(files.iter().map(|file| file.setting).collect::<Vec<_>>(), [OWN, ROOT]);
        let found = examine(&files, NOW);
        let [expired] = found.as_slice() else { panic!("{found:?}") };
        let message = &expired.finding.message;
        assert!(
            message.starts_with("database_url (sslcert) (") && message.contains("expired at 2001-"),
            "{message}"
        );
        assert!(expired.finding.severity == Severity::Error && message.contains("rejects new connections"));
    }

    #[test]
    fn a_url_without_certificates_names_no_file() {
        for url in ["postgres://u@db/x", "postgres://u@db/x?sslrootcert=system", "sqlite://a.db?mode=rwc"] {
            assert_eq!(of_database(&DatabaseUrl::parse(url).unwrap()), []);
        }
    }

    #[test]
    fn the_cas_of_redis_and_of_collectors_are_watched() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::new();
        let Pair { cert, .. } = ca.expired(&["old"]);
        let path = folder.path().join("cas.pem");
        std::fs::write(&path, [ca.pem(), cert.as_str()].concat()).unwrap();
        for (setting, words) in [(REDIS, "the CA of Redis "), (OTLP, "the CA of collectors ")] {
            let found = examine(&of_setting(setting, Some(&path)), NOW);
            let [expired] = found.as_slice() else { panic!("{found:?}") };
            let message = &expired.finding.message;
            assert!(message.starts_with(&format!("{setting} (")) && message.contains(words), "{message}");
            assert!(message.ends_with(": certificates of it are rejected"), "{message}");
            assert_eq!(expired.finding.severity, Severity::Warning);
        }
        assert_eq!(of_setting(REDIS, None), []);
    }
}
