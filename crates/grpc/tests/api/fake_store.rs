//! Store in memory with as much behaviour as the RPCs need. It can fail or hang, as a database can.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::ports::{KeyStore, LookupResult, ReadAt};
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

/// Store of keys, tenants, profiles and audit events.
#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) keys: Mutex<Vec<KeyRecord>>,
    pub(crate) tenants: Mutex<Vec<TenantRecord>>,
    pub(crate) profiles: Mutex<Vec<ProfileRecord>>,
    pub(crate) audit: Mutex<Vec<AuditEntry>>,
    pub(crate) revision: AtomicU64,
    pub(crate) failing: AtomicBool,
    pub(crate) hanging: AtomicBool,
}

impl FakeStore {
    async fn check_available(&self) -> Result<(), SystemError> {
        if self.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.failing.load(Ordering::SeqCst) { Err(SystemError::database()) } else { Ok(()) }
    }

    fn written<T>(&self, value: T, audit: AuditEntry) -> WriteResult<T> {
        self.audit.lock().unwrap().push(audit);
        WriteResult::written(self.revision.fetch_add(1, Ordering::SeqCst) + 1, value)
    }

    fn find_key(&self, id: KeyId) -> Option<KeyRecord> {
        self.keys.lock().unwrap().iter().find(|k| k.id == id).cloned()
    }

    fn put_key(&self, key: &KeyRecord) {
        let mut keys = self.keys.lock().unwrap();
        keys.retain(|k| k.id != key.id);
        keys.push(key.clone());
    }
}

#[async_trait]
impl KeyStore for FakeStore {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        self.check_available().await?;
        let key = self.keys.lock().unwrap().iter().find(|k| k.hash == *hash).cloned();
        let tenants = self.tenants.lock().unwrap();
        let entry = key.and_then(|k| tenants.iter().find(|t| t.id == k.tenant).cloned().map(|t| (k, t)));
        Ok(LookupResult { entry, read_at: ReadAt::revision(self.revision.load(Ordering::SeqCst)) })
    }
}

#[async_trait]
impl Propagation for FakeStore {
    async fn wait_until_applied(
        &self,
        _: u64,
        _: Option<[u8; 32]>,
        _: Option<MonotonicInstant>,
    ) -> Result<(), SystemError> {
        Ok(())
    }
}

/// Returns the newest items of a range, in the order of their identifiers.
fn newest<T, O>(mut items: Vec<T>, range: &ListRange<O>, id: impl Fn(&T) -> KeyId) -> ListPart<T> {
    items.retain(|item| range.after.as_ref().is_none_or(|after| id(item).0 < after.id));
    items.sort_by_key(|item| std::cmp::Reverse(id(item)));
    let more = items.len() > range.limit as usize;
    items.truncate(range.limit as usize);
    let next = items.last().filter(|_| more).map(|last| Position::of(id(last).0));
    ListPart { items, next }
}

#[async_trait]
impl ManagementStore for FakeStore {
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, SystemError> {
        self.check_available().await?;
        Ok(self.find_key(id))
    }

    async fn keys(
        &self,
        filter: &KeyFilter,
        range: &ListRange<KeyOrder>,
    ) -> Result<ListPart<KeyRecord>, SystemError> {
        self.check_available().await?;
        let mut keys = self.keys.lock().unwrap().clone();
        keys.retain(|k| filter.tenant.is_none_or(|tenant| k.tenant == tenant));
        keys.retain(|k| filter.states.as_ref().is_none_or(|(states, now)| states.contains(&k.state(*now))));
        Ok(newest(keys, range, |k| k.id))
    }

    async fn tenant(&self, tenant: &TenantRef) -> Result<Option<TenantRecord>, SystemError> {
        self.check_available().await?;
        let named = |t: &&TenantRecord| match tenant {
            TenantRef::Id(id) => t.id == *id,
            TenantRef::Slug(slug) => *t.slug == **slug,
        };
        Ok(self.tenants.lock().unwrap().iter().find(named).cloned())
    }

    async fn tenants_by_id(&self, ids: &[TenantId]) -> Result<Vec<TenantRecord>, SystemError> {
        Ok(self.tenants.lock().unwrap().iter().filter(|tenant| ids.contains(&tenant.id)).cloned().collect())
    }

    async fn tenants(
        &self,
        filter: &TenantFilter,
        range: &ListRange<TenantOrder>,
    ) -> Result<ListPart<TenantRecord>, SystemError> {
        self.check_available().await?;
        let mut tenants = self.tenants.lock().unwrap().clone();
        tenants.retain(|t| filter.except != Some(&*t.slug));
        Ok(newest(tenants, range, |t| KeyId(t.id.0)))
    }

    async fn profiles(&self) -> Result<Vec<ProfileRecord>, SystemError> {
        self.check_available().await?;
        Ok(self.profiles.lock().unwrap().clone())
    }

