//! Store of keys in memory. Other writes are not made.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::profile_change::AffectedRecords;
use latchkey_core::record::{KeyRecord, ProfileRecord, ProfileSecretRecord, TenantRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::{MonotonicInstant, Timestamp};
use latchkey_management::ports::impact::Impact;
use latchkey_management::ports::{
    ApplyResult, AuditEntry, Created, ExistingHash, KeyFilter, KeyOrder, KeyRotationFn, KeyUpdateFn,
    ListPart, ListRange, ManagementStore, NewKey, NewProfileVersion, Position, Propagation, TenantFilter,
    TenantOrder, TenantUpdateFn, WriteResult,
};

/// Keys of one tenant.
pub(crate) struct MemoryStore {
    pub(crate) tenant: TenantRecord,
    pub(crate) keys: Mutex<Vec<KeyRecord>>,
}

impl MemoryStore {
    fn put(&self, key: &KeyRecord) {
        let mut keys = self.keys.lock().unwrap();
        match keys.iter_mut().find(|other| other.id == key.id) {
            Some(place) => place.clone_from(key),
            None => keys.push(key.clone()),
        }
    }

    fn find(&self, id: KeyId) -> Option<KeyRecord> {
        self.keys.lock().unwrap().iter().find(|key| key.id == id).cloned()
    }
}

#[async_trait]
impl Propagation for MemoryStore {
    async fn wait_until_applied(
        &self,
        _: u64,
        _: Option<[u8; 32]>,
        _: Option<MonotonicInstant>,
    ) -> Result<(), SystemError> {
        Ok(())
    }
}

#[async_trait]
impl ManagementStore for MemoryStore {
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, SystemError> {
        Ok(self.find(id))
    }

    async fn keys(
        &self,
        filter: &KeyFilter,
        range: &ListRange<KeyOrder>,
    ) -> Result<ListPart<KeyRecord>, SystemError> {
        let mut keys = self.keys.lock().unwrap().clone();
        keys.retain(|key| {
            range.after.as_ref().is_none_or(|after| key.id.0 < after.id)
                && filter.kind.as_deref().is_none_or(|kind| kind == &*key.kind)
                && (filter.environments.is_empty()
                    || filter.environments.iter().any(|e| **e == *key.environment))
                && filter.states.as_ref().is_none_or(|(states, now)| states.contains(&key.state(*now)))
                && filter.bindings.iter().all(|(name, value)| key.bindings.get(name) == Some(value))
        });
        keys.sort_by_key(|key| std::cmp::Reverse(key.id));
        let more = keys.len() > range.limit as usize;
        keys.truncate(range.limit as usize);
        let next = keys.last().filter(|_| more).map(|last| Position::of(last.id.0));
        Ok(ListPart { items: keys, next })
    }

    /// Returns none: every import of the test has the same hash.
    async fn existing_hashes(&self, _: &[KeyHash]) -> Result<HashMap<KeyHash, ExistingHash>, SystemError> {
        Ok(HashMap::new())
    }

    async fn tenant(&self, _: &TenantRef) -> Result<Option<TenantRecord>, SystemError> {
        Ok(Some(self.tenant.clone()))
    }

    async fn tenants_by_id(&self, _: &[TenantId]) -> Result<Vec<TenantRecord>, SystemError> {
        Ok(vec![self.tenant.clone()])
    }

    async fn tenants(
        &self,
        _: &TenantFilter,
        _: &ListRange<TenantOrder>,
    ) -> Result<ListPart<TenantRecord>, SystemError> {
        Ok(ListPart { items: vec![self.tenant.clone()], next: None })
    }

    async fn profiles(&self) -> Result<Vec<ProfileRecord>, SystemError> {
        Ok(Vec::new())
    }

    async fn profile(&self, _: &str, _: Option<u64>) -> Result<Option<ProfileRecord>, SystemError> {
        Ok(None)
    }

    /// Returns the keys without storing them, so that a comparison leaves nothing behind.
    async fn create_keys(
        &self,
        keys: Vec<NewKey>,
        _: AuditEntry,
    ) -> Result<WriteResult<Vec<Created>>, ManagementError> {
        Ok(WriteResult::written(1, keys.into_iter().map(|key| Created::New(key.record)).collect()))
    }

    async fn change_key(
        &self,
        id: KeyId,
        rule: KeyUpdateFn<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<KeyRecord>, ManagementError> {
        let new = rule(&self.find(id).ok_or_else(|| RequestError::not_found("key", &id))?)?;
        self.put(&new);
        Ok(WriteResult::written(1, new))
    }

    async fn rotate_key(
        &self,
        id: KeyId,
        rule: KeyRotationFn<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<(KeyRecord, KeyRecord)>, ManagementError> {
        let both = rule(&self.find(id).ok_or_else(|| RequestError::not_found("key", &id))?)?;
        self.put(&both.0);
        self.put(&both.1);
        Ok(WriteResult::written(1, both))
    }

    async fn create_tenant(
        &self,
        tenant: TenantRecord,
        _: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError> {
        Ok(WriteResult::written(1, tenant))
    }

    async fn change_tenant(
        &self,
        _: TenantId,
        _: TenantUpdateFn<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError> {
        Ok(WriteResult::unchanged(1, self.tenant.clone()))
    }

    async fn profile_versions(
        &self,
        _: &str,
        _: Option<u64>,
        _: u32,
    ) -> Result<Vec<ProfileRecord>, SystemError> {
        Ok(Vec::new())
    }

    async fn impact(&self, _: &str, affected: &AffectedRecords, _: Timestamp) -> Result<Impact, SystemError> {
        Ok(Impact { affected: affected.clone(), count: 0, more: false, examples: Vec::new() })
    }

    async fn apply_profile(
        &self,
        _: NewProfileVersion<'_>,
        _: AuditEntry,
    ) -> Result<ApplyResult, ManagementError> {
        Ok(ApplyResult::Conflict)
    }

    async fn profile_secrets(&self) -> Result<Vec<ProfileSecretRecord>, SystemError> {
        Ok(Vec::new())
    }

    async fn set_profile_secret(
        &self,
        _: ProfileSecretRecord,
        _: AuditEntry,
    ) -> Result<WriteResult<ProfileSecretRecord>, ManagementError> {
        unreachable!("no grant comes from a secret of a profile")
    }

    async fn delete_profile_secret(
        &self,
        _: &str,
        _: &str,
        _: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError> {
        unreachable!("no grant comes from a secret of a profile")
    }

    async fn bootstrap_operator(
        &self,
        _: TenantRecord,
        _: KeyRecord,
        _: bool,
        _: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError> {
        Ok(WriteResult::unchanged(1, false))
    }
}
