//! The store's port for sealed values. They are read on the migrations' connection, which has no time limit for
//! statements: if few keys have a sealed value, a table of millions of rows is scanned.

use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::ports::timing::QueryKind;
use latchkey_management::ports::AuditEntry;
use latchkey_management::ports::sealed_values::{
    KeyCheckValue, Replacement, SealedTable, SealedValue, SealedValueStore,
};
use uuid::Uuid;

use super::Store;
use crate::{query, write};

/// Time limit of one table scan.
const SCAN_TIMEOUT: Duration = Duration::from_mins(2);

#[async_trait]
impl SealedValueStore for Store {
    async fn sealed(
        &self,
        drawer: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, SystemError> {
        let values = query::sealed_values::values(self.connection(), drawer, after, limit);
        self.with_deadline_of(SCAN_TIMEOUT, QueryKind::SealedValues, values).await
    }

    async fn replace(&self, drawer: SealedTable, values: Vec<Replacement>) -> Result<u64, SystemError> {
        self.with_deadline(QueryKind::SealedValues, async {
            write::sealed_values::replace(self.pool.begin().await?, drawer, &values).await
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
