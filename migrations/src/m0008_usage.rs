//! Usage of keys: calls by key, hour and reason; last use and required scopes; and the number of each process's
//! last stored batch. None of these tables refers to the keys' table, since adding usage must not wait for
//! locks on keys. Also adds an index by time to the audit log.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, pk_uuid, text, uuid};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum KeyUsage {
    Table,
    KeyId,
    Hour,
    Reason,
    Calls,
}

#[derive(DeriveIden)]
enum KeyLastUses {
    Table,
    KeyId,
    UsedAt,
}

#[derive(DeriveIden)]
enum KeyScopeUses {
    Table,
    KeyId,
    Scope,
}

#[derive(DeriveIden)]
enum UsageRecorders {
    Table,
    Id,
    Batch,
    AddedAt,
}

#[derive(DeriveIden)]
enum AuditEvents {
    Table,
    Time,
}

const BY_TIME: &str = "audit_events_by_time";

fn calls() -> TableCreateStatement {
    Table::create()
        .table(KeyUsage::Table)
        .col(uuid(KeyUsage::KeyId))
        .col(big_integer(KeyUsage::Hour))
        .col(text(KeyUsage::Reason))
        .col(big_integer(KeyUsage::Calls))
        .primary_key(Index::create().col(KeyUsage::KeyId).col(KeyUsage::Hour).col(KeyUsage::Reason))
        .take()
}

fn last_uses() -> TableCreateStatement {
    Table::create()
        .table(KeyLastUses::Table)
        .col(pk_uuid(KeyLastUses::KeyId))
        .col(big_integer(KeyLastUses::UsedAt))
        .take()
}

fn scope_uses() -> TableCreateStatement {
    Table::create()
        .table(KeyScopeUses::Table)
        .col(uuid(KeyScopeUses::KeyId))
        .col(text(KeyScopeUses::Scope))
        .primary_key(Index::create().col(KeyScopeUses::KeyId).col(KeyScopeUses::Scope))
        .take()
}

fn recorders() -> TableCreateStatement {
    Table::create()
        .table(UsageRecorders::Table)
        .col(text(UsageRecorders::Id).primary_key())
        .col(big_integer(UsageRecorders::Batch))
        .col(big_integer(UsageRecorders::AddedAt))
        .take()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [calls(), last_uses(), scope_uses(), recorders()] {
            manager.create_table(table).await?;
        }
        let by_hour =
            Index::create().name("key_usage_by_hour").table(KeyUsage::Table).col(KeyUsage::Hour).take();
        manager.create_index(by_hour).await?;
        let by_time = Index::create().name(BY_TIME).table(AuditEvents::Table).col(AuditEvents::Time).take();
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(BY_TIME).table(AuditEvents::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(UsageRecorders::Table).take()).await?;
        manager.drop_table(Table::drop().table(KeyScopeUses::Table).take()).await?;
        manager.drop_table(Table::drop().table(KeyLastUses::Table).take()).await?;
        manager.drop_table(Table::drop().table(KeyUsage::Table).take()).await
    }
}
