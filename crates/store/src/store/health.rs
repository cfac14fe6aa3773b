//! How the database is, for whoever looks after it.

use latchkey_core::ports::timing::Question;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::Trouble;

use super::Store;
use crate::query::health;

impl Store {
    /// The database's clock, and whether it refuses writes.
    pub async fn clock(&self) -> Result<(Timestamp, bool), Trouble> {
        self.within(Question::Ping, async { health::clock(&self.pool.lease().await?).await }).await
    }
}
