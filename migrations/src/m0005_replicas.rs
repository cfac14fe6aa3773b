//! The replicas that decide by what they remember: how far each has come, and until when it trusts that. A
//! write is over when none that still holds is behind it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

/// The step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Replicas {
    Table,
    Id,
    Name,
    Revision,
    HoldsUntil,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let replicas = Table::create()
            .table(Replicas::Table)
            .col(text(Replicas::Id).primary_key())
            .col(text(Replicas::Name))
            .col(big_integer(Replicas::Revision))
            .col(big_integer(Replicas::HoldsUntil))
            .take();
        manager.create_table(replicas).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Replicas::Table).take()).await
    }
}
