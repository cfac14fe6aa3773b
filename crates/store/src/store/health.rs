//! How the database is, for whoever looks after it.

use latchkey_core::id::KeyId;
use latchkey_core::seal::Sealed;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::Trouble;

use super::Store;
use crate::query::health;

impl Store {
    /// The database's clock, and whether it refuses writes.
    pub async fn clock(&self) -> Result<(Timestamp, bool), Trouble> {
        self.within(async { health::clock(&self.pool.lease().await?).await }).await
    }

    /// A value of a key that the master key must open. It may look through every key: not for a busy start.
    pub async fn any_sealed(&self) -> Result<Option<(KeyId, Sealed)>, Trouble> {
        self.within(async { health::sealed(&self.pool.lease().await?).await }).await
    }
}
