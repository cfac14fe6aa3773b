//! Secrets that profiles name: those by which another system made the HMACs of its keys. They are sealed under the master
//! key.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary, text};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum ProfileSecrets {
    Table,
    Profile,
    Name,
    Sealed,
    SetAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let secrets = Table::create()
            .table(ProfileSecrets::Table)
            .col(text(ProfileSecrets::Profile))
            .col(text(ProfileSecrets::Name))
            .col(binary(ProfileSecrets::Sealed))
            .col(big_integer(ProfileSecrets::SetAt))
            .primary_key(Index::create().col(ProfileSecrets::Profile).col(ProfileSecrets::Name))
            .take();
        manager.create_table(secrets).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ProfileSecrets::Table).take()).await
    }
}
