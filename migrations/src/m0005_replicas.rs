//! Heartbeats of replicas: the last applied revision, and the end of the lease on the cache. A write has
//! propagated when no replica with a valid lease is behind it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

/// The migration.
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
