//! Tenants, the owners of keys. People and requests name a tenant by its slug.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, pk_uuid, text, text_null, text_uniq};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Tenants {
    Table,
    Id,
    Slug,
    DisplayName,
    Profile,
    Plan,
    Suspended,
    Limits,
    CreatedAt,
    Revision,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Tenants::Table)
            .col(pk_uuid(Tenants::Id))
            .col(text_uniq(Tenants::Slug))
            .col(text(Tenants::DisplayName))
            .col(text(Tenants::Profile))
            .col(text_null(Tenants::Plan))
            .col(boolean(Tenants::Suspended))
            .col(text(Tenants::Limits))
            .col(big_integer(Tenants::CreatedAt))
            .col(big_integer(Tenants::Revision))
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Tenants::Table).take()).await
    }
}
