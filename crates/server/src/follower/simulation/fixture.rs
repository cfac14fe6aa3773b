//! Records and settings that all schedules share.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::mint::mint;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::seal::Sealer;
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_profile::Profile;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use uuid::Uuid;

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// Number of keys that there are from the beginning, which are revoked and renamed.
pub(super) const KEYS: usize = 8;
/// Key that is disabled and enabled.
pub(super) const SWITCHED: usize = KEYS;
/// Keys that are created in the course of a schedule.
pub(super) const LATER: [usize; 2] = [KEYS + 1, KEYS + 2];

const DOCUMENT: &str = r#"
name = "paykore"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
default_scopes = ["items.read"]
[[scopes]]
name = "items.read"
[[routes]]
path = "/v1/items"
scopes = ["items.read"]
[rate_limits]
default = []
"#;

/// Data that all schedules share.
pub(super) struct Fixture {
    pub(super) policy: Arc<Policy>,
    pub(super) values: Vec<PlainKey>,
    pub(super) keys: Vec<KeyRecord>,
    pub(super) tenant: TenantRecord,
    pub(super) sealer: Arc<Sealer>,
}

pub(super) static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let policy = Profile::compile(DOCUMENT, 1).unwrap().policy;
    let mut random = StdRng::seed_from_u64(1);
    let tenant = TenantRecord {
        id: TenantId(Uuid::from_u128(1)),
        slug: "acme".into(),
        display_name: "Acme".into(),
        profile: "paykore".into(),
        plan: None,
        suspended: false,
        created: NOW,
        limits: LimitOverrides::default(),
        revision: 1,
    };
    let values: Vec<_> = (0..=LATER[1]).map(|_| mint(&policy.kinds[0], "sk_live_", &mut random)).collect();
    let keys = values.iter().zip(1..).map(|(value, number)| key(value, number, tenant.id)).collect();
    Fixture { policy, values, keys, tenant, sealer: Arc::new(Sealer::new(&[7; 32])) }
});

fn key(value: &PlainKey, number: u128, tenant: TenantId) -> KeyRecord {
    KeyRecord {
        id: KeyId(Uuid::from_u128(number)),
        tenant,
        hash: value.hash(),
        name: "key".into(),
        kind: "secret".into(),
        environment: "live".into(),
        prefix: "sk_live_".into(),
        hint: value.hint().into(),
        scopes: vec!["items.read".into()],
        bindings: BTreeMap::new(),
        networks: Vec::new(),
        limits: LimitOverrides::default(),
        metadata: BTreeMap::new(),
        lifecycle: KeyLifecycle::Active,
        created: NOW,
        created_by: "operator".into(),
        expires: None,
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 1,
    }
}
