//! Looking up what isn't remembered: keys, users and families, one by one or many at once. Many at once is what
//! keeps a cold start from costing a query a key.

use async_trait::async_trait;

use super::FamilyLookup;
use crate::error::SystemError;
use crate::id::{FamilyId, UserId};
use crate::record::{KeyRecord, TenantRecord};
use crate::secret::KeyHash;
use crate::user::UserRecord;

/// What one look-up of a key (or a user) found, all of it read at one revision.
#[derive(Clone, Debug)]
pub struct LookupResult<R = KeyRecord> {
    /// The key and its tenant, where there is such a key.
    pub entry: Option<(R, TenantRecord)>,
    /// The revision of the store that this was read at, or an earlier one.
    pub revision: u64,
}

/// Where Check looks up what it doesn't remember. A store without tokens has no users and no families.
///
/// What is asked many at once is answered in the order of the questions, each by itself: a spoiled row is the
/// trouble of its own key, and a store that can't be asked is everybody's.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The key with this hash. One query.
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError>;

    /// The user of this identifier. One query.
    async fn user_by_id(&self, _id: UserId) -> Result<LookupResult<UserRecord>, SystemError> {
        Ok(LookupResult { entry: None, revision: 0 })
    }

    /// The family of this identifier, and whether a signing key is in force. One query.
    async fn family(&self, _id: FamilyId, _signing_key: &str) -> Result<FamilyLookup, SystemError> {
        Ok(FamilyLookup { entry: None, signing_key_in_force: false, revision: 0 })
    }

    /// The keys with these hashes. One query, where the store can.
    async fn keys_by_hash(&self, hashes: &[KeyHash]) -> Vec<Result<LookupResult, SystemError>> {
        let mut found = Vec::with_capacity(hashes.len());
        for hash in hashes {
            found.push(self.key_by_hash(hash).await);
        }
        found
    }

    /// The users of these identifiers. One query, where the store can.
    async fn users_by_id(&self, ids: &[UserId]) -> Vec<Result<LookupResult<UserRecord>, SystemError>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.push(self.user_by_id(*id).await);
        }
        found
    }

    /// The families of these identifiers, and whether this signing key is in force. One query, where the store
    /// can.
    async fn families(&self, ids: &[FamilyId], signing_key: &str) -> Vec<Result<FamilyLookup, SystemError>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.push(self.family(*id, signing_key).await);
        }
        found
    }
}
