//! Columns that make revocation independent of clocks, and that detect lost commits. A replica's row announces its
//! lease, a counter of heartbeats, the history that it has applied, the name that the replica keeps across restarts,
//! and a checksum. A change names the access that it took away, and carries the hash of the audit chain, by which a
//! follower notices that a database lost commits. The table `fleet` counts registrations and removals of replicas, so
//! that rows that another program deletes are detected.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, binary_null, boolean, integer, text_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Replicas {
    Table,
    Id,
    LeaseMs,
    Beat,
    Departed,
    StableName,
    Host,
    History,
    Challenge,
    Checksum,
}

#[derive(DeriveIden)]
enum Changes {
    Table,
    Effect,
    History,
}

#[derive(DeriveIden)]
enum Fleet {
    Table,
    Id,
    Registrations,
    Removals,
    LongestLeaseMs,
}

fn fleet() -> TableCreateStatement {
    Table::create()
        .table(Fleet::Table)
        .col(integer(Fleet::Id).primary_key())
        .col(big_integer(Fleet::Registrations))
        .col(big_integer(Fleet::Removals))
        .col(big_integer(Fleet::LongestLeaseMs))
        .take()
}

/// Returns the statements that add columns, one for each: SQLite adds one column by one statement.
fn added() -> Vec<TableAlterStatement> {
    let replicas = |column: ColumnDef| Table::alter().table(Replicas::Table).add_column(column).take();
    let changes = |column: ColumnDef| Table::alter().table(Changes::Table).add_column(column).take();
    vec![
        replicas(big_integer_null(Replicas::LeaseMs)),
        replicas(big_integer(Replicas::Beat).default(0).take()),
        replicas(boolean(Replicas::Departed).default(false).take()),
        replicas(text_null(Replicas::StableName)),
        replicas(text_null(Replicas::Host)),
        replicas(binary_null(Replicas::History)),
        replicas(big_integer_null(Replicas::Challenge)),
        replicas(binary_null(Replicas::Checksum)),
        changes(text_null(Changes::Effect)),
        changes(binary_null(Changes::History)),
    ]
}

/// Returns the statements that remove the columns.
fn removed() -> Vec<TableAlterStatement> {
    let of_replicas = [
        Replicas::LeaseMs,
        Replicas::Beat,
        Replicas::Departed,
        Replicas::StableName,
        Replicas::Host,
        Replicas::History,
        Replicas::Challenge,
        Replicas::Checksum,
    ];
    let replicas = of_replicas.map(|column| Table::alter().table(Replicas::Table).drop_column(column).take());
    let changes = [Changes::Effect, Changes::History]
        .map(|column| Table::alter().table(Changes::Table).drop_column(column).take());
    replicas.into_iter().chain(changes).collect()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in added() {
            manager.alter_table(statement).await?;
        }
        manager.create_table(fleet()).await?;
        let registered = Query::select()
            .expr(Expr::value(1))
            .expr(Expr::col(Replicas::Id).count())
            .expr(Expr::value(0i64))
            .expr(Expr::value(0i64))
            .from(Replicas::Table)
            .take();
        let mut first = Query::insert();
        first.into_table(Fleet::Table).columns([
            Fleet::Id,
            Fleet::Registrations,
            Fleet::Removals,
            Fleet::LongestLeaseMs,
        ]);
        let first = first.select_from(registered).map_err(|error| DbErr::Custom(error.to_string()))?.take();
        manager.execute(first).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Fleet::Table).take()).await?;
        for statement in removed() {
            manager.alter_table(statement).await?;
        }
        Ok(())
    }
}
