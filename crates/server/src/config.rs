//! Settings with the checks of the crates that use them, and their conversion to the options of those crates.

pub(crate) mod tls;

#[cfg(test)]
mod tests;

use latchkey_config::{
    ConfigError, ConfigErrors, ConfigSources, DatabaseSettings, DatabaseUrl, LogFormat, LogSettings, Redis,
    RewrapSettings, SettingChecks, Settings, TlsSettings,
};
use latchkey_redis::{Address, InvalidUrl};
use latchkey_telemetry::FlushGuard;

/// Reads and checks all settings that the operator has given.
pub fn load(sources: &ConfigSources) -> Result<Settings, ConfigErrors> {
    Settings::load(sources, &CrateChecks)
}

/// Reads and checks the settings of `latchkey rewrap`.
pub fn load_for_rewrap(sources: &ConfigSources) -> Result<RewrapSettings, ConfigErrors> {
    Settings::load_for_rewrap(sources, &CrateChecks)
}

/// Reads and checks the settings of `latchkey migrate`: the database and the log.
pub fn load_database(sources: &ConfigSources) -> Result<(DatabaseSettings, LogSettings), ConfigErrors> {
    Settings::load_database(sources, &CrateChecks)
}

struct CrateChecks;

impl SettingChecks for CrateChecks {
    fn database_url(&self, url: &DatabaseUrl) -> Result<(), String> {
        latchkey_store::check_url(url.reveal()).map_err(|error| error.to_string())
    }

    fn redis(&self, given: &Redis) -> Result<(), String> {
        redis(given).map(drop).map_err(|error| error.to_string())
    }

    fn tls(&self, given: &TlsSettings) -> Vec<ConfigError> {
        tls::check(given)
    }
}

/// Returns the address of Redis as its client takes it.
pub(crate) fn redis(given: &Redis) -> Result<Address, InvalidUrl> {
    let address = Address::parse(&given.url, given.ca.clone())?;
    let address = match &given.url_file {
        Some(file) => address.of_file(file.clone(), &given.url),
        None => address,
    };
    Ok(match &given.ca_file {
        Some(file) => address.of_ca_file(file.clone()),
        None => address,
    })
}

/// Starts logging for the whole process. Dropping the returned guard writes out buffered lines.
#[must_use]
pub fn start_log(log: &LogSettings) -> FlushGuard {
    let format = log.format.map(|format| match format {
        LogFormat::Text => latchkey_telemetry::LogFormat::Text,
        LogFormat::Json => latchkey_telemetry::LogFormat::Json,
    });
    latchkey_telemetry::start(format, &log.directives)
}
