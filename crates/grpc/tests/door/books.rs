//! A ledger in memory: enough of one for every call to have something to work on. It can be shut, as a
//! database can be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::ports::{Found, KeyStore};
use latchkey_core::record::{KeyRecord, ProfileRecord, TenantRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::{Tick, Timestamp};
use latchkey_core::trouble::{Failure, Refusal, Trouble};
use latchkey_management::ports::{
    Applied, AuditEntry, KeyFilter, KeyRule, Ledger, Made, NewKey, RotateRule, Spreading, TenantRule, Written,
};

/// Keys, tenants and profiles.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) keys: Mutex<Vec<KeyRecord>>,
    pub(crate) tenants: Mutex<Vec<TenantRecord>>,
    pub(crate) profiles: Mutex<Vec<ProfileRecord>>,
    pub(crate) audit: Mutex<Vec<AuditEntry>>,
    pub(crate) revision: AtomicU64,
    pub(crate) shut: AtomicBool,
    pub(crate) hung: AtomicBool,
}

impl Books {
    async fn open(&self) -> Result<(), Trouble> {
        if self.hung.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.shut.load(Ordering::SeqCst) { Err(Trouble::database()) } else { Ok(()) }
    }

    fn written<T>(&self, value: T, audit: AuditEntry) -> Written<T> {
        self.audit.lock().unwrap().push(audit);
        Written { value, revision: self.revision.fetch_add(1, Ordering::SeqCst) + 1 }
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
impl KeyStore for Books {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<Found, Trouble> {
        self.open().await?;
        let key = self.keys.lock().unwrap().iter().find(|k| k.hash == *hash).cloned();
        let tenants = self.tenants.lock().unwrap();
        let known = key.and_then(|k| tenants.iter().find(|t| t.id == k.tenant).cloned().map(|t| (k, t)));
        Ok(Found { known, revision: self.revision.load(Ordering::SeqCst) })
    }
}

#[async_trait]
impl Spreading for Books {
    async fn spread(&self, _: u64, _: Option<Tick>) -> Result<(), Trouble> {
        Ok(())
    }
}

#[async_trait]
impl Ledger for Books {
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, Trouble> {
        self.open().await?;
        Ok(self.find_key(id))
    }

    async fn keys(
        &self,
        tenant: TenantId,
        filter: &KeyFilter,
        before: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, Trouble> {
        self.open().await?;
        let mut keys = self.keys.lock().unwrap().clone();
        keys.retain(|k| k.tenant == tenant && before.is_none_or(|b| k.id < b));
        keys.retain(|k| filter.state.is_none_or(|(state, now)| k.state(now) == state));
        keys.sort_by_key(|k| std::cmp::Reverse(k.id));
        keys.truncate(limit as usize);
        Ok(keys)
    }

    async fn tenant(&self, tenant: &TenantRef) -> Result<Option<TenantRecord>, Trouble> {
        self.open().await?;
        let named = |t: &&TenantRecord| match tenant {
            TenantRef::Id(id) => t.id == *id,
            TenantRef::Slug(slug) => *t.slug == **slug,
        };
        Ok(self.tenants.lock().unwrap().iter().find(named).cloned())
    }

    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<TenantRecord>, Trouble> {
        self.open().await?;
        let mut tenants = self.tenants.lock().unwrap().clone();
        tenants.retain(|t| before.is_none_or(|b| t.id < b));
        tenants.sort_by_key(|t| std::cmp::Reverse(t.id));
        tenants.truncate(limit as usize);
        Ok(tenants)
    }

    async fn profiles(&self) -> Result<Vec<ProfileRecord>, Trouble> {
        self.open().await?;
        Ok(self.profiles.lock().unwrap().clone())
    }

    async fn profile(&self, name: &str, version: Option<u64>) -> Result<Option<ProfileRecord>, Trouble> {
        self.open().await?;
        let profiles = self.profiles.lock().unwrap();
        let found =
            profiles.iter().rev().find(|p| *p.name == *name && version.is_none_or(|v| v == p.version));
        Ok(found.cloned())
    }

    async fn create_keys(&self, keys: Vec<NewKey>, audit: AuditEntry) -> Result<Written<Vec<Made>>, Failure> {
        self.open().await?;
        for key in &keys {
            self.put_key(&key.record);
        }
        Ok(self.written(keys.into_iter().map(|k| Made::New(k.record)).collect(), audit))
    }

    async fn change_key(
        &self,
        id: KeyId,
        rule: KeyRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<KeyRecord>, Failure> {
        self.open().await?;
        let old = self.find_key(id).ok_or(Refusal::NotFound("key"))?;
        let new = rule(&old)?;
        self.put_key(&new);
        Ok(self.written(new, audit))
    }

    async fn rotate_key(
        &self,
        id: KeyId,
        rule: RotateRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<(KeyRecord, KeyRecord)>, Failure> {
        self.open().await?;
        let old = self.find_key(id).ok_or(Refusal::NotFound("key"))?;
        let both = rule(&old)?;
        self.put_key(&both.0);
        self.put_key(&both.1);
        Ok(self.written(both, audit))
    }

    async fn create_tenant(
        &self,
        t: TenantRecord,
        audit: AuditEntry,
    ) -> Result<Written<TenantRecord>, Failure> {
        self.open().await?;
        let mut tenants = self.tenants.lock().unwrap();
        if tenants.iter().any(|other| other.slug == t.slug) {
            return Err(Refusal::AlreadyExists(format!("the slug {:?} is taken", t.slug)).into());
        }
        tenants.push(t.clone());
        Ok(self.written(t, audit))
    }

    async fn change_tenant(
        &self,
        id: TenantId,
        rule: TenantRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<TenantRecord>, Failure> {
        self.open().await?;
        let mut tenants = self.tenants.lock().unwrap();
        let tenant = tenants.iter_mut().find(|t| t.id == id).ok_or(Refusal::NotFound("tenant"))?;
        *tenant = rule(tenant)?;
        Ok(self.written(tenant.clone(), audit))
    }

    async fn apply_profile(
        &self,
        (name, document): (&str, &str),
        _: u64,
        audit: AuditEntry,
    ) -> Result<Applied, Failure> {
        self.open().await?;
        let mut profiles = self.profiles.lock().unwrap();
        let version = profiles.iter().filter(|p| *p.name == *name).count() as u64 + 1;
        let applied = Timestamp(7_000);
        let record =
            ProfileRecord { name: name.into(), version, document: document.into(), applied, revision: 1 };
        profiles.push(record.clone());
        Ok(Applied::Written(self.written(record, audit)))
    }

    async fn found(
        &self,
        tenant: TenantRecord,
        first: KeyRecord,
        _: bool,
        audit: AuditEntry,
    ) -> Result<Written<bool>, Failure> {
        self.tenants.lock().unwrap().push(tenant);
        self.put_key(&first);
        Ok(self.written(true, audit))
    }
}
