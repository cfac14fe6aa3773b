//! Migrations of the database schema, for `latchkey migrate` and for start-up.

use latchkey_config::{DatabaseDialect, DatabasePooler, DatabaseSettings, MissingDatabase};
use latchkey_core::ports::Replicas as _;
use latchkey_migrations::ReversalError;
pub use latchkey_migrations::{DataLoss, SchemaStatus, Step, StepState};
use latchkey_store::{
    DatabaseFileError, Dialect, InvalidUrl, Pooler, Store, StoreOptions, commit_migrations,
};

/// Makes the store that the settings name. No connection is opened yet.
pub(crate) fn open_store(database: &DatabaseSettings) -> Result<Store, InvalidUrl> {
    let store = Store::connect_lazy(StoreOptions {
        url: database.url.reveal().to_owned(),
        connections: database.connections,
        check_deadline: database.deadlines.check.query(),
        deadline: database.deadlines.management,
        pooler: match database.pooler {
            DatabasePooler::None | DatabasePooler::Session => Pooler::Session,
            DatabasePooler::Transaction => Pooler::Transaction,
        },
        dialect: match database.dialect {
            DatabaseDialect::Postgres => Dialect::Postgres,
            DatabaseDialect::Compatible => Dialect::Compatible,
        },
    })?;
    Ok(match database.url.file() {
        Some(file) => store.with_url_file(file.to_owned(), database.url.reveal()),
        None => store,
    })
}

/// Reason why an embedded database must not be written to by this process.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedDatabaseError {
    /// The database is gone, and its master key is still there.
    #[error(transparent)]
    Missing(#[from] MissingDatabase),
    /// Another process uses the file, or it cannot be opened.
    #[error(transparent)]
    File(#[from] DatabaseFileError),
}

/// Takes an embedded database for this process as long as the store exists, before anything is written to it. Does
/// nothing on PostgreSQL. Blocks for the time of a few system calls.
pub(crate) fn take_embedded(database: &DatabaseSettings, store: &Store) -> Result<(), EmbeddedDatabaseError> {
    // Locking creates the file.
    database.check_present()?;
    Ok(store.lock_database_file()?)
}

/// Database whose schema is migrated.
pub struct Migrator {
    store: Store,
    database: DatabaseSettings,
}

/// Reason why the schema could not be changed or read.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Error of the database or its file.
    #[error("failed to access the database schema: {0}")]
    Database(String),
    /// The schema is that of another version, or damaged, or another process uses the file.
    #[error("{0}")]
    Conflict(String),
    /// A reversal would delete data.
    #[error("{0}")]
    DataLoss(String),
}

impl Migrator {
    /// Makes a migrator of a database. No connection is opened yet.
    pub fn new(database: &DatabaseSettings) -> Result<Self, InvalidUrl> {
        Ok(Self { store: open_store(database)?, database: database.clone() })
    }

    /// Applies all missing migrations. An embedded database must not be in use by another process. Returns the migrations
    /// of a newer version, which this program does not know.
    pub async fn up(&self) -> Result<Vec<String>, MigrationError> {
        self.take_embedded()?;
        self.reach().await?;
        match latchkey_migrations::up_by(self.store.connection(), commit_migrations).await {
            Ok(migrated) => {
                if let Some(notice) = migrated.notice {
                    tracing::warn!("{notice}");
                }
                Ok(migrated.newer)
            }
            Err(error) => Err(self.explain(self.store.cause_of_migration(&error).await, false).await),
        }
    }

    /// Reverts the last `steps` migrations, and logs the names of replicas that may run. An embedded database must not be in use
    /// by another process. Fails if that would delete data, unless the loss is accepted.
    pub async fn down(&self, steps: u32, loss: DataLoss) -> Result<(), MigrationError> {
        self.take_embedded()?;
        self.reach().await?;
        self.warn_of_replicas().await;
        match latchkey_migrations::down_by(self.store.connection(), steps, loss, commit_migrations).await {
            Ok(()) => Ok(()),
            Err(error @ ReversalError::DataLoss(_)) => Err(MigrationError::DataLoss(error.to_string())),
            Err(ReversalError::Database(error)) => {
                Err(self.explain(self.store.cause_of_migration(&error).await, true).await)
            }
        }
    }

