//! Records of deleted keys, users and tenants, each with the revision of its deletion, so that a repeated call waits for
//! the same revision. The row of a key has the hash of its value, which can never be used again. The rows hold no
//! names, e-mail addresses and other personal data, but the slug of a tenant, by which a repeated call names it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary_len_null, pk_uuid, text, text_null, uuid};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Deletions {
    Table,
    Id,
    Kind,
    TenantId,
    Slug,
    Hash,
    Actor,
    DeletedAt,
    Revision,
}

fn deletions() -> TableCreateStatement {
    Table::create()
        .table(Deletions::Table)
        .col(pk_uuid(Deletions::Id))
        .col(text(Deletions::Kind))
        .col(uuid(Deletions::TenantId))
        .col(text_null(Deletions::Slug))
        .col(binary_len_null(Deletions::Hash, 32).unique_key().take())
        .col(text(Deletions::Actor))
        .col(big_integer(Deletions::DeletedAt))
        .col(big_integer(Deletions::Revision))
        .take()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(deletions()).await?;
        for (name, column) in
            [("deletions_by_tenant", Deletions::TenantId), ("deletions_by_slug", Deletions::Slug)]
        {
            let index =
                Index::create().name(name).table(Deletions::Table).col(column).col(Deletions::Id).take();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Deletions::Table).take()).await
    }
}
