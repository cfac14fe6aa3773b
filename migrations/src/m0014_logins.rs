//! Failed logins by account and address, and addresses that users have logged in from. An account and an address are
//! hashes: accounts that do not exist are counted too. The row with an address of zeros counts for all addresses of
//! its account. Also indexes the token families of a key and of a user, whose number is limited.
//!
//! The columns `failed` and `failed_at` of users are not read any more. They stay for replicas of the earlier program.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary_len};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum LoginHistories {
    Table,
    Account,
    Address,
    ClearAt,
    KnownUntil,
    EndsAt,
}

#[derive(DeriveIden)]
enum TokenFamilies {
    Table,
    Id,
    KeyId,
    UserId,
}

fn histories() -> TableCreateStatement {
    Table::create()
        .table(LoginHistories::Table)
        .col(binary_len(LoginHistories::Account, 32))
        .col(binary_len(LoginHistories::Address, 32))
        .col(big_integer(LoginHistories::ClearAt))
        .col(big_integer(LoginHistories::KnownUntil))
        .col(big_integer(LoginHistories::EndsAt))
        .primary_key(Index::create().col(LoginHistories::Account).col(LoginHistories::Address))
        .take()
}

/// Returns the indexes of the families, by the column that they start with.
fn family_indexes() -> [IndexCreateStatement; 2] {
    let index = |name: &str, column: TokenFamilies| {
        Index::create().name(name).table(TokenFamilies::Table).col(column).col(TokenFamilies::Id).take()
    };
    [
        index("token_families_by_key", TokenFamilies::KeyId),
        index("token_families_by_user", TokenFamilies::UserId),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(histories()).await?;
        let by_end = Index::create()
            .name("login_histories_by_end")
            .table(LoginHistories::Table)
            .col(LoginHistories::EndsAt)
            .take();
        manager.create_index(by_end).await?;
        for index in family_indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["token_families_by_key", "token_families_by_user"] {
            let index = Index::drop().name(name).table(TokenFamilies::Table).to_owned();
            manager.drop_index(index).await?;
        }
        manager.drop_table(Table::drop().table(LoginHistories::Table).take()).await
    }
}
