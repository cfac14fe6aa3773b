//! Table `key_usage_minutes`: calls by key, minute and reason, of the last hour. Like the other tables of usage, it does not
//! refer to the keys' table.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text, uuid};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum KeyUsageMinutes {
    Table,
    KeyId,
    Minute,
    Reason,
    Calls,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let minutes = Table::create()
            .table(KeyUsageMinutes::Table)
            .col(uuid(KeyUsageMinutes::KeyId))
            .col(big_integer(KeyUsageMinutes::Minute))
            .col(text(KeyUsageMinutes::Reason))
            .col(big_integer(KeyUsageMinutes::Calls))
            .primary_key(
                Index::create()
                    .col(KeyUsageMinutes::KeyId)
                    .col(KeyUsageMinutes::Minute)
                    .col(KeyUsageMinutes::Reason),
            )
            .take();
        manager.create_table(minutes).await?;
        let by_minute = Index::create()
            .name("key_usage_minutes_by_minute")
            .table(KeyUsageMinutes::Table)
            .col(KeyUsageMinutes::Minute)
            .take();
        manager.create_index(by_minute).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(KeyUsageMinutes::Table).take()).await
    }
}
