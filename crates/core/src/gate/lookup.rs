//! Lookups of the gate: from the cache, otherwise by one query, whose result is cached. They run under the lease that
//! was valid when the call began. A call uses the result of its query as it was read, even if the cache has
//! meanwhile applied a later change: the call began before that change.

use std::sync::Arc;

use super::{EvalContext, Gate};
use crate::cache::bounded_cache::LoadGuard;
use crate::cache::{CacheLookup, Cached, KeyRead, ReadStart, ReplicaCache};
use crate::cached_key::CachedKey;
use crate::error::SystemError;
use crate::id::{FamilyId, UserId};
use crate::ports::{ChangeSubject, Limiter, TokenFamily};
use crate::record::{KeyLifecycle, TenantRecord};
use crate::secret::KeyHash;
use crate::user::UserRecord;

/// A cache entry, and its tenant as it is now.
pub(super) type CachedWithTenant<R> = (Arc<Cached<R>>, Arc<TenantRecord>);

/// Start and revision of a read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadPoint {
    pub(super) start: ReadStart,
    pub(super) revision: u64,
}

type KeyGuard<'a> = LoadGuard<'a, KeyHash, Cached<CachedKey>>;
type UserGuard<'a> = LoadGuard<'a, UserId, Cached<UserRecord>>;

