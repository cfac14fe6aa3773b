//! Settings that a health check of the own server needs.

use super::listen_address::ListenAddress;
use super::reader::SettingsReader;
use super::{ConfigErrors, ConfigSources, Settings, definitions, values};

/// Port of the server that serves the probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPortSettings {
    /// Address of the port.
    pub address: ListenAddress,
    /// True if the port uses TLS.
    pub tls: bool,
}

impl Settings {
    /// Reads the settings of `latchkey health`. Errors in other settings are not reported, because their files may be
    /// unreadable for the process that checks.
    pub fn load_http_port(sources: &ConfigSources) -> Result<HttpPortSettings, ConfigErrors> {
        let mut reader = SettingsReader::new(sources);
        // The admin port serves the probes if there is one.
        let admin = reader.is_given(&definitions::ADMIN_ADDR);
        let setting = if admin { &definitions::ADMIN_ADDR } else { &definitions::HTTP_ADDR };
        let address = reader.read(setting, ListenAddress::parse);
        let tls = reader.read(&definitions::HTTP_TLS, values::switch);
        match (address, tls, reader.finish()) {
            (Some(address), Some(tls), errors) if errors.is_empty() => Ok(HttpPortSettings { address, tls }),
            (_, _, errors) => Err(ConfigErrors(errors)),
        }
    }
}
