//! Tokens: families, their refresh tokens by hash, and the keys that sign access tokens. A family belongs to a
//! key or a user; a used refresh token keeps its successor, sealed.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, binary_len, binary_null, pk_uuid, text, text_null, uuid, uuid_null,
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
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum TokenFamilies {
    Table,
    Id,
    TenantId,
    KeyId,
    UserId,
    Generation,
    Audience,
    TtlSeconds,
    CreatedAt,
    EndsAt,
    EndedAt,
}

#[derive(DeriveIden)]
enum RefreshTokens {
    Table,
    Hash,
    FamilyId,
    Scopes,
    SpentAt,
    Successor,
    SuccessorScopes,
}

#[derive(DeriveIden)]
enum SigningKeys {
    Table,
    Id,
    Profile,
    Algorithm,
    Sealed,
    CreatedAt,
    SignsFrom,
    SignsUntil,
    LongestSeconds,
    WithdrawnAt,
}

fn families() -> TableCreateStatement {
    let to_tenant = ForeignKey::create()
        .from(TokenFamilies::Table, TokenFamilies::TenantId)
        .to(Tenants::Table, Tenants::Id)
        .take();
    let to_key = ForeignKey::create()
        .from(TokenFamilies::Table, TokenFamilies::KeyId)
        .to(Keys::Table, Keys::Id)
        .take();
    let to_user = ForeignKey::create()
        .from(TokenFamilies::Table, TokenFamilies::UserId)
        .to(Users::Table, Users::Id)
        .take();
    Table::create()
        .table(TokenFamilies::Table)
        .col(pk_uuid(TokenFamilies::Id))
        .col(uuid(TokenFamilies::TenantId))
        .col(uuid_null(TokenFamilies::KeyId))
        .col(uuid_null(TokenFamilies::UserId))
        .col(big_integer(TokenFamilies::Generation))
        .col(text(TokenFamilies::Audience))
        .col(big_integer(TokenFamilies::TtlSeconds))
        .col(big_integer(TokenFamilies::CreatedAt))
        .col(big_integer(TokenFamilies::EndsAt))
        .col(big_integer_null(TokenFamilies::EndedAt))
        .foreign_key(&mut to_tenant.clone())
        .foreign_key(&mut to_key.clone())
        .foreign_key(&mut to_user.clone())
        .take()
}

fn refresh_tokens() -> TableCreateStatement {
    Table::create()
        .table(RefreshTokens::Table)
        .col(binary_len(RefreshTokens::Hash, 32).primary_key())
        .col(uuid(RefreshTokens::FamilyId))
        .col(text(RefreshTokens::Scopes))
        .col(big_integer_null(RefreshTokens::SpentAt))
        .col(binary_null(RefreshTokens::Successor))
        .col(text_null(RefreshTokens::SuccessorScopes))
        .foreign_key(
            ForeignKey::create()
                .from(RefreshTokens::Table, RefreshTokens::FamilyId)
                .to(TokenFamilies::Table, TokenFamilies::Id),
        )
        .take()
}

fn signing_keys() -> TableCreateStatement {
    Table::create()
        .table(SigningKeys::Table)
        .col(text(SigningKeys::Id).primary_key())
        .col(text(SigningKeys::Profile))
        .col(text(SigningKeys::Algorithm))
        .col(binary(SigningKeys::Sealed))
        .col(big_integer(SigningKeys::CreatedAt))
        .col(big_integer(SigningKeys::SignsFrom))
        .col(big_integer_null(SigningKeys::SignsUntil))
        .col(big_integer(SigningKeys::LongestSeconds))
        .col(big_integer_null(SigningKeys::WithdrawnAt))
        .take()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(families()).await?;
        let by_end = Index::create()
            .name("token_families_by_end")
            .table(TokenFamilies::Table)
            .col(TokenFamilies::EndsAt)
            .take();
        manager.create_index(by_end).await?;
        manager.create_table(refresh_tokens()).await?;
        let of_family = Index::create()
            .name("refresh_tokens_by_family")
            .table(RefreshTokens::Table)
            .col(RefreshTokens::FamilyId)
            .take();
        manager.create_index(of_family).await?;
        manager.create_table(signing_keys()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(SigningKeys::Table).take()).await?;
        manager.drop_table(Table::drop().table(RefreshTokens::Table).take()).await?;
        manager.drop_table(Table::drop().table(TokenFamilies::Table).take()).await
    }
}
