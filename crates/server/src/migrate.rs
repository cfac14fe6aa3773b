//! The schema, for `migrate` and for the start: brought up to date, taken back, or looked at.

use latchkey_config::DatabaseSettings;
use latchkey_store::{InvalidUrl, Store, StoreOptions};

/// The store that the settings name. Nothing is opened yet.
pub(crate) fn open_store(database: &DatabaseSettings) -> Result<Store, InvalidUrl> {
    Store::connect_lazy(StoreOptions {
        url: database.url.reveal().to_owned(),
        connections: database.connections,
        check_deadline: database.deadlines.check,
        deadline: database.deadlines.management,
    })
}

/// A database and its schema.
pub struct Migrator(Store);

/// Why the schema could not be changed or looked at.
#[derive(Debug, thiserror::Error)]
#[error("the database's schema: {0}")]
pub struct MigrationError(String);

impl Migrator {
    /// Of this database. Nothing is opened yet.
    pub fn new(database: &DatabaseSettings) -> Result<Self, InvalidUrl> {
        open_store(database).map(Self)
    }

    /// Takes every step that is missing.
    pub async fn up(&self) -> Result<(), MigrationError> {
        latchkey_migrations::up(self.0.connection()).await.map_err(|e| MigrationError(e.to_string()))
    }

    /// Takes the last steps back.
    pub async fn down(&self, steps: u32) -> Result<(), MigrationError> {
        latchkey_migrations::down(self.0.connection(), steps).await.map_err(|e| MigrationError(e.to_string()))
    }

    /// Every step, oldest first, and whether it was taken.
    pub async fn status(&self) -> Result<Vec<(String, bool)>, MigrationError> {
        let steps = latchkey_migrations::status(self.0.connection()).await;
        let steps = steps.map_err(|e| MigrationError(e.to_string()))?;
        Ok(steps.into_iter().map(|step| (step.name, step.applied)).collect())
    }
}
