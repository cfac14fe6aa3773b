//! TLS as the settings name it: one certificate for every port, and who may be a client of which.

use std::path::PathBuf;

use super::catalogue::{self, Setting};
use super::checks::Checks;
use super::problem::Problem;
use super::reader::Reader;
use super::values;

/// What the ports are served with.
#[derive(Clone, Debug)]
pub struct Tls {
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

impl Reader<'_> {
    /// Whether a port may be reached from elsewhere: with TLS, it may.
    pub(super) fn encrypted(&mut self) -> bool {
        self.is_given(&catalogue::TLS_CERT)
    }

    pub(super) fn tls(&mut self, checks: &dyn Checks) -> Option<Tls> {
        let path = |text: &str| Ok(PathBuf::from(text));
        let cert = self.read(&catalogue::TLS_CERT, path);
        let key = self.read(&catalogue::TLS_KEY, path);
        let client_ca = self.read(&catalogue::TLS_CLIENT_CA, path);
        let client_crl = self.read(&catalogue::TLS_CLIENT_CRL, path);
        let management_ca = self.read(&catalogue::MANAGEMENT_TLS_CLIENT_CA, path);
        let management_crl = self.read(&catalogue::MANAGEMENT_TLS_CLIENT_CRL, path);
        let http = self.read(&catalogue::HTTP_TLS, values::switch).unwrap_or_default();
        self.lists();
        let (Some(cert), Some(key)) = (&cert, &key) else {
            let pair =
                [(&catalogue::TLS_CERT, &catalogue::TLS_KEY), (&catalogue::TLS_KEY, &catalogue::TLS_CERT)];
            for (one, other) in pair {
                self.needs(one, other, "a certificate and its key belong together");
            }
            if cert.is_none() && key.is_none() {
                let needing = [&catalogue::TLS_CLIENT_CA, &catalogue::MANAGEMENT_TLS_CLIENT_CA];
                for one in needing {
                    self.needs(
                        one,
                        &catalogue::TLS_CERT,
                        "clients show certificates to a server that has one",
                    );
                }
                if http {
                    self.needs(
                        &catalogue::HTTP_TLS,
                        &catalogue::TLS_CERT,
                        "the HTTP port has no other certificate",
                    );
                }
            }
            return None;
        };
        let (cert, key) = (cert.clone(), key.clone());
        let management_client_ca = management_ca.or_else(|| client_ca.clone());
        let management_client_crl = management_crl.or_else(|| client_crl.clone());
        let tls = Tls { cert, key, client_ca, client_crl, management_client_ca, management_client_crl, http };
        self.tell(checks.tls(&tls));
        Some(tls)
    }

    /// Lists without a CA whose they are would be read by nobody, and so would a CA of a port that isn't there.
    fn lists(&mut self) {
        let why = "revocation lists speak of certificates that clients are asked for";
        self.needs(&catalogue::TLS_CLIENT_CRL, &catalogue::TLS_CLIENT_CA, why);
        if !self.is_given(&catalogue::TLS_CLIENT_CA) {
            self.needs(&catalogue::MANAGEMENT_TLS_CLIENT_CRL, &catalogue::MANAGEMENT_TLS_CLIENT_CA, why);
        }
        // Without that port, management is served where nobody would be asked for a certificate of this CA.
        let why = "it is asked for on the management port alone (tls_client_ca is of both)";
        self.needs(&catalogue::MANAGEMENT_TLS_CLIENT_CA, &catalogue::MANAGEMENT_ADDR, why);
        let why = "these lists are of the management port alone (tls_client_crl is of both)";
        self.needs(&catalogue::MANAGEMENT_TLS_CLIENT_CRL, &catalogue::MANAGEMENT_ADDR, why);
    }

    /// A setting that is given makes no sense without another.
    fn needs(&mut self, given: &Setting, missing: &Setting, why: &str) {
        if self.is_given(given) && !self.is_given(missing) {
            let remedy =
                format!("{why}: give {} as well ({}, --{})", missing.key, missing.variable, missing.flag());
            self.tell(vec![Problem::new(given.key, "given alone", remedy)]);
        }
    }
}
