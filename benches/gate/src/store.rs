//! A store that knows every key. It computes records instead of keeping them, so that only the gate's own cache
//! grows with the number of keys.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::ports::{KeyStore, LookupResult, ReadAt};
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use uuid::Uuid;

use crate::Workload;

/// Computes the records of keys, numbered in the order of their look-ups.
pub(crate) struct SyntheticStore {
    made: AtomicUsize,
    tenants: usize,
    profile: String,
    scopes: Vec<Box<str>>,
}

impl SyntheticStore {
    pub(crate) fn new(workload: &Workload) -> Self {
        let scopes = (0..workload.scopes).map(|number| Workload::scope(number).into()).collect();
        let made = AtomicUsize::new(0);
        Self { made, tenants: workload.tenants.max(1), profile: workload.profile_name(), scopes }
    }

    fn tenant(&self, number: usize) -> TenantRecord {
        TenantRecord {
            id: TenantId(Uuid::from_u128(number as u128)),
            slug: format!("tenant-{number}").into(),
            display_name: format!("Tenant {number}"),
            profile: self.profile.as_str().into(),
            plan: Some("starter".into()),
            suspended: false,
            created: Timestamp(1),
            limits: LimitOverrides::default(),
            revision: 1,
        }
    }
}

#[async_trait]
impl KeyStore for SyntheticStore {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let tenant = self.tenant(number % self.tenants);
        let key = KeyRecord {
            id: KeyId(Uuid::from_u128(number as u128)),
            tenant: tenant.id,
            hash: *hash,
            name: format!("api-server-{number:08}"),
            kind: "secret".into(),
            environment: "live".into(),
            prefix: "sk_live_".into(),
            hint: "0000".into(),
            scopes: self.scopes.clone(),
            bindings: BTreeMap::new(),
            networks: vec![],
            limits: LimitOverrides::default(),
            metadata: BTreeMap::new(),
            lifecycle: KeyLifecycle::Active,
            created: Timestamp(1),
            created_by: "bench".into(),
            expires: None,
            rotated_from: None,
            rotated_to: None,
            bucket_key: None,
            sealed: None,
            last_used: None,
            revision: 1,
        };
        Ok(LookupResult { entry: Some((key, tenant)), read_at: ReadAt::revision(1) })
    }
}
