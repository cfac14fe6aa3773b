//! TLS settings: one certificate for all ports, and the CAs and revocation lists of each port's clients.

use std::path::PathBuf;

use super::checks::SettingChecks;
use super::definitions::{self, Setting};
use super::error::ConfigError;
use super::reader::SettingsReader;
use super::values;

/// TLS settings of all ports.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// File of the server's certificate, followed by its intermediate certificates.
    pub cert: PathBuf,
    /// File of the certificate's private key.
    pub key: PathBuf,
    /// File of the CA of the gRPC port's clients.
    pub client_ca: Option<PathBuf>,
    /// File of the revocation lists of the gRPC port's clients.
    pub client_crl: Option<PathBuf>,
    /// File of the CA of the management port's clients.
    pub management_client_ca: Option<PathBuf>,
    /// File of the revocation lists of the management port's clients.
    pub management_client_crl: Option<PathBuf>,
    /// True if the HTTP port is served by TLS, too.
    pub http: bool,
}

impl SettingsReader<'_> {
    /// Returns whether a certificate is given, which permits a port that other machines can reach.
    pub(super) fn has_certificate(&mut self) -> bool {
        self.is_given(&definitions::TLS_CERT)
    }

    pub(super) fn tls(&mut self, checks: &dyn SettingChecks) -> Option<TlsSettings> {
        let path = |text: &str| Ok(PathBuf::from(text));
        let cert = self.read(&definitions::TLS_CERT, path);
        let key = self.read(&definitions::TLS_KEY, path);
        let client_ca = self.read(&definitions::TLS_CLIENT_CA, path);
        let client_crl = self.read(&definitions::TLS_CLIENT_CRL, path);
        let management_ca = self.read(&definitions::MANAGEMENT_TLS_CLIENT_CA, path);
        let management_crl = self.read(&definitions::MANAGEMENT_TLS_CLIENT_CRL, path);
        let http = self.read(&definitions::HTTP_TLS, values::switch).unwrap_or_default();
        self.check_crl_settings();
        let (Some(cert), Some(key)) = (&cert, &key) else {
            let pair = [
                (&definitions::TLS_CERT, &definitions::TLS_KEY),
                (&definitions::TLS_KEY, &definitions::TLS_CERT),
            ];
            for (one, other) in pair {
                self.require(one, other, "a certificate and its key belong together");
            }
            if cert.is_none() && key.is_none() {
                let needing = [&definitions::TLS_CLIENT_CA, &definitions::MANAGEMENT_TLS_CLIENT_CA];
                for one in needing {
                    self.require(
                        one,
                        &definitions::TLS_CERT,
                        "clients present certificates only to a server that has a certificate",
                    );
                }
                if http {
                    self.require(
                        &definitions::HTTP_TLS,
                        &definitions::TLS_CERT,
                        "the HTTP port uses the same certificate",
                    );
                }
            }
            return None;
        };
        let (cert, key) = (cert.clone(), key.clone());
        let management_client_ca = management_ca.or_else(|| client_ca.clone());
        let management_client_crl = management_crl.or_else(|| client_crl.clone());
        let tls = TlsSettings {
            cert,
            key,
            client_ca,
            client_crl,
            management_client_ca,
            management_client_crl,
            http,
        };
        self.add_errors(checks.tls(&tls));
        Some(tls)
    }

    /// Checks that revocation lists have a CA, and that settings of the management port's clients have that port; they would
    /// have no effect otherwise.
    fn check_crl_settings(&mut self) {
        let why = "revocation lists apply only to certificates that clients are asked for";
        self.require(&definitions::TLS_CLIENT_CRL, &definitions::TLS_CLIENT_CA, why);
        if !self.is_given(&definitions::TLS_CLIENT_CA) {
            self.require(
                &definitions::MANAGEMENT_TLS_CLIENT_CRL,
                &definitions::MANAGEMENT_TLS_CLIENT_CA,
                why,
            );
        }
        // Without that port, management is served on the gRPC port, where clients are not asked for a certificate of this CA.
        let why = "it applies only to the management port (tls_client_ca applies to both)";
        self.require(&definitions::MANAGEMENT_TLS_CLIENT_CA, &definitions::MANAGEMENT_ADDR, why);
        let why = "it applies only to the management port (tls_client_crl applies to both)";
        self.require(&definitions::MANAGEMENT_TLS_CLIENT_CRL, &definitions::MANAGEMENT_ADDR, why);
    }

    /// Adds an error if one setting is given without another that it needs.
    pub(super) fn require(&mut self, given: &Setting, missing: &Setting, why: &str) {
        if self.is_given(given) && !self.is_given(missing) {
            let remedy =
                format!("{why}: give {} as well ({}, --{})", missing.key, missing.variable, missing.flag());
            self.add_errors(vec![ConfigError::new(given.key, "given alone", remedy)]);
        }
    }
}
