//! Denials of shadow mode: by profile, subject, route, reason and hour. An unrecognized principal is stored as
//! the nil UUID, since null cannot be part of a primary key. Like usage, these rows refer to no other table.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text, uuid};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum ShadowDenials {
    Table,
    Profile,
    TenantId,
    SubjectId,
    SubjectType,
    Route,
    Reason,
    Detail,
    Hour,
    Calls,
    LastAt,
}

fn denials() -> TableCreateStatement {
    use ShadowDenials::{Detail, Hour, Profile, Reason, Route, SubjectId, SubjectType, TenantId};
    let mut key = Index::create();
    for column in [Profile, TenantId, SubjectId, SubjectType, Route, Reason, Detail, Hour] {
        key.col(column);
    }
    Table::create()
        .table(ShadowDenials::Table)
        .col(text(Profile))
        .col(uuid(TenantId))
        .col(uuid(SubjectId))
        .col(text(SubjectType))
        .col(text(Route))
        .col(text(Reason))
        .col(text(Detail))
        .col(big_integer(Hour))
        .col(big_integer(ShadowDenials::Calls))
        .col(big_integer(ShadowDenials::LastAt))
        .primary_key(&mut key)
        .take()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(denials()).await?;
        let by_hour = Index::create()
            .name("shadow_denials_by_hour")
            .table(ShadowDenials::Table)
            .col(ShadowDenials::Hour)
            .take();
        manager.create_index(by_hour).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ShadowDenials::Table).take()).await
    }
}
