//! Table `schema_requirement`: one row with the oldest migration that a program must know to use the schema. It lets an
//! older program run on the schema of a newer one, for example while replicas are replaced one after the other.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{integer, text};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum SchemaRequirement {
    Table,
    Id,
    OldestMigration,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let requirement = Table::create()
            .table(SchemaRequirement::Table)
            .col(integer(SchemaRequirement::Id).primary_key())
            .col(text(SchemaRequirement::OldestMigration))
            .take();
        manager.create_table(requirement).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(SchemaRequirement::Table).take()).await
    }
}