impl<L: Limiter> Gate<L> {
    /// Looks up the key with this hash, and its tenant.
    pub(super) async fn lookup_key(
        &self,
        hash: &KeyHash,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<CachedWithTenant<CachedKey>>, SystemError> {
        match self.parts.cache.get(hash) {
            Some(cached) => self.cached_key(hash, cached, eval).await,
            None => self.load_key(hash, eval).await,
        }
    }

    async fn load_key(
        &self,
        hash: &KeyHash,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<CachedWithTenant<CachedKey>>, SystemError> {
        match self.parts.cache.lookup(hash).await {
            CacheLookup::NegativeHit => {
                eval.context.lookups.negative_hits += 1;
                Ok(None)
            }
            CacheLookup::Miss(guard) => self.read_key(hash, eval, Some(guard)).await,
            CacheLookup::Hit(cached) => self.cached_key(hash, cached, eval).await,
        }
    }

    async fn cached_key(
        &self,
        hash: &KeyHash,
        cached: Arc<Cached<CachedKey>>,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<CachedWithTenant<CachedKey>>, SystemError> {
        match cached.tenant() {
            Some(tenant) => {
                eval.context.lookups.hits += 1;
                Ok(Some((cached, tenant)))
            }
            // The tenant has changed since it was cached. Reading any of its keys loads it again.
            None => self.read_key(hash, eval, None).await,
        }
    }

    async fn read_key(
        &self,
        hash: &KeyHash,
        eval: &mut EvalContext<'_, '_>,
        guard: Option<KeyGuard<'_>>,
    ) -> Result<Option<CachedWithTenant<CachedKey>>, SystemError> {
        eval.context.lookups.misses += 1;
        let (found, read) = self.query_key(hash).await?;
        eval.context.revision = read.revision;
        let entry = found.as_ref().map(|(entry, _)| entry);
        match guard {
            Some(guard) => self.parts.cache.fill(guard, hash, entry, read),
            // The cached key is not in the database any more. The next call loads it, and caches that there is none.
            None if entry.is_none() => self.parts.cache.remove_key(hash),
            None => {}
        }
        Ok(found)
    }

    /// Reads a key and its tenant from the database, and caches the tenant.
    pub(super) async fn query_key(
        &self,
        hash: &KeyHash,
    ) -> Result<(Option<CachedWithTenant<CachedKey>>, KeyRead), SystemError> {
        let cache = &self.parts.cache;
        let start = cache.begin_read();
        let result = self.parts.store.key_by_hash(hash).await?;
        let start = ReplicaCache::cacheable(start, result.read_at);
        let revision = result.read_at.revision;
        let mut read = KeyRead { start, revision, changed_at: 0 };
        if let Some((key, tenant)) = &result.entry {
            read.changed_at = key.revision;
            let log = cache.applied_changes();
            let subject = ChangeSubject::Key(*hash);
            log.check(&subject, key.revision, revision)?;
            if !matches!(key.lifecycle, KeyLifecycle::Revoked { .. }) {
                log.check_not_ended(&subject)?;
            }
            log.check(&ChangeSubject::Tenant(tenant.id), tenant.revision, revision)?;
        }
        cache.record_read(start, result.read_at);
        let tenant = result.entry.as_ref().map(|(_, tenant)| Arc::new(tenant.clone()));
        Ok((cache.key_entry(start, result).zip(tenant), read))
    }

    /// Looks up the user with this identifier, and the tenant.
    pub(super) async fn lookup_user(
        &self,
        id: UserId,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<CachedWithTenant<UserRecord>>, SystemError> {
        let cache = &self.parts.cache;
        match cache.tokens().users.wait(&id).await {
            Err(guard) => self.read_user(id, eval, Some(guard)).await,
            Ok(cached) => match cached.tenant() {
                Some(tenant) => {
                    eval.context.lookups.hits += 1;
                    Ok(Some((cached, tenant)))
                }
                None => self.read_user(id, eval, None).await,
            },
        }
    }

    async fn read_user(
        &self,
        id: UserId,
        eval: &mut EvalContext<'_, '_>,
        guard: Option<UserGuard<'_>>,
    ) -> Result<Option<CachedWithTenant<UserRecord>>, SystemError> {
        eval.context.lookups.misses += 1;
        let (found, ReadPoint { start, revision }) = self.query_user(id).await?;
        eval.context.revision = revision;
        if let (Some(guard), Some((entry, _))) = (guard, &found) {
            let cache = &self.parts.cache;
            let _cached = cache.tokens().users.fill(guard, &id, entry, || cache.is_stale(start, revision));
        }
        Ok(found)
    }

    /// Reads a user and the tenant from the database, and caches the tenant.
    pub(super) async fn query_user(
        &self,
        id: UserId,
    ) -> Result<(Option<CachedWithTenant<UserRecord>>, ReadPoint), SystemError> {
        let cache = &self.parts.cache;
        let start = cache.begin_read();
        let result = self.parts.store.user_by_id(id).await?;
        let start = ReplicaCache::cacheable(start, result.read_at);
        let revision = result.read_at.revision;
        if let Some((user, tenant)) = &result.entry {
            let log = cache.applied_changes();
            log.check(&ChangeSubject::User(id), user.revision, revision)?;
            log.check(&ChangeSubject::Tenant(tenant.id), tenant.revision, revision)?;
        }
        cache.record_read(start, result.read_at);
        let tenant = result.entry.as_ref().map(|(_, tenant)| Arc::new(tenant.clone()));
        Ok((cache.user_entry(start, result).zip(tenant), ReadPoint { start, revision }))
    }

    /// Looks up the family of a token. Returns `None` if the family does not exist, or if the signing key is
    /// not in force by the database although the cache still has it.
    pub(super) async fn lookup_family(
        &self,
        id: FamilyId,
        signing_key: &str,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<Arc<TokenFamily>>, SystemError> {
        let cache = &self.parts.cache;
        let guard = match cache.tokens().families.wait(&id).await {
            Ok(cached) => {
                eval.context.lookups.hits += 1;
                return Ok(Some(cached));
            }
            Err(guard) => guard,
        };
        eval.context.lookups.misses += 1;
        let (found, ReadPoint { start, revision }) = self.query_family(id, signing_key).await?;
        eval.context.revision = revision;
        if let Some(family) = &found {
            let stale = || cache.is_stale(start, revision);
            let _cached = cache.tokens().families.fill(guard, &id, family, stale);
        }
        Ok(found)
    }

    /// Reads a family from the database, unless the signing key is not in force there.
    pub(super) async fn query_family(
        &self,
        id: FamilyId,
        signing_key: &str,
    ) -> Result<(Option<Arc<TokenFamily>>, ReadPoint), SystemError> {
        let cache = &self.parts.cache;
        let start = cache.begin_read();
        let result = self.parts.store.family(id, signing_key).await?;
        let start = ReplicaCache::cacheable(start, result.read_at);
        let read = ReadPoint { start, revision: result.read_at.revision };
        let Some(family) = result.entry.filter(|_| result.signing_key_in_force).map(Arc::new) else {
            return Ok((None, read));
        };
        if family.record.ended.is_none() {
            cache.applied_changes().check_not_ended(&ChangeSubject::Family(id))?;
        }
        cache.record_read(start, result.read_at);
        Ok((Some(family), read))
    }
}
