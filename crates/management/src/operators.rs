//! Set-up of the operators' tenant: the tenant itself and its first key. The tenant's policy is built in
//! ([`latchkey_core::operator`]).

use std::collections::BTreeMap;

use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::mint::mint;
use latchkey_core::operator::{self, ADMIN, KIND, OperatorRole, PREFIX, SLUG};
use latchkey_core::principal::Principal;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use rand::Rng;

/// Returns the role of a principal of the operators' tenant; `None` for any other principal.
pub(crate) fn role(principal: &Principal) -> Option<OperatorRole> {
    let policy = operator::policy();
    let scopes = policy.scopes.names(&principal.granted);
    operator::is_operator_tenant(&principal.tenant).then(|| OperatorRole::of_scopes(scopes)).flatten()
}

/// Creates the record of the operators' tenant.
pub fn tenant(now: Timestamp, random: &mut dyn Rng) -> TenantRecord {
    TenantRecord {
        id: TenantId::new(now, random),
        slug: SLUG.into(),
        display_name: "Operators".into(),
        profile: SLUG.into(),
        plan: None,
        suspended: false,
        created: now,
        limits: LimitOverrides::default(),
        revision: 0,
    }
}

/// Generates a value for the first key.
pub fn new_root_key_value(random: &mut dyn Rng) -> PlainKey {
    mint(&operator::policy().kinds[0], PREFIX, random)
}

/// Creates the record of the first key from a value that was generated or that the operator chose.
pub fn root_key(value: &PlainKey, tenant: TenantId, now: Timestamp, random: &mut dyn Rng) -> KeyRecord {
    KeyRecord {
        id: KeyId::new(now, random),
        tenant,
        hash: value.hash(),
        name: "root".into(),
        kind: KIND.into(),
        environment: "live".into(),
        prefix: if value.reveal().starts_with(PREFIX) { PREFIX.into() } else { "".into() },
        hint: value.hint().into(),
        scopes: vec![ADMIN.into()],
        bindings: BTreeMap::new(),
        networks: vec![],
        limits: LimitOverrides::default(),
        metadata: BTreeMap::new(),
        lifecycle: KeyLifecycle::Active,
        created: now,
        created_by: "latchkey".into(),
        expires: None,
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 0,
    }
}
