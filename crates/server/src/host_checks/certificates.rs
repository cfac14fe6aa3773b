//! Certificates of the ports that have expired, expire soon, or are not valid yet.

use latchkey_config::TlsSettings;
use latchkey_core::time::Timestamp;
use latchkey_transport::tls::{
    CertificateRole, CertificateStatus, CertificateValidity, certificate_validities,
};

use super::{HostCheck, HostFinding, finding, span};
use crate::config;
use crate::doctor::{Area, Severity};

/// Returns the findings about all certificates, each once.
pub(super) fn examine(tls: &TlsSettings, now: Timestamp) -> Vec<HostFinding> {
    let seconds = now.0.div_euclid(1_000);
    let mut found: Vec<HostFinding> = Vec::new();
    for certificate in validities(tls) {
        let new = describe(&certificate, seconds);
        found.extend(new.filter(|new| found.iter().all(|other| other.key != new.key)));
    }
    found
}

/// Returns the end of the client CA that expires first, in seconds since 1970.
pub(super) fn client_ca_expiry(tls: &TlsSettings) -> Option<i64> {
    let cas = validities(tls).filter(|certificate| certificate.role == CertificateRole::ClientCa);
    cas.map(|certificate| certificate.not_after).min()
}

fn validities(tls: &TlsSettings) -> impl Iterator<Item = CertificateValidity> {
    let ports = [config::tls::grpc(tls), config::tls::management(tls)];
    ports.into_iter().flat_map(|files| certificate_validities(&files))
}

fn describe(certificate: &CertificateValidity, now: i64) -> Option<HostFinding> {
    let at = |seconds: i64| Timestamp(seconds.saturating_mul(1_000));
    let CertificateValidity { setting, path, role, subject, not_before, not_after } = certificate;
    let client_ca = *role == CertificateRole::ClientCa;
    let (severity, state, effect) = match certificate.status(now) {
        CertificateStatus::Current => return None,
        CertificateStatus::Expired(ago) => (
            if client_ca { Severity::Warning } else { Severity::Error },
            format!("expired at {} ({} ago)", at(*not_after), span(ago)),
            if client_ca {
                ": it is still used to verify clients here, and other programs reject its certificates"
            } else {
                ": clients refuse to connect"
            },
        ),
        CertificateStatus::NotYetValid(left) => (
            Severity::Error,
            format!("is not valid before {} (in {})", at(*not_before), span(left)),
            ": it is too new, or the clock of this machine is behind",
        ),
        CertificateStatus::ExpiresSoon(left) => {
            (Severity::Warning, format!("expires at {} (in {})", at(*not_after), span(left)), "")
        }
    };
    let name = match role {
        CertificateRole::Server => "certificate",
        CertificateRole::Intermediate => "intermediate certificate",
        CertificateRole::ClientCa => "CA of clients",
    };
    let what = format!("{setting} ({}): the {name} {subject} {state}{effect}", path.display());
    let remedy = "replace the file by one with a longer validity: it is read again within two seconds";
    let key = format!("{}\n{subject}\n{not_after}\n{severity:?}", path.display());
    Some(HostFinding::new(HostCheck::Certificates, key, finding(Area::Settings, severity, what, remedy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_named_with_its_setting_its_subject_and_the_time() {
        let of = |role, not_after| {
            let certificate = CertificateValidity {
                setting: "tls_cert",
                path: "cert.pem".into(),
                role,
                subject: "CN=latchkey".to_owned(),
                not_before: 0,
                not_after,
            };
            describe(&certificate, 1_000_000).map(|found| (found.finding.severity, found.finding.message))
        };
        assert_eq!(of(CertificateRole::Server, 1_000_000_000), None);
        let (severity, text) = of(CertificateRole::Server, 1_000_000 - 7_200).unwrap();
        assert!(severity == Severity::Error && text.contains("expired at 1970-01-12T"), "{text}");
        assert!(text.starts_with("tls_cert (cert.pem): the certificate CN=latchkey"), "{text}");
        assert!(text.contains("(2 h ago): clients refuse"), "{text}");
        let (severity, text) = of(CertificateRole::ClientCa, 1_000_000 - 7_200).unwrap();
        assert!(severity == Severity::Warning && text.contains("still used"), "{text}");
        let (severity, text) = of(CertificateRole::Server, 1_000_000 + 3 * 86_400).unwrap();
        assert!(severity == Severity::Warning && text.contains("(in 3 d)"), "{text}");
    }
}
