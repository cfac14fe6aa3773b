//! A tenant and one of its keys, for tests.

use std::collections::BTreeMap;

use rand::SeedableRng;

use super::{KeyLifecycle, KeyRecord, TenantRecord};
use crate::id::{KeyId, TenantId};
use crate::limit::LimitOverrides;
use crate::secret::KeyHash;
use crate::time::Timestamp;

/// Value of the key.
pub(crate) const VALUE: &str = "sk_live_00000000000000000000000000000001";

/// Returns the key and its tenant.
pub(crate) fn records() -> (KeyRecord, TenantRecord) {
    let mut random = rand::rngs::StdRng::from_seed([5; 32]);
    let tenant = TenantRecord {
        id: TenantId::new(Timestamp(1), &mut random),
        slug: "acme".into(),
        display_name: String::new(),
        profile: "p".into(),
        plan: None,
        suspended: false,
        created: Timestamp(1),
        limits: LimitOverrides::default(),
        revision: 1,
    };
    let record = KeyRecord {
        id: KeyId::new(Timestamp(1), &mut random),
        tenant: tenant.id,
        hash: KeyHash::of(VALUE),
        name: "k".into(),
        kind: "secret".into(),
        environment: "live".into(),
        prefix: "sk_live_".into(),
        hint: "0001".into(),
        scopes: vec!["items.read".into()],
        bindings: BTreeMap::new(),
        networks: vec![],
        limits: LimitOverrides::default(),
        metadata: BTreeMap::new(),
        lifecycle: KeyLifecycle::Active,
        created: Timestamp(1),
        created_by: String::new(),
        expires: None,
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 1,
    };
    (record, tenant)
}
