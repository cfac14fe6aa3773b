//! The history of the database schema: every migration in order, each with its reversal.
//!
//! A migration uses no entity, since entities follow the newest schema while a released migration never
//! changes. `latchkey migrate up` calls [`up`], and so does a server at its start if the setting `migrate` says so;
//! even if several do so at once, each migration is applied once.

mod grants;
mod lock;
mod losses;
mod m0001_tenants;
mod m0002_keys;
mod m0003_profiles;
mod m0004_ledger;
mod m0005_replicas;
mod m0006_users;
mod m0007_tokens;
mod m0008_usage;
mod m0009_user_environment;
mod m0010_shadow;
mod m0011_master_keys;
mod m0012_revocation;
mod m0013_bucket_key;
mod m0014_logins;
mod m0015_lists;
mod m0016_deletions;
mod m0017_profile_changes;
mod m0018_schema_requirement;
mod m0019_profile_secrets;
mod m0020_usage_minutes;
mod place;
mod requirement;
mod schema;

use sea_orm_migration::sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use self::losses::Contents;
use self::place::Place;
use self::requirement::Comparison;
use self::schema::Extent;

/// The migrations, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_tenants::Migration),
            Box::new(m0002_keys::Migration),
            Box::new(m0003_profiles::Migration),
            Box::new(m0004_ledger::Migration),
            Box::new(m0005_replicas::Migration),
            Box::new(m0006_users::Migration),
            Box::new(m0007_tokens::Migration),
            Box::new(m0008_usage::Migration),
            Box::new(m0009_user_environment::Migration),
            Box::new(m0010_shadow::Migration),
            Box::new(m0011_master_keys::Migration),
            Box::new(m0012_revocation::Migration),
            Box::new(m0013_bucket_key::Migration),
            Box::new(m0014_logins::Migration),
            Box::new(m0015_lists::Migration),
            Box::new(m0016_deletions::Migration),
            Box::new(m0017_profile_changes::Migration),
            Box::new(m0018_schema_requirement::Migration),
            Box::new(m0019_profile_secrets::Migration),
            Box::new(m0020_usage_minutes::Migration),
        ]
    }
}

/// A migration and its state in this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name of the migration (`m0001_tenants`).
    pub name: String,
    /// State of the migration.
    pub state: StepState,
}

/// State of a migration in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Applied.
    Applied,
    /// Not applied.
    Missing,
    /// Applied by a newer version; this program does not know it.
    Newer,
}

/// Migrations of a database and of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaStatus {
    /// Every migration, oldest first.
    pub steps: Vec<Step>,
    /// Reason why this program must not use the schema, with what to do: it is that of another version, its tables are not
    /// those that the migrations make, or they are in another schema of the role's search path.
    pub conflict: Option<String>,
    /// Other schemas of the same database that have Latchkey's tables, if an operator should know of them.
    pub notice: Option<String>,
    /// Search path that keeps a connection in the schema of the tables: this schema, and then the role's own path. Quoted as in
    /// the setting; `None` in SQLite.
    pub search_path: Option<String>,
}

impl SchemaStatus {
    /// Returns the status of an empty database.
    #[must_use]
    pub fn of_empty() -> Self {
        let all = Migrator::migrations().into_iter();
        let steps =
            all.map(|step| Step { state: StepState::Missing, name: step.name().to_owned() }).collect();
        Self { steps, conflict: None, notice: None, search_path: None }
    }

    /// Returns the names of the migrations with a state, oldest first.
    pub fn names(&self, state: StepState) -> impl Iterator<Item = &str> {
        self.steps.iter().filter(move |step| step.state == state).map(|step| &*step.name)
    }
}

/// Handling of data that a reversal of migrations would delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataLoss {
    /// The reversal is refused.
    Refuse,
    /// The data is deleted.
    Accept,
}

/// Schema after its migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigratedSchema {
    /// Names of the applied migrations that this program does not know.
    pub newer: Vec<String>,
    /// Other schemas of the same database that had Latchkey's tables before, if an operator should know of them.
    pub notice: Option<String>,
    /// Search path that keeps a connection in the schema of the tables: this schema, and then the role's own path. Quoted as in
    /// the setting; `None` in SQLite.
    pub search_path: Option<String>,
}

