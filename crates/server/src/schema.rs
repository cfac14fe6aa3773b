//! The schema, for `migrate` and for the start: brought up to date, taken back, or looked at.

use latchkey_config::Database;
use latchkey_store::{BadUrl, Store, StoreOptions};

/// The store that the settings name. Nothing is opened yet.
pub(crate) fn store(database: &Database) -> Result<Store, BadUrl> {
    Store::connect_lazy(StoreOptions {
        url: database.url.reveal().to_owned(),
        connections: database.connections,
        check_deadline: database.deadlines.check,
        deadline: database.deadlines.management,
    })
}

/// A database and its schema.
pub struct Schema(Store);

/// Why the schema could not be changed or looked at.
#[derive(Debug, thiserror::Error)]
#[error("the database's schema: {0}")]
pub struct SchemaError(String);

impl Schema {
    /// Of this database. Nothing is opened yet.
    pub fn of(database: &Database) -> Result<Self, BadUrl> {
        store(database).map(Self)
    }

    /// Takes every step that is missing.
    pub async fn up(&self) -> Result<(), SchemaError> {
        latchkey_migrations::up(self.0.connection()).await.map_err(|e| SchemaError(e.to_string()))
    }

    /// Takes the last steps back.
    pub async fn down(&self, steps: u32) -> Result<(), SchemaError> {
        latchkey_migrations::down(self.0.connection(), steps).await.map_err(|e| SchemaError(e.to_string()))
    }

    /// Every step, oldest first, and whether it was taken.
    pub async fn status(&self) -> Result<Vec<(String, bool)>, SchemaError> {
        let steps = latchkey_migrations::status(self.0.connection()).await;
        let steps = steps.map_err(|e| SchemaError(e.to_string()))?;
        Ok(steps.into_iter().map(|step| (step.name, step.applied)).collect())
    }
}
