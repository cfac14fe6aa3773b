//! Health of the database, for operators.

use latchkey_core::error::SystemError;
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::time::Timestamp;

use super::Store;
use crate::query::health;

impl Store {
    /// Returns the database's clock, and whether it is read-only.
    pub async fn clock(&self) -> Result<(Timestamp, bool), SystemError> {
        self.with_deadline(QueryKind::Ping, async { health::clock(&self.pool.acquire().await?).await }).await
    }
}