/// Applies all pending migrations, or none. Safe to call from any number of processes at once. If migrations are applied
/// that this program does not know, the schema is that of a newer version, and nothing is changed. Fails if this program
/// must not use the schema, or if its tables are not those that the migrations make.
pub async fn up(db: &DatabaseConnection) -> Result<MigratedSchema, DbErr> {
    up_by(db, DatabaseTransaction::commit).await
}

/// Applies all pending migrations as [`up`] does, with a way to commit that looks at more than the server's answer. A
/// repeated call waits for a standby again if commits do, since it locks a row.
pub async fn up_by<F: Future<Output = Result<(), DbErr>>>(
    db: &DatabaseConnection,
    commit: impl FnOnce(DatabaseTransaction) -> F,
) -> Result<MigratedSchema, DbErr> {
    let alone = lock::begin_exclusive(db).await?;
    let place = Place::read(&alone).await?;
    let comparison = Comparison::read(&alone, &place).await?;
    if let Some(conflict) = comparison.conflict(&alone, &place).await? {
        return Err(DbErr::Custom(conflict));
    }
    if comparison.newer.is_empty() {
        Migrator::up(&alone, None).await?;
        requirement::write(&alone).await?;
    }
    if !comparison.missing.is_empty()
        && let Some(damage) = schema::damage(&alone, &place, Extent::Whole).await?
    {
        return Err(DbErr::Custom(damage));
    }
    lock::end_by(alone, commit).await?;
    Ok(MigratedSchema { newer: comparison.newer, notice: place.notice(), search_path: place.pinned_path() })
}

/// Reason why migrations were not reverted.
#[derive(Debug, thiserror::Error)]
pub enum ReversalError {
    /// Tables and columns (`table.column`) whose data would be deleted.
    #[error("nothing was reverted, because the data of {} would be deleted", .0.join(", "))]
    DataLoss(Vec<String>),
    /// Error of the database.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Reverts the last `steps` migrations, or none. Fails if that would delete data, unless the loss is accepted.
pub async fn down(db: &DatabaseConnection, steps: u32, loss: DataLoss) -> Result<(), ReversalError> {
    down_by(db, steps, loss, DatabaseTransaction::commit).await
}

/// Reverts migrations as [`down`] does, with a way to commit that looks at more than the server's answer.
pub async fn down_by<F: Future<Output = Result<(), DbErr>>>(
    db: &DatabaseConnection,
    steps: u32,
    loss: DataLoss,
    commit: impl FnOnce(DatabaseTransaction) -> F,
) -> Result<(), ReversalError> {
    let alone = lock::begin_exclusive(db).await?;
    let contents = match loss {
        DataLoss::Refuse => Some(Contents::read(&alone).await?),
        DataLoss::Accept => None,
    };
    Migrator::down(&alone, Some(steps)).await?;
    if let Some(contents) = contents {
        let lost = contents.lost(&alone).await?;
        if !lost.is_empty() {
            return Err(ReversalError::DataLoss(lost));
        }
    }
    Ok(lock::end_by(alone, commit).await?)
}

/// Returns every migration, oldest first. Writes nothing. Fails if the role can use no schema, or lacks a permission on a
/// table that is there, since the schema would seem to be missing otherwise.
pub async fn status(db: &DatabaseConnection) -> Result<SchemaStatus, DbErr> {
    let alone = lock::begin_reading(db).await?;
    let place = Place::read(&alone).await?;
    grants::check(&alone, &place).await?;
    let comparison = Comparison::read(&alone, &place).await?;
    let conflict = comparison.conflict(&alone, &place).await?;
    lock::end(alone).await?;
    let state = |name: &String| {
        if comparison.missing.contains(name) { StepState::Missing } else { StepState::Applied }
    };
    let known = Migrator::migrations().into_iter().map(|step| step.name().to_owned());
    let known = known.map(|name| Step { state: state(&name), name });
    let newer = comparison.newer.iter().map(|name| Step { name: name.clone(), state: StepState::Newer });
    let (notice, search_path) = (place.notice(), place.pinned_path());
    Ok(SchemaStatus { steps: known.chain(newer).collect(), conflict, notice, search_path })
}
