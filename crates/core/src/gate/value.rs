//! Look-up of the key that a value identifies.
//!
//! A kind may declare hashes of another system besides SHA-256. A value of such a kind is looked up by all of its hashes, by
//! the rule of [`same_value`]: what takes access away from one key of a value is never undone by another key of the value,
//! nor by a deletion. Negative entries of the cache remember that no key of a hash was deleted, so that a cached value costs
//! no query. A value whose only hash is SHA-256 costs one look-up.

use std::fmt;

use smallvec::SmallVec;

use super::lookup::CachedWithTenant;
use super::{EvalContext, Gate};
use crate::cache::{Absence, ReplicaCache};
use crate::cached_key::CachedKey;
use crate::error::SystemError;
use crate::id::KeyId;
use crate::imported_hash::ImportedHashes;
use crate::policy::Policy;
use crate::ports::{HashUse, HashUses, Limiter};
use crate::record::KeyState;
use crate::same_value;
use crate::secret::KeyHash;
use crate::time::Timestamp;

/// The key that a value identifies.
pub(super) struct FoundKey {
    /// The key and its tenant.
    pub(super) entry: CachedWithTenant<CachedKey>,
    /// The hash that it was found by, unless that is the SHA-256 of the value.
    pub(super) imported: Option<KeyHash>,
}

impl FoundKey {
    fn id(&self) -> KeyId {
        self.entry.0.record.id
    }

    fn state(&self, now: Timestamp) -> KeyState {
        self.entry.0.record.state(now)
    }
}

/// Reason why a value identifies no key.
pub(super) enum NoKey {
    /// No key has it.
    Unknown,
    /// A key that has it, while another key that had it was deleted.
    Deleted(KeyId),
    /// Two keys that have it.
    Several(KeyId, KeyId),
}

/// The detail for `explain`.
impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no key has this value"),
            Self::Deleted(key) => write!(
                f,
                "{key} has this value, and a key that had it by another hash was deleted: the value stays invalid"
            ),
            Self::Several(one, other) => {
                write!(
                    f,
                    "{one} and {other} have this value by different hashes, so that it identifies neither"
                )
            }
        }
    }
}

impl<L: Limiter> Gate<L> {
    /// Looks up the key with this value, and its tenant, by each hash by which `policy` or, without one, any profile can
    /// have it.
    pub(super) async fn lookup_value(
        &self,
        value: &str,
        policy: Option<&Policy>,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Result<FoundKey, NoKey>, SystemError> {
        let own = KeyHash::of(value);
        let imported = match policy {
            Some(policy) => policy.imported_hashes(value),
            None => self.parts.policies.imported_hashes(value),
        };
        if imported.is_empty() {
            let found = self.lookup_key(&own, eval).await?;
            return Ok(found.map(|entry| FoundKey { entry, imported: None }).ok_or(NoKey::Unknown));
        }
        // Boxed, so that the futures of other calls stay small.
        Box::pin(self.lookup_each(&own, &imported, eval)).await
    }

    /// Looks up the key of a value with several hashes.
    async fn lookup_each(
        &self,
        own: &KeyHash,
        imported: &[KeyHash],
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Result<FoundKey, NoKey>, SystemError> {
        let mut found: SmallVec<[FoundKey; 1]> = SmallVec::new();
        let mut absent = ImportedHashes::new();
        for hash in std::iter::once(own).chain(imported) {
            match self.lookup_key(hash, eval).await? {
                Some(entry) => found.push(FoundKey { entry, imported: (hash != own).then_some(*hash) }),
                None => absent.push(*hash),
            }
        }
        let now = eval.now.wall;
        let key = match same_value::deciding(found, |key| key.state(now)) {
            Ok(Some(key)) => key,
            Ok(None) => return Ok(Err(NoKey::Unknown)),
            Err((one, other)) => return Ok(Err(NoKey::Several(one.id(), other.id()))),
        };
        if key.state(now) == KeyState::Active && self.is_any_deleted(&absent, eval).await? {
            return Ok(Err(NoKey::Deleted(key.id())));
        }
        Ok(Ok(key))
    }

    /// Returns whether a key with one of these hashes, which no key has now, was deleted.
    async fn is_any_deleted(
        &self,
        hashes: &[KeyHash],
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<bool, SystemError> {
        let cache = &self.parts.cache;
        let mut unknown = ImportedHashes::new();
        for hash in hashes {
            match cache.was_deleted(hash) {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => unknown.push(*hash),
            }
        }
        if unknown.is_empty() {
            return Ok(false);
        }
        eval.context.lookups.misses += 1;
        let HashUses { uses, read_at } = self.query_uses(&unknown).await?;
        eval.context.revision = read_at.revision;
        Ok(uses.contains(&HashUse::Deleted))
    }

    /// Reads whether keys with these hashes were deleted, and caches it.
    pub(super) async fn query_uses(&self, hashes: &[KeyHash]) -> Result<HashUses, SystemError> {
        let cache = &self.parts.cache;
        let start = cache.begin_read();
        let found = self.parts.store.uses_of_hashes(hashes).await?;
        if found.uses.len() != hashes.len() {
            return Err(SystemError::Internal("the store returned no result for a hash".to_owned()));
        }
        let (start, revision) = (ReplicaCache::cacheable(start, found.read_at), found.read_at.revision);
        cache.record_read(start, found.read_at);
        for (hash, found) in hashes.iter().zip(&found.uses) {
            match found {
                HashUse::Deleted => cache.insert_absence(hash, Absence::Deleted, start, revision),
                HashUse::Never => cache.insert_absence(hash, Absence::Never, start, revision),
                // The key was created after this call began, which does not see it therefore.
                HashUse::Present => {}
            }
        }
        Ok(found)
    }
}
