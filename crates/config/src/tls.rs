//! TLS as the settings name it: one certificate for every port, and who may be a client of which.

use std::path::PathBuf;

use super::checks::SettingChecks;
use super::definitions::{self, Setting};
use super::error::ConfigError;
use super::reader::SettingsReader;
use super::values;

/// What the ports are served with.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// The server's certificate, and after it those between it and its CA.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the clients' certificates of the gRPC port.
    pub client_ca: Option<PathBuf>,
    /// Whom those no longer vouch for.
    pub client_crl: Option<PathBuf>,
    /// The same of the management port.
    pub management_client_ca: Option<PathBuf>,
    /// The same of the management port.
    pub management_client_crl: Option<PathBuf>,
    /// Whether the HTTP port speaks TLS too.
    pub http: bool,
}

impl SettingsReader<'_> {
    /// Whether a port may be reached from elsewhere: with TLS, it may.
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
                        "clients show certificates to a server that has one",
                    );
                }
                if http {
                    self.require(
                        &definitions::HTTP_TLS,
                        &definitions::TLS_CERT,
                        "the HTTP port has no other certificate",
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

    /// Lists without a CA whose they are would be read by nobody, and so would a CA of a port that isn't there.
    fn check_crl_settings(&mut self) {
        let why = "revocation lists speak of certificates that clients are asked for";
        self.require(&definitions::TLS_CLIENT_CRL, &definitions::TLS_CLIENT_CA, why);
        if !self.is_given(&definitions::TLS_CLIENT_CA) {
            self.require(
                &definitions::MANAGEMENT_TLS_CLIENT_CRL,
                &definitions::MANAGEMENT_TLS_CLIENT_CA,
                why,
            );
        }
        // Without that port, management is served where nobody would be asked for a certificate of this CA.
        let why = "it is asked for on the management port alone (tls_client_ca is of both)";
        self.require(&definitions::MANAGEMENT_TLS_CLIENT_CA, &definitions::MANAGEMENT_ADDR, why);
        let why = "these lists are of the management port alone (tls_client_crl is of both)";
        self.require(&definitions::MANAGEMENT_TLS_CLIENT_CRL, &definitions::MANAGEMENT_ADDR, why);
    }

    /// A setting that is given makes no sense without another.
    fn require(&mut self, given: &Setting, missing: &Setting, why: &str) {
        if self.is_given(given) && !self.is_given(missing) {
            let remedy =
                format!("{why}: give {} as well ({}, --{})", missing.key, missing.variable, missing.flag());
            self.add_errors(vec![ConfigError::new(given.key, "given alone", remedy)]);
        }
    }
}
