//! Checks of settings that only the parts which use them can make.

use super::error::ConfigError;
use super::redis::Redis;
use super::tls::TlsSettings;

/// Checks that the composition root supplies, so that this crate depends on no part, and yet all errors are reported
/// together.
pub trait SettingChecks {
    /// Checks Redis's URL and, where it is given, its CA. The error says what to write instead, and repeats no secret.
    fn redis(&self, redis: &Redis) -> Result<(), String>;

    /// Reads the certificates, keys and revocation lists, and returns everything that is wrong with them.
    fn tls(&self, tls: &TlsSettings) -> Vec<ConfigError>;
}
