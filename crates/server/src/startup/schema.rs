//! The database's schema at the start: it is migrated, or compared with what this program needs, and all connections are
//! kept in it from then on.

use latchkey_migrations::StepState;
use latchkey_store::commit_migrations;

use super::{Startup, StartupError};

/// Reason of a start that waits for an administrator.
const UNUSABLE: &str = "the database's schema can't be used";

impl Startup {
    /// Migrates the schema or checks it, and keeps all connections in it.
    pub(super) async fn ensure_schema(&self) -> Result<(), StartupError> {
        // Where the server, the role or a pooler gives few connections, migrations need one of them.
        self.store.close_idle().await;
        let path = if self.migrate { self.migrate_schema().await? } else { self.read_schema().await? };
        if let Some(path) = path {
            self.store.pin_search_path(&path);
        }
        // Opened without the deadline of the calls that follow, which report a failure.
        let _ = self.store.reach().await;
        Ok(())
    }

    /// Applies the missing migrations. Returns the search path that keeps connections in the schema.
    async fn migrate_schema(&self) -> Result<Option<String>, StartupError> {
        match latchkey_migrations::up_by(self.store.connection(), commit_migrations).await {
            Ok(migrated) => {
                warn_of(migrated.notice.as_deref());
                warn_of_newer(migrated.newer.last().map(String::as_str));
                Ok(migrated.search_path)
            }
            Err(error) => Err(StartupError::Retryable(
                "the database's schema could not be migrated",
                self.store.cause_of_migration(&error).await,
            )),
        }
    }

    /// Checks that no migration is missing. Returns the search path that keeps connections in the schema.
    async fn read_schema(&self) -> Result<Option<String>, StartupError> {
        let schema = match latchkey_migrations::status(self.store.connection()).await {
            Ok(schema) => schema,
            Err(error) => {
                let cause = self.store.cause_of_migration(&error).await;
                return Err(StartupError::Retryable("the database's schema could not be read", cause));
            }
        };
        if let Some(conflict) = schema.conflict {
            return Err(StartupError::Retryable(UNUSABLE, conflict));
        }
        if let Some(missing) = schema.names(StepState::Missing).next() {
            return Err(StartupError::Retryable(
                "the database's schema is outdated: run `latchkey migrate up`, or serve with --migrate",
                format!("migration {missing} is not applied"),
            ));
        }
        warn_of(schema.notice.as_deref());
        warn_of_newer(schema.names(StepState::Newer).last());
        Ok(schema.search_path)
    }
}

/// Logs that other schemas of the database have Latchkey's tables.
fn warn_of(notice: Option<&str>) {
    if let Some(notice) = notice {
        tracing::warn!("{notice}");
    }
}

/// Logs that the schema has migrations that this program does not know.
fn warn_of_newer(migration: Option<&str>) {
    if let Some(migration) = migration {
        tracing::warn!(
            migration,
            "the database was migrated by a newer version, whose schema this one can use"
        );
    }
}
