//! Looking things up: from memory while that may be trusted, else by one query, whose answer is remembered.
//! The answer of a query is as read, even where memory has been told of a later change meanwhile: the call
//! began before that.

use std::sync::Arc;

use super::{Case, Gate};
use crate::brief::KeyBrief;
use crate::id::{FamilyId, UserId};
use crate::memory::shelf::Guard;
use crate::memory::{Recall, Remembered};
use crate::ports::{KnownFamily, Limiter};
use crate::record::TenantRecord;
use crate::secret::KeyHash;
use crate::trouble::Trouble;
use crate::user::UserRecord;

/// An entry of memory, and its tenant as it is now.
pub(super) type Found<R> = (Arc<Remembered<R>>, Arc<TenantRecord>);

type KeyGuard<'a> = Guard<'a, KeyHash, Remembered<KeyBrief>>;
type UserGuard<'a> = Guard<'a, UserId, Remembered<UserRecord>>;

impl<L: Limiter> Gate<L> {
    /// The key of this hash and its tenant.
    pub(super) async fn find(
        &self,
        hash: &KeyHash,
        case: &mut Case<'_, '_>,
    ) -> Result<Option<Found<KeyBrief>>, Trouble> {
        let memory = &self.parts.memory;
        if !memory.trusted(case.now.tick) {
            return self.read_key(hash, case, None).await;
        }
        let recall = match memory.get(hash) {
            Some(known) => Recall::Known(known),
            None => memory.recall(hash).await,
        };
        match recall {
            Recall::Absent => {
                case.seen.lookups.absent += 1;
                Ok(None)
            }
            Recall::Unknown(guard) => self.read_key(hash, case, Some(guard)).await,
            Recall::Known(known) => match known.tenant() {
                Some(tenant) => {
                    case.seen.lookups.hits += 1;
                    Ok(Some((known, tenant)))
                }
                // The tenant has changed; reading any of its keys brings it back.
                None => self.read_key(hash, case, None).await,
            },
        }
    }

    async fn read_key(
        &self,
        hash: &KeyHash,
        case: &mut Case<'_, '_>,
        guard: Option<KeyGuard<'_>>,
    ) -> Result<Option<Found<KeyBrief>>, Trouble> {
        case.seen.lookups.misses += 1;
        let found = self.parts.store.key_by_hash(hash).await?;
        let revision = found.revision;
        case.seen.revision = revision;
        let tenant = found.known.as_ref().map(|(_, tenant)| Arc::new(tenant.clone()));
        let entry = self.parts.memory.key_entry(found);
        if let Some(guard) = guard {
            self.parts.memory.fill(guard, hash, entry.as_ref(), revision);
        }
        Ok(entry.zip(tenant))
    }

    /// The user of this identifier and the tenant.
    pub(super) async fn find_user(
        &self,
        id: UserId,
        case: &mut Case<'_, '_>,
    ) -> Result<Option<Found<UserRecord>>, Trouble> {
        let memory = &self.parts.memory;
        if !memory.trusted(case.now.tick) {
            return self.read_user(id, case, None).await;
        }
        match memory.tokens().users.wait(&id).await {
            Err(guard) => self.read_user(id, case, Some(guard)).await,
            Ok(known) => match known.tenant() {
                Some(tenant) => {
                    case.seen.lookups.hits += 1;
                    Ok(Some((known, tenant)))
                }
                None => self.read_user(id, case, None).await,
            },
        }
    }

    async fn read_user(
        &self,
        id: UserId,
        case: &mut Case<'_, '_>,
        guard: Option<UserGuard<'_>>,
    ) -> Result<Option<Found<UserRecord>>, Trouble> {
        let memory = &self.parts.memory;
        case.seen.lookups.misses += 1;
        let found = self.parts.store.user_by_id(id).await?;
        let revision = found.revision;
        case.seen.revision = revision;
        let tenant = found.known.as_ref().map(|(_, tenant)| Arc::new(tenant.clone()));
        let entry = memory.user_entry(found);
        if let (Some(guard), Some(entry)) = (guard, &entry) {
            memory.tokens().users.fill(guard, &id, entry, || memory.applied() > revision);
        }
        Ok(entry.zip(tenant))
    }

    /// The family of a token; none, where there is no such family, or the key that signed the token is out
    /// and memory hasn't been told yet.
    pub(super) async fn find_family(
        &self,
        id: FamilyId,
        signing_key: &str,
        case: &mut Case<'_, '_>,
    ) -> Result<Option<Arc<KnownFamily>>, Trouble> {
        let memory = &self.parts.memory;
        let guard = if memory.trusted(case.now.tick) {
            match memory.tokens().families.wait(&id).await {
                Ok(known) => {
                    case.seen.lookups.hits += 1;
                    return Ok(Some(known));
                }
                Err(guard) => Some(guard),
            }
        } else {
            None
        };
        case.seen.lookups.misses += 1;
        let found = self.parts.store.family(id, signing_key).await?;
        case.seen.revision = found.revision;
        let Some(known) = found.known.filter(|_| found.signing).map(Arc::new) else { return Ok(None) };
        if let Some(guard) = guard {
            memory.tokens().families.fill(guard, &id, &known, || memory.applied() > found.revision);
        }
        Ok(Some(known))
    }
}
