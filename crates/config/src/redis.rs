//! Redis's URL and its CA certificates. The URL may hold a password, so no text shows it.

use std::fmt;
use std::path::PathBuf;

use super::checks::SettingChecks;
use super::definitions;
use super::error::ConfigError;
use super::reader::SettingsReader;
use super::values;

/// Checked settings of Redis.
#[derive(Clone)]
pub struct Redis {
    /// URL of the server or of the cluster's nodes; may hold a password.
    pub url: String,
    /// CA certificates in PEM that Redis is verified with; `None` for the system's.
    pub ca: Option<Vec<u8>>,
    /// File of the CA certificates.
    pub ca_file: Option<PathBuf>,
    /// File that the URL was read from.
    pub url_file: Option<PathBuf>,
}

/// Leaves out the URL, which may hold a password.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

impl SettingsReader<'_> {
    /// Reads the settings of Redis. The CA's file is read now, so that a wrong path is reported with all other errors.
    pub(super) fn redis(&mut self, checks: &dyn SettingChecks) -> Option<Redis> {
        let ca = self.read(&definitions::REDIS_CA, values::file);
        let parse = |url: &str| {
            let redis = Redis { url: url.to_owned(), ca: None, ca_file: None, url_file: None };
            checks.redis(&redis).map(|()| redis)
        };
        let Some(redis) = self.read(&definitions::REDIS_URL, parse) else {
            if !self.has_error(definitions::REDIS_URL.key) {
                self.refuse_redis_settings();
            }
            return None;
        };
        let (ca_file, ca) = ca.unzip();
        let url_file = self.file_of(&definitions::REDIS_URL);
        let redis = Redis { ca, ca_file, url_file, ..redis };
        let checked = checks.redis(&redis);
        checked
            .map_err(|bad| self.add_error(ConfigError::new(definitions::REDIS_CA.key, "given", bad)))
            .ok()?;
        Some(redis)
    }
}