    /// Logs the names of replicas that have not left the database of a server.
    async fn warn_of_replicas(&self) {
        if self.database.url.embedded().is_some() {
            return;
        }
        // An earlier schema can lack the table.
        let fleet = self.store.list(0).await;
        self.store.close_idle().await;
        let Ok(fleet) = fleet else { return };
        let rows = fleet.rows.iter().filter(|row| !row.departed);
        let replicas: Vec<&str> = rows.map(|row| &*row.replica.name).collect();
        if !replicas.is_empty() {
            tracing::warn!(
                replicas = replicas.join(", "),
                "replicas run with this schema, or were killed: the tables and columns that a reversal removes are missing for \
                 those that run; stop them first"
            );
        }
    }

    /// Returns the error of a change that failed: a conflict if the schema is that of another version. A schema with
    /// migrations of a newer version conflicts with a reversal, even if this program can use it.
    async fn explain(&self, cause: String, is_reversal: bool) -> MigrationError {
        let Ok(schema) = latchkey_migrations::status(self.store.connection()).await else {
            return MigrationError::Database(cause);
        };
        let is_newer = is_reversal && schema.names(StepState::Newer).next().is_some();
        match schema.conflict {
            Some(conflict) => MigrationError::Conflict(conflict),
            None if is_newer => MigrationError::Conflict(cause),
            None => MigrationError::Database(cause),
        }
    }

    fn take_embedded(&self) -> Result<(), MigrationError> {
        take_embedded(&self.database, &self.store).map_err(|error| match error {
            EmbeddedDatabaseError::File(DatabaseFileError::InUse(_)) => {
                MigrationError::Conflict(error.to_string())
            }
            EmbeddedDatabaseError::File(_) | EmbeddedDatabaseError::Missing(_) => {
                MigrationError::Database(error.to_string())
            }
        })
    }

    async fn reach(&self) -> Result<(), MigrationError> {
        self.store.reach().await.map_err(|failure| MigrationError::Database(failure.cause))?;
        // Where the server, the role or a pooler gives few connections, migrations need this one.
        self.store.close_idle().await;
        Ok(())
    }

    /// Lists all migrations, oldest first. Writes nothing, and creates no file of an embedded database.
    pub async fn status(&self) -> Result<SchemaStatus, MigrationError> {
        self.database.check_present().map_err(|error| MigrationError::Database(error.to_string()))?;
        if self.database.url.creates_file() && self.database.is_absent_or_empty() {
            return Ok(SchemaStatus::of_empty());
        }
        let examined = self.store.examine_database_file();
        examined.map_err(|error| MigrationError::Database(error.to_string()))?;
        self.reach().await?;
        match latchkey_migrations::status(self.store.connection()).await {
            Ok(status) => Ok(status),
            Err(error) => Err(MigrationError::Database(self.store.cause_of_migration(&error).await)),
        }
    }
}

#[cfg(test)]
mod tests {
    use latchkey_config::{DatabaseDeadlines, DatabaseUrl, MasterKey};

    use super::*;

    fn settings(folder: &tempfile::TempDir) -> DatabaseSettings {
        let path = folder.path().join("latchkey.db");
        let url = DatabaseUrl::parse(&format!("sqlite:{}", path.display())).unwrap();
        let deadlines = DatabaseDeadlines::default();
        DatabaseSettings {
            url,
            connections: 2,
            pooler: DatabasePooler::None,
            dialect: DatabaseDialect::Postgres,
            migrate: true,
            single_replica: true,
            deadlines,
        }
    }

    #[tokio::test]
    async fn an_embedded_database_in_use_is_not_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        let (first, second) = (Migrator::new(&settings).unwrap(), Migrator::new(&settings).unwrap());
        first.up().await.unwrap();
        let error = second.down(1, DataLoss::Accept).await.unwrap_err();
        assert!(matches!(error, MigrationError::Conflict(_)), "{error:?}");
        assert!(error.to_string().contains("another process uses"), "{error}");
        let status = second.status().await.unwrap();
        assert!(status.steps.iter().all(|step| step.state == StepState::Applied), "reading needs no lock");
        drop(first);
        second.up().await.unwrap();
    }

    #[tokio::test]
    async fn a_missing_database_is_not_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        let path = settings.url.embedded().unwrap();
        let key = MasterKey::next_to(path);
        key.reveal().unwrap();
        Migrator::new(&settings).unwrap().up().await.unwrap();
        key.confirm().unwrap();
        for name in ["latchkey.db", "latchkey.db-wal", "latchkey.db-shm"] {
            // The last connection may have removed the files beside the database already.
            let _ = std::fs::remove_file(folder.path().join(name));
        }
        let error = Migrator::new(&settings).unwrap().up().await.unwrap_err().to_string();
        assert!(error.contains("a database was here") && !path.exists(), "{error}");
    }
}
