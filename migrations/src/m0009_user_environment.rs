//! Restricts a user to one environment; null allows every environment.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Users {
    Table,
    Environment,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let wider = Table::alter().table(Users::Table).add_column(text_null(Users::Environment)).take();
        manager.alter_table(wider).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let narrower = Table::alter().table(Users::Table).drop_column(Users::Environment).take();
        manager.alter_table(narrower).await
    }
}
