//! Keys, by the hash of their value, and the scopes granted to each. A tenant's keys are listed by age, which
//! is part of the identifier; a caller's idempotency key is unique in its tenant.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary_len_null, binary_len_uniq, binary_null, pk_uuid, text, text_null,
    uuid, uuid_null,
};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Tenants {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Keys {
    Table,
    Id,
    TenantId,
    Hash,
    Name,
    Kind,
    Environment,
    Prefix,
    Hint,
    Bindings,
    Networks,
    Limits,
    Metadata,
    State,
    RevokedAt,
    RevokeReason,
    CreatedAt,
    CreatedBy,
    ExpiresAt,
    RotatedFrom,
    RotatedTo,
    Sealed,
    LastUsedAt,
    IdempotencyKey,
    IdempotencyHash,
    Revision,
}

#[derive(DeriveIden)]
enum Grants {
    Table,
    KeyId,
    Scope,
}

fn keys() -> TableCreateStatement {
    Table::create()
        .table(Keys::Table)
        .col(pk_uuid(Keys::Id))
        .col(uuid(Keys::TenantId))
        .col(binary_len_uniq(Keys::Hash, 32))
        .col(text(Keys::Name))
        .col(text(Keys::Kind))
        .col(text(Keys::Environment))
        .col(text(Keys::Prefix))
        .col(text(Keys::Hint))
        .col(text(Keys::Bindings))
        .col(text(Keys::Networks))
        .col(text(Keys::Limits))
        .col(text(Keys::Metadata))
        .col(text(Keys::State))
        .col(big_integer_null(Keys::RevokedAt))
        .col(text_null(Keys::RevokeReason))
        .col(big_integer(Keys::CreatedAt))
        .col(text(Keys::CreatedBy))
        .col(big_integer_null(Keys::ExpiresAt))
        .col(uuid_null(Keys::RotatedFrom))
        .col(uuid_null(Keys::RotatedTo))
        .col(binary_null(Keys::Sealed))
        .col(big_integer_null(Keys::LastUsedAt))
        .col(text_null(Keys::IdempotencyKey))
        .col(binary_len_null(Keys::IdempotencyHash, 32))
        .col(big_integer(Keys::Revision))
        .foreign_key(ForeignKey::create().from(Keys::Table, Keys::TenantId).to(Tenants::Table, Tenants::Id))
        .take()
}

fn grants() -> TableCreateStatement {
    Table::create()
        .table(Grants::Table)
        .col(uuid(Grants::KeyId))
        .col(text(Grants::Scope))
        .primary_key(Index::create().col(Grants::KeyId).col(Grants::Scope))
        .foreign_key(ForeignKey::create().from(Grants::Table, Grants::KeyId).to(Keys::Table, Keys::Id))
        .take()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(keys()).await?;
        let by_age = Index::create()
            .name("keys_by_tenant_and_age")
            .table(Keys::Table)
            .col(Keys::TenantId)
            .col(Keys::Id)
            .take();
        manager.create_index(by_age).await?;
        let once = Index::create()
            .name("keys_made_once")
            .table(Keys::Table)
            .col(Keys::TenantId)
            .col(Keys::IdempotencyKey)
            .unique()
            .take();
        manager.create_index(once).await?;
        manager.create_table(grants()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Grants::Table).take()).await?;
        manager.drop_table(Table::drop().table(Keys::Table).take()).await
    }
}
