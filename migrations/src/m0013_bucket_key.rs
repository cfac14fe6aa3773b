//! Names the key whose rate-limit buckets a successor uses; null for a key with buckets of its own. A rotation then does
//! not refill the buckets.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::uuid_null;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Keys {
    Table,
    BucketKey,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let wider = Table::alter().table(Keys::Table).add_column(uuid_null(Keys::BucketKey)).take();
        manager.alter_table(wider).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let narrower = Table::alter().table(Keys::Table).drop_column(Keys::BucketKey).take();
        manager.alter_table(narrower).await
    }
}
