//! Requirements of the gRPC port on the proxies that call Check, for a comparison with their configuration.

use latchkey_config::{CheckAuth, ConfigSources, Settings};

use crate::config;

/// Requirements of the gRPC port of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckPort {
    /// True if the port is served by TLS. A Unix socket never is.
    pub tls: bool,
    /// True if a caller needs a certificate of `tls_client_ca`.
    pub certificate: bool,
    /// True if a caller of Check needs one of `check_keys`.
    pub key: bool,
}

impl CheckPort {
    /// Returns the requirements by the settings; `None` if the settings are invalid, which [`super::examine`] reports.
    #[must_use]
    pub fn of(sources: &ConfigSources) -> Option<Self> {
        config::load(sources).ok().map(|settings| Self::by(&settings))
    }

    fn by(settings: &Settings) -> Self {
        let tls = settings.tls.as_ref().filter(|_| settings.listen.grpc.unix_path().is_none());
        Self {
            tls: tls.is_some(),
            certificate: tls.is_some_and(|tls| tls.client_ca.is_some()),
            key: matches!(settings.check_auth, CheckAuth::Key(_)),
        }
    }
}
