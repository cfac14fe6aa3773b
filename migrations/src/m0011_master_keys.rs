//! Key check values of master keys: not the keys themselves, but a known text sealed under each, so that a
//! start with another key is refused.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{binary, uuid};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum MasterKeyMarks {
    Table,
    Id,
    Sealed,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let marks = Table::create()
            .table(MasterKeyMarks::Table)
            .col(uuid(MasterKeyMarks::Id).primary_key())
            .col(binary(MasterKeyMarks::Sealed))
            .take();
        manager.create_table(marks).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(MasterKeyMarks::Table).take()).await
    }
}
