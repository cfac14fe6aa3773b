//! Author and comment of a version of a profile, and indexes that count the keys and tenants that a change of a profile
//! affects. Active keys are counted by the format of their values and by their scopes; a revoked key is in no index.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Profiles {
    Table,
    AppliedBy,
    Comment,
}

#[derive(DeriveIden)]
enum Grants {
    Table,
    Scope,
    KeyId,
}

#[derive(DeriveIden)]
enum Tenants {
    Table,
    Profile,
    Plan,
}

/// Index of the active keys. The migration library has no partial indexes; both databases take this statement.
const KEYS_BY_FORMAT: &str = "CREATE INDEX keys_by_format ON keys (prefix, kind, environment, tenant_id, expires_at) \
    WHERE state = 'active'";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [Profiles::AppliedBy, Profiles::Comment] {
            let wider = Table::alter().table(Profiles::Table).add_column(text_null(column)).take();
            manager.alter_table(wider).await?;
        }
        manager.get_connection().execute_unprepared(KEYS_BY_FORMAT).await?;
        let by_scope = Index::create()
            .name("grants_by_scope")
            .table(Grants::Table)
            .col(Grants::Scope)
            .col(Grants::KeyId)
            .take();
        manager.create_index(by_scope).await?;
        let by_profile = Index::create()
            .name("tenants_by_profile")
            .table(Tenants::Table)
            .col(Tenants::Profile)
            .col(Tenants::Plan)
            .take();
        manager.create_index(by_profile).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table) in [
            ("keys_by_format", Alias::new("keys")),
            ("grants_by_scope", Alias::new("grants")),
            ("tenants_by_profile", Alias::new("tenants")),
        ] {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        for column in [Profiles::Comment, Profiles::AppliedBy] {
            let narrower = Table::alter().table(Profiles::Table).drop_column(column).take();
            manager.alter_table(narrower).await?;
        }
        Ok(())
    }
}
