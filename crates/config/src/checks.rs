//! Checks of settings that need the parts which use them.

use super::database::DatabaseUrl;
use super::error::ConfigError;
use super::redis::Redis;
use super::tls::TlsSettings;

/// Checks that the composition root supplies, so that all errors are reported together although this crate does not depend
/// on those parts.
pub trait SettingChecks {
    /// Checks the parts of the database's URL. The error holds the remedy, and no secret.
    fn database_url(&self, url: &DatabaseUrl) -> Result<(), String>;

    /// Checks Redis's URL and its CA, if one is given. The error holds the remedy, and no secret.
    fn redis(&self, redis: &Redis) -> Result<(), String>;

    /// Reads the certificates, keys and revocation lists, and returns all errors in them.
    fn tls(&self, tls: &TlsSettings) -> Vec<ConfigError>;
}
