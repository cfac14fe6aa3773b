//! Migrations of the database schema, for `latchkey migrate` and for start-up.

use latchkey_config::DatabaseSettings;
use latchkey_store::{InvalidUrl, Store, StoreOptions};

/// Makes the store that the settings name. No connection is opened yet.
pub(crate) fn open_store(database: &DatabaseSettings) -> Result<Store, InvalidUrl> {
    Store::connect_lazy(StoreOptions {
        url: database.url.reveal().to_owned(),
        connections: database.connections,
        check_deadline: database.deadlines.check,
        deadline: database.deadlines.management,
    })
}

/// Database whose schema is migrated.
pub struct Migrator(Store);

/// Reason why the schema could not be changed or read.
#[derive(Debug, thiserror::Error)]
#[error("failed to access the database schema: {0}")]
pub struct MigrationError(String);

impl Migrator {
    /// Makes a migrator of a database. No connection is opened yet.
    pub fn new(database: &DatabaseSettings) -> Result<Self, InvalidUrl> {
        open_store(database).map(Self)
    }

    /// Applies all missing migrations.
    pub async fn up(&self) -> Result<(), MigrationError> {
        latchkey_migrations::up(self.0.connection()).await.map_err(|e| MigrationError(e.to_string()))
    }

    /// Reverts the last `steps` migrations.
    pub async fn down(&self, steps: u32) -> Result<(), MigrationError> {
        latchkey_migrations::down(self.0.connection(), steps).await.map_err(|e| MigrationError(e.to_string()))
    }

    /// Lists all migrations, oldest first, each with its name and true if it is applied.
    pub async fn status(&self) -> Result<Vec<(String, bool)>, MigrationError> {
        let steps = latchkey_migrations::status(self.0.connection()).await;
        let steps = steps.map_err(|e| MigrationError(e.to_string()))?;
        Ok(steps.into_iter().map(|step| (step.name, step.applied)).collect())
    }
}
