//! Settings of the commands that use the database without serving.

use crate::checks::SettingChecks;
use crate::error::ConfigErrors;
use crate::reader::SettingsReader;
use crate::sources::ConfigSources;
use crate::{CheckDeadlines, DatabaseSettings, LogSettings, RewrapSettings, Settings};

impl Settings {
    /// Reads the settings of `latchkey rewrap`.
    pub fn load_for_rewrap(
        sources: &ConfigSources,
        checks: &dyn SettingChecks,
    ) -> Result<RewrapSettings, ConfigErrors> {
        let mut reader = SettingsReader::new(sources);
        let (database, log) = (reader.database(checks), reader.log());
        let master_key = reader.master_key(database.as_ref());
        let previous_master_keys = reader.previous_master_keys();
        match (database, master_key, log, reader.finish()) {
            (Some(database), Some(master_key), Some(log), errors) if errors.is_empty() => {
                Ok(RewrapSettings { database, master_key, previous_master_keys, log })
            }
            (_, _, _, errors) => Err(ConfigErrors(errors)),
        }
    }

    /// Reads the settings of `latchkey migrate`: the database and the log.
    pub fn load_database(
        sources: &ConfigSources,
        checks: &dyn SettingChecks,
    ) -> Result<(DatabaseSettings, LogSettings), ConfigErrors> {
        let mut reader = SettingsReader::new(sources);
        let (database, log) = (reader.database(checks), reader.log());
        match (database, log, reader.finish()) {
            (Some(database), Some(log), errors) if errors.is_empty() => Ok((database, log)),
            (_, _, errors) => Err(ConfigErrors(errors)),
        }
    }

    /// Reads the deadlines of a Check alone; `None` if they are invalid.
    #[must_use]
    pub fn load_check_deadlines(sources: &ConfigSources) -> Option<CheckDeadlines> {
        SettingsReader::new(sources).check_deadlines()
    }
}
