//! Profiles: every version of every product's document that was ever applied.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Profiles {
    Table,
    Name,
    Version,
    Document,
    AppliedAt,
    Revision,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Profiles::Table)
            .col(text(Profiles::Name))
            .col(big_integer(Profiles::Version))
            .col(text(Profiles::Document))
            .col(big_integer(Profiles::AppliedAt))
            .col(big_integer(Profiles::Revision))
            .primary_key(Index::create().col(Profiles::Name).col(Profiles::Version))
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Profiles::Table).take()).await
    }
}
