//! The store as what lies sealed. Values are read on the connection of migrations, which has no bound on statements:
//! where few keys have one, a table of millions is looked through.

use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::ports::timing::Question;
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::AuditEntry;
use latchkey_management::ports::seals::{Drawer, Mark, Replacement, SealedValue, Seals};
use uuid::Uuid;

use super::Store;
use crate::{query, write};

/// How long one look through a table may take.
const PATIENCE: Duration = Duration::from_mins(2);

#[async_trait]
impl Seals for Store {
    async fn sealed(
        &self,
        drawer: Drawer,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, Trouble> {
        let values = query::seals::values(&self.connection, drawer, after, limit);
        self.within_of(PATIENCE, Question::Seals, values).await
    }

    async fn replace(&self, drawer: Drawer, values: Vec<Replacement>) -> Result<u64, Trouble> {
        self.within(Question::Seals, async {
            write::seals::replace(self.pool.begin().await?, drawer, &values).await
        })
        .await
    }

    async fn marks(&self) -> Result<Vec<Mark>, Trouble> {
        self.within(Question::Seals, async { query::seals::marks(&self.pool.lease().await?).await }).await
    }

    async fn make_mark(&self, mark: Mark) -> Result<(), Trouble> {
        self.within(Question::Seals, async { write::seals::make_mark(self.pool.begin().await?, mark).await })
            .await
    }

    async fn resealed(&self, gone: Vec<Uuid>, audit: AuditEntry) -> Result<(), Trouble> {
        self.within(Question::Seals, async {
            write::seals::resealed(self.pool.begin().await?, gone, &audit).await
        })
        .await
    }
}