    async fn profile(&self, name: &str, version: Option<u64>) -> Result<Option<ProfileRecord>, SystemError> {
        self.check_available().await?;
        let profiles = self.profiles.lock().unwrap();
        let found =
            profiles.iter().rev().find(|p| *p.name == *name && version.is_none_or(|v| v == p.version));
        Ok(found.cloned())
    }

    async fn existing_hashes(&self, _: &[KeyHash]) -> Result<HashMap<KeyHash, ExistingHash>, SystemError> {
        self.check_available().await?;
        Ok(HashMap::new())
    }

    async fn create_keys(
        &self,
        keys: Vec<NewKey>,
        audit: AuditEntry,
    ) -> Result<WriteResult<Vec<Created>>, ManagementError> {
        self.check_available().await?;
        for key in &keys {
            self.put_key(&key.record);
        }
        Ok(self.written(keys.into_iter().map(|k| Created::New(k.record)).collect(), audit))
    }

    async fn change_key(
        &self,
        id: KeyId,
        rule: KeyUpdateFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<KeyRecord>, ManagementError> {
        self.check_available().await?;
        let old = self.find_key(id).ok_or_else(|| RequestError::not_found("key", &id))?;
        let new = rule(&old)?;
        self.put_key(&new);
        Ok(self.written(new, audit))
    }

    async fn rotate_key(
        &self,
        id: KeyId,
        rule: KeyRotationFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<(KeyRecord, KeyRecord)>, ManagementError> {
        self.check_available().await?;
        let old = self.find_key(id).ok_or_else(|| RequestError::not_found("key", &id))?;
        let both = rule(&old)?;
        self.put_key(&both.0);
        self.put_key(&both.1);
        Ok(self.written(both, audit))
    }

    async fn create_tenant(
        &self,
        t: TenantRecord,
        audit: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError> {
        self.check_available().await?;
        let mut tenants = self.tenants.lock().unwrap();
        if tenants.iter().any(|other| other.slug == t.slug) {
            return Err(RequestError::AlreadyExists(format!("the slug {:?} is in use", t.slug)).into());
        }
        tenants.push(t.clone());
        Ok(self.written(t, audit))
    }

    async fn change_tenant(
        &self,
        id: TenantId,
        rule: TenantUpdateFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError> {
        self.check_available().await?;
        let mut tenants = self.tenants.lock().unwrap();
        let tenant =
            tenants.iter_mut().find(|t| t.id == id).ok_or_else(|| RequestError::not_found("tenant", &id))?;
        *tenant = rule(tenant)?;
        Ok(self.written(tenant.clone(), audit))
    }

    async fn profile_versions(
        &self,
        name: &str,
        _: Option<u64>,
        _: u32,
    ) -> Result<Vec<ProfileRecord>, SystemError> {
        self.check_available().await?;
        let mut found: Vec<ProfileRecord> =
            self.profiles.lock().unwrap().iter().filter(|p| *p.name == *name).cloned().collect();
        found.reverse();
        Ok(found)
    }

    async fn impact(&self, _: &str, affected: &AffectedRecords, _: Timestamp) -> Result<Impact, SystemError> {
        self.check_available().await?;
        Ok(Impact { affected: affected.clone(), count: 0, more: false, examples: Vec::new() })
    }

    async fn apply_profile(
        &self,
        new: NewProfileVersion<'_>,
        audit: AuditEntry,
    ) -> Result<ApplyResult, ManagementError> {
        let NewProfileVersion { name, document, comment, .. } = new;
        self.check_available().await?;
        let mut profiles = self.profiles.lock().unwrap();
        let version = profiles.iter().filter(|p| *p.name == *name).count() as u64 + 1;
        let applied = Timestamp(7_000);
        let record = ProfileRecord {
            name: name.into(),
            version,
            document: document.into(),
            applied,
            applied_by: audit.actor.as_str().into(),
            comment: comment.into(),
            revision: 1,
        };
        profiles.push(record.clone());
        Ok(ApplyResult::Written(self.written(record, audit)))
    }

    async fn profile_secrets(&self) -> Result<Vec<ProfileSecretRecord>, SystemError> {
        Ok(Vec::new())
    }

    async fn set_profile_secret(
        &self,
        secret: ProfileSecretRecord,
        audit: AuditEntry,
    ) -> Result<WriteResult<ProfileSecretRecord>, ManagementError> {
        Ok(self.written(secret, audit))
    }

    async fn delete_profile_secret(
        &self,
        _: &str,
        _: &str,
        audit: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError> {
        Ok(self.written(false, audit))
    }

    async fn bootstrap_operator(
        &self,
        tenant: TenantRecord,
        first: KeyRecord,
        _: bool,
        audit: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError> {
        self.tenants.lock().unwrap().push(tenant);
        self.put_key(&first);
        Ok(self.written(true, audit))
    }
}
