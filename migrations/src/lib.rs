//! The history of the database schema: every migration in order, each with its reversal.
//!
//! A migration uses no entity, since entities follow the newest schema while a released migration never
//! changes. Every process of the service calls [`up`] at its start; even if many do so at once, each migration
//! is applied once.

mod grants;
mod lock;
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
mod m0017_deletions;

use sea_orm_migration::sea_orm::{DatabaseConnection, DbErr};
use sea_orm_migration::{MigrationStatus, MigrationTrait, MigratorTrait};

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
            Box::new(m0017_deletions::Migration),
        ]
    }
}

/// A migration and its state in this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name of the migration (`m0001_tenants`).
    pub name: String,
    /// True if the migration is applied.
    pub applied: bool,
}

/// Applies all pending migrations, or none. Safe to call from any number of processes at once.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let alone = lock::begin_exclusive(db).await?;
    Migrator::up(&alone, None).await?;
    lock::end(alone).await
}

/// Reverts the last `steps` migrations, or none.
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<(), DbErr> {
    let alone = lock::begin_exclusive(db).await?;
    Migrator::down(&alone, Some(steps)).await?;
    lock::end(alone).await
}

/// Returns every migration, oldest first. Writes nothing. Fails if the role lacks a permission on a table that is
/// there, since the schema would seem to be missing otherwise.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<Step>, DbErr> {
    let alone = lock::begin_reading(db).await?;
    grants::check(&alone).await?;
    let steps = Migrator::get_migration_with_status_read_only(&alone).await?;
    lock::end(alone).await?;
    let applied = |status| status == MigrationStatus::Applied;
    Ok(steps.iter().map(|s| Step { name: s.name().to_owned(), applied: applied(s.status()) }).collect())
}
