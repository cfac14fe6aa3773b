//! Requirement of a schema: the oldest migration that a program must know to use it. A program whose newest migration
//! is at least that one may run on a schema with migrations that it does not know, as happens while replicas are
//! replaced one after the other.

use std::collections::BTreeSet;

use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::Migrator;
use crate::place::Place;
use crate::schema::{self, Extent};

/// Oldest migration that a program must know to use the present schema. A migration after which older programs would
/// fail or lose data becomes the new one.
const OLDEST: &str = "m0018_schema_requirement";

/// Migrations of a database and of this program.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Names of the migrations of this program that are not applied, oldest first.
    pub(crate) missing: Vec<String>,
    /// Names of the applied migrations that this program does not know, oldest first.
    pub(crate) newer: Vec<String>,
}

impl Comparison {
    /// Reads the applied migrations. Writes nothing.
    pub(crate) async fn read(db: &impl ConnectionTrait, place: &Place) -> Result<Self, DbErr> {
        let applied = if place.migrated { applied(db).await? } else { BTreeSet::new() };
        let known: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
        Ok(Self {
            newer: applied.iter().filter(|name| !known.contains(name)).cloned().collect(),
            missing: known.into_iter().filter(|name| !applied.contains(name)).collect(),
        })
    }

    /// Returns the reason why this program must not use the schema, with what to do; `None` if it may. The tables are
    /// compared with those of the migrations unless some of these are missing.
    pub(crate) async fn conflict(
        &self,
        db: &impl ConnectionTrait,
        place: &Place,
    ) -> Result<Option<String>, DbErr> {
        if let Some(conflict) = place.conflict() {
            return Ok(Some(conflict));
        }
        match self.conflict_of_versions(db).await? {
            None if self.missing.is_empty() => schema::damage(db, place, self.extent()).await,
            conflict => Ok(conflict),
        }
    }

    /// Returns the part of the schema that is known to this program.
    fn extent(&self) -> Extent {
        if self.newer.is_empty() { Extent::Whole } else { Extent::Columns }
    }

    /// Returns the reason why this version must not use the schema.
    async fn conflict_of_versions(&self, db: &impl ConnectionTrait) -> Result<Option<String>, DbErr> {
        let Some(newest) = self.newer.last() else { return Ok(None) };
        if let Some(missing) = self.missing.first() {
            return Ok(Some(format!(
                "the database has the migration {newest}, which this version of latchkey does not know, but not \
                 {missing}: it was migrated by a version of another line; use that version"
            )));
        }
        let required = read(db).await?;
        let own = newest_known();
        Ok((own < required).then(|| {
            format!(
                "the database was migrated to {newest} by a newer version of latchkey; versions before {required} must \
                 not use it, and the newest migration of this one is {own}: use a version that has {required}, or \
                 restore the backup from before the migration"
            )
        }))
    }
}

/// Returns the names of the applied migrations, whose table must exist.
async fn applied(db: &impl ConnectionTrait) -> Result<BTreeSet<String>, DbErr> {
    let names = Statement::from_string(db.get_database_backend(), "SELECT version FROM seaql_migrations");
    db.query_all_raw(names).await?.iter().map(|row| row.try_get("", "version")).collect()
}

/// Returns the name of the newest migration of this program.
fn newest_known() -> String {
    Migrator::migrations().last().map(|step| step.name().to_owned()).unwrap_or_default()
}

/// Returns the requirement of the schema.
async fn read(db: &impl ConnectionTrait) -> Result<String, DbErr> {
    let sql = "SELECT oldest_migration FROM schema_requirement WHERE id = 1";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let row = row.ok_or_else(|| DbErr::Custom("the table schema_requirement is empty".to_owned()))?;
    row.try_get("", "oldest_migration")
}

/// Writes the requirement of the newest schema.
pub(crate) async fn write(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = format!(
        "INSERT INTO schema_requirement (id, oldest_migration) VALUES (1, '{OLDEST}') \
         ON CONFLICT (id) DO UPDATE SET oldest_migration = excluded.oldest_migration \
         WHERE schema_requirement.oldest_migration <> excluded.oldest_migration"
    );
    db.execute_unprepared(&sql).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requirement_is_a_migration_and_names_are_in_their_order() {
        let names: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
        assert!(names.iter().any(|name| name == OLDEST));
        assert!(names.is_sorted(), "names are compared: {names:?}");
    }
}
