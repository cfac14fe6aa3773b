//! Users of tenants. An e-mail address, in lower case, is unique in its tenant. Failed sign-in attempts are
//! stored in the row, so that a lock outlives the process that set it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, integer, pk_uuid, text, uuid};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Tenants {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    TenantId,
    Email,
    Password,
    Role,
    Bindings,
    Disabled,
    Generation,
    Failed,
    FailedAt,
    CreatedAt,
    Revision,
}

fn users() -> TableCreateStatement {
    Table::create()
        .table(Users::Table)
        .col(pk_uuid(Users::Id))
        .col(uuid(Users::TenantId))
        .col(text(Users::Email))
        .col(text(Users::Password))
        .col(text(Users::Role))
        .col(text(Users::Bindings))
        .col(boolean(Users::Disabled))
        .col(big_integer(Users::Generation))
        .col(integer(Users::Failed))
        .col(big_integer(Users::FailedAt))
        .col(big_integer(Users::CreatedAt))
        .col(big_integer(Users::Revision))
        .foreign_key(ForeignKey::create().from(Users::Table, Users::TenantId).to(Tenants::Table, Tenants::Id))
        .take()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(users()).await?;
        let by_email = Index::create()
            .name("users_by_tenant_and_email")
            .table(Users::Table)
            .col(Users::TenantId)
            .col(Users::Email)
            .unique()
            .take();
        manager.create_index(by_email).await?;
        let by_age = Index::create()
            .name("users_by_tenant_and_age")
            .table(Users::Table)
            .col(Users::TenantId)
            .col(Users::Id)
            .take();
        manager.create_index(by_age).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Users::Table).take()).await
    }
}
