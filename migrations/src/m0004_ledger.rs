//! Records of writes: change-feed rows, audit events, and the head, the single row with the last positions of
//! both. The lock on the head row orders all writes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary_len, integer, text, uuid_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Changes {
    Table,
    Revision,
    Kind,
    Subject,
}

#[derive(DeriveIden)]
enum AuditEvents {
    Table,
    Sequence,
    Time,
    TenantId,
    Actor,
    Action,
    Target,
    RequestId,
    Details,
    Hash,
}

#[derive(DeriveIden)]
enum Head {
    Table,
    Id,
    Revision,
    AuditSequence,
    AuditHash,
}

fn changes() -> TableCreateStatement {
    Table::create()
        .table(Changes::Table)
        .col(big_integer(Changes::Revision).primary_key())
        .col(text(Changes::Kind))
        .col(text(Changes::Subject))
        .take()
}

fn audit_events() -> TableCreateStatement {
    Table::create()
        .table(AuditEvents::Table)
        .col(big_integer(AuditEvents::Sequence).primary_key())
        .col(big_integer(AuditEvents::Time))
        .col(uuid_null(AuditEvents::TenantId))
        .col(text(AuditEvents::Actor))
        .col(text(AuditEvents::Action))
        .col(text(AuditEvents::Target))
        .col(text(AuditEvents::RequestId))
        .col(text(AuditEvents::Details))
        .col(binary_len(AuditEvents::Hash, 32))
        .take()
}

fn head() -> TableCreateStatement {
    Table::create()
        .table(Head::Table)
        .col(integer(Head::Id).primary_key())
        .col(big_integer(Head::Revision))
        .col(big_integer(Head::AuditSequence))
        .col(binary_len(Head::AuditHash, 32))
        .take()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(changes()).await?;
        manager.create_table(audit_events()).await?;
        let of_tenant = Index::create()
            .name("audit_events_by_tenant")
            .table(AuditEvents::Table)
            .col(AuditEvents::TenantId)
            .col(AuditEvents::Sequence)
            .take();
        manager.create_index(of_tenant).await?;
        manager.create_table(head()).await?;
        let first = Query::insert()
            .into_table(Head::Table)
            .columns([Head::Id, Head::Revision, Head::AuditSequence, Head::AuditHash])
            .values_panic([1.into(), 0i64.into(), 0i64.into(), vec![0u8; 32].into()])
            .take();
        manager.execute(first).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Head::Table).take()).await?;
        manager.drop_table(Table::drop().table(AuditEvents::Table).take()).await?;
        manager.drop_table(Table::drop().table(Changes::Table).take()).await
    }
}
