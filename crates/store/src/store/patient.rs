//! The same look-ups for whoever has more time than Check: issuing and renewing tokens waits as long as any other
//! management call.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::ports::{Found, FoundFamily, KeyStore};
use latchkey_core::secret::KeyHash;
use latchkey_core::trouble::Trouble;
use latchkey_core::user::UserRecord;

use super::Store;
use crate::query;

/// A store whose look-ups have the deadline of management calls.
#[derive(Clone, Debug)]
pub struct Patient(pub Arc<Store>);

#[async_trait]
impl KeyStore for Patient {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<Found, Trouble> {
        self.0.within(async { query::check::by_hash(&self.0.pool.lease().await?, hash).await }).await
    }

    async fn user_by_id(&self, id: UserId) -> Result<Found<UserRecord>, Trouble> {
        self.0.within(async { query::user::with_tenant(&self.0.pool.lease().await?, id).await }).await
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Result<FoundFamily, Trouble> {
        let query = async { query::token::for_check(&self.0.pool.lease().await?, id, signing_key).await };
        self.0.within(query).await
    }
}
