//! Errors for settings that are given and have no effect, since what they apply to is not configured. Otherwise, their
//! operator could believe that they are in force.

use super::definitions::{self, Setting};
use super::error::ConfigError;
use super::reader::SettingsReader;
use super::{DatabaseDialect, DatabasePooler};

impl SettingsReader<'_> {
    /// Adds an error for a setting that is given and has no effect. An invalid value already has an error.
    pub(super) fn refuse_unused(&mut self, setting: &Setting, remedy: &str) {
        if self.has_error(setting.key) {
            return;
        }
        match self.sources.find(setting) {
            Ok(Some(given)) => self.add_error(ConfigError::new(setting.key, given.origin, remedy)),
            Ok(None) => {}
            Err(problem) => self.add_error(problem),
        }
    }

    /// Adds errors for settings of a PostgreSQL server beside an embedded database. The defaults, `none` and
    /// `postgres`, may be given there.
    pub(super) fn refuse_server_settings(
        &mut self,
        pooler: Option<DatabasePooler>,
        dialect: Option<DatabaseDialect>,
    ) {
        if pooler.is_some_and(|pooler| pooler != DatabasePooler::None) {
            let remedy = "an embedded database has no pooler in front of it: give database_url as \
                          postgres://USER:PASSWORD@HOST/NAME, or remove this setting";
            self.refuse_unused(&definitions::DATABASE_POOLER, remedy);
        }
        if dialect.is_some_and(|dialect| dialect != DatabaseDialect::Postgres) {
            let remedy = "an embedded database does not speak PostgreSQL's protocol: give database_url as \
                          postgres://USER:PASSWORD@HOST/NAME, or remove this setting";
            self.refuse_unused(&definitions::DATABASE_DIALECT, remedy);
        }
    }

    /// Adds errors for settings of Redis, for a server without it.
    pub(super) fn refuse_redis_settings(&mut self) {
        let remedy = "it needs a redis_url: give redis_url, or remove this setting";
        self.refuse_unused(&definitions::REDIS_CA, remedy);
    }
}
