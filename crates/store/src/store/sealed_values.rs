//! The store's port for sealed values. Pages of them are read on the migrations' connection, which has no time limit for
//! statements: if few keys have a sealed value, a table of millions of rows is scanned.

use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::ports::timing::QueryKind;
use latchkey_management::ports::AuditEntry;
use latchkey_management::ports::sealed_values::{
    KeyCheckValue, Replacement, SealedTable, SealedValue, SealedValueStore,
};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use uuid::Uuid;

use super::Store;
use crate::error::StoreError;
use crate::{query, write};

/// Time limit of one table scan.
const SCAN_TIMEOUT: Duration = Duration::from_mins(2);

impl Store {
    /// Reads a page of sealed values, on PostgreSQL in a transaction without a time limit: a pooler may give each
    /// transaction another session, which also keeps the prepared statements of others.
    async fn scan(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        if self.postgres.is_none() {
            return query::sealed_values::values(self.connection(), table, after, limit).await;
        }
        let transaction = self.connection().begin().await?;
        transaction.execute_unprepared("DEALLOCATE ALL; SET LOCAL statement_timeout = 0").await?;
        let values = query::sealed_values::values(&transaction, table, after, limit).await?;
        transaction.execute_unprepared("DEALLOCATE ALL").await?;
        transaction.commit().await?;
        Ok(values)
    }

    /// Returns the tables that have any sealed value. On PostgreSQL, this runs on a connection of the pool, which is open, in
    /// a transaction without a time limit: a start then needs no further connection, unless a table has values.
    async fn tables_with_values(&self) -> Result<Vec<SealedTable>, StoreError> {
        if self.postgres.is_none() {
            return query::sealed_values::tables(&self.pool.acquire().await?).await;
        }
        let connection = self.pool.begin().await?;
        connection.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
        let tables = query::sealed_values::tables(&connection).await?;
        connection.commit().await?;
        Ok(tables)
    }
}

#[async_trait]
impl SealedValueStore for Store {
    async fn sealed_tables(&self) -> Result<Vec<SealedTable>, SystemError> {
        self.with_deadline_of(SCAN_TIMEOUT, QueryKind::SealedValues, self.tables_with_values()).await
    }

    async fn sealed(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, SystemError> {
        self.with_deadline_of(SCAN_TIMEOUT, QueryKind::SealedValues, self.scan(table, after, limit)).await
    }

    async fn replace(&self, table: SealedTable, values: Vec<Replacement>) -> Result<u64, SystemError> {
        self.with_deadline(QueryKind::SealedValues, async {
            write::sealed_values::replace(self.pool.begin().await?, table, &values).await
        })
        .await
    }

    async fn key_check_values(&self) -> Result<Vec<KeyCheckValue>, SystemError> {
        self.with_deadline(QueryKind::SealedValues, async {
            query::sealed_values::key_check_values(&self.pool.acquire().await?).await
        })
        .await
    }

    async fn insert_key_check_value(&self, mark: KeyCheckValue) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::SealedValues, async {
            write::sealed_values::insert_key_check_value(self.pool.begin().await?, mark).await
        })
        .await
    }

    async fn finish_rewrap(&self, gone: Vec<Uuid>, audit: AuditEntry) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::SealedValues, async {
            write::sealed_values::finish_rewrap(self.pool.begin().await?, gone, &audit).await
        })
        .await
    }
}
