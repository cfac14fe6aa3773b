//! Lookups of keys, users and token families that are not in the cache, one at a time or many at once.
//! Looking up many at once keeps a cold start from costing one query for each key.

use async_trait::async_trait;

use super::{FamilyLookup, HistoryHash, TokenFamily};
use crate::error::SystemError;
use crate::id::{FamilyId, UserId};
use crate::record::{KeyRecord, TenantRecord};
use crate::secret::KeyHash;
use crate::token::refresh::RefreshRecord;
use crate::user::UserRecord;

/// State of the database at which something was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadAt {
    /// The revision of the database, or an earlier one.
    pub revision: u64,
    /// History of the database at that revision, if it is newer than what the process requires of every answer. A database
    /// that loses commits gives the number of a lost revision to another write.
    pub history: Option<HistoryHash>,
    /// True if the state is newer than what the process requires, and there was no time to read its history. What was read
    /// may be used once and not be cached: the loss of this state would not be noticed.
    pub unknown_history: bool,
}

impl ReadAt {
    /// Returns a state of which the revision alone is known.
    #[must_use]
    pub fn revision(revision: u64) -> Self {
        Self { revision, ..Self::default() }
    }
}

/// Result of the lookup of a key (or user), read at one revision.
#[derive(Clone, Debug)]
pub struct LookupResult<R = KeyRecord> {
    /// The key and its tenant, if the key exists.
    pub entry: Option<(R, TenantRecord)>,
    /// The state of the database at which this was read.
    pub read_at: ReadAt,
}

/// Result of a database for a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashUse {
    /// A key has it.
    Present,
    /// A key had it until it was deleted.
    Deleted,
    /// No key has it or ever had it.
    Never,
}

/// Uses of several hashes, read at one revision.
#[derive(Clone, Debug)]
pub struct HashUses {
    /// The use of each hash, in the order of the hashes.
    pub uses: Vec<HashUse>,
    /// The state of the database at which this was read.
    pub read_at: ReadAt,
}

/// Refresh token with its family.
pub type RefreshTokenLookup = Option<(RefreshRecord, TokenFamily)>;

/// Lookups of credentials. A store without tokens has no users, no families and no refresh tokens.
///
/// The results of a lookup of many are in the order of the arguments, each with an error of its own: a
/// corrupt row fails its own key, while an unavailable database fails all of them.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Returns the key with this hash. It makes one query.
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError>;

    /// Returns whether keys have these hashes, or had them until they were deleted. It makes one query. A store that does not
    /// know its deletions fails, so that no deleted key is taken for one that never existed.
    async fn uses_of_hashes(&self, _hashes: &[KeyHash]) -> Result<HashUses, SystemError> {
        Err(SystemError::Internal("the store does not know which keys were deleted".to_owned()))
    }

    /// Returns the user with this identifier. It makes one query.
    async fn user_by_id(&self, _id: UserId) -> Result<LookupResult<UserRecord>, SystemError> {
        Ok(LookupResult { entry: None, read_at: ReadAt::default() })
    }

    /// Returns the family with this identifier, and whether the signing key is in force. It makes one query.
    async fn family(&self, _id: FamilyId, _signing_key: &str) -> Result<FamilyLookup, SystemError> {
        Ok(FamilyLookup { entry: None, signing_key_in_force: false, read_at: ReadAt::default() })
    }

    /// Returns the refresh token with this hash. It makes one query.
    async fn refresh_token(&self, _hash: &KeyHash) -> Result<RefreshTokenLookup, SystemError> {
        Ok(None)
    }

    /// Returns the keys with these hashes, by one query if the store is able to.
    async fn keys_by_hash(&self, hashes: &[KeyHash]) -> Vec<Result<LookupResult, SystemError>> {
        let mut results = Vec::with_capacity(hashes.len());
        for hash in hashes {
            results.push(self.key_by_hash(hash).await);
        }
        results
    }

    /// Returns the users with these identifiers, by one query if the store is able to.
    async fn users_by_id(&self, ids: &[UserId]) -> Vec<Result<LookupResult<UserRecord>, SystemError>> {
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            results.push(self.user_by_id(*id).await);
        }
        results
    }

    /// Returns the families with these identifiers, and whether the signing key is in force, by one query if
    /// the store is able to.
    async fn families(&self, ids: &[FamilyId], signing_key: &str) -> Vec<Result<FamilyLookup, SystemError>> {
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            results.push(self.family(*id, signing_key).await);
        }
        results
    }

    /// Returns the refresh tokens with these hashes, by one query if the store is able to.
    async fn refresh_tokens(&self, hashes: &[KeyHash]) -> Vec<Result<RefreshTokenLookup, SystemError>> {
        let mut results = Vec::with_capacity(hashes.len());
        for hash in hashes {
            results.push(self.refresh_token(hash).await);
        }
        results
    }
}
