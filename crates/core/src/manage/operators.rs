//! The operators' own tenant: a tenant like any other, with a policy that is built in, so that operators'
//! keys are made, listed, rotated and revoked by the same calls. No product's traffic is judged by it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use rand::Rng;

use crate::enforce::Enforce;
use crate::id::{KeyId, TenantId};
use crate::kind::{Encoding, Kind, Prefixes};
use crate::limit::{Classes, Named, Overrides};
use crate::policy::{Accepts, Policy, Unmatched};
use crate::principal::Principal;
use crate::record::{KeyLife, KeyRecord, TenantRecord};
use crate::route::Routes;
use crate::scope::{Catalogue, ScopeEntry};
use crate::secret::PlainKey;
use crate::time::Timestamp;

/// The slug of the operators' tenant and the name of its policy; no other may have it.
pub const SLUG: &str = "latchkey";
/// The operators' scope.
pub const ADMIN: &str = "latchkey.admin";
/// What a root key must have at least, in characters.
pub const ROOT_KEY_LENGTH: usize = 32;

const KIND: &str = "operator";
const PREFIX: &str = "lk_op_";

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let (name, description) = (ADMIN.into(), "Everything".into());
    let entry = ScopeEntry { name, description, aliases: vec![], enforce: Enforce::On };
    // One name alone can't be declared twice.
    let scopes = Catalogue::new(vec![entry]).unwrap_or_default();
    let kind = Kind {
        name: KIND.into(),
        default: true,
        prefixes: Prefixes::Same(PREFIX.into()),
        encoding: Encoding::Base62,
        bytes: 32,
        checksum: true,
        retrievable: false,
        bindings: vec![],
        most: scopes.all(),
        default_scopes: scopes.all(),
        makes_keys_in: Vec::new(),
    };
    Arc::new(Policy {
        name: SLUG.into(),
        version: 1,
        // Whoever manages is never let through to try something out.
        enforce: Enforce::On,
        accepts: Accepts { key: true, jwt: false },
        tenant_required: false,
        environments: vec!["live".into()],
        kinds: vec![kind],
        scopes,
        routes: Routes::default(),
        unmatched: Unmatched::Deny,
        classes: Classes::default(),
        plans: Named::default(),
        tokens: None,
        roles: HashMap::new(),
        password_length: crate::password::choice::DEFAULT_LENGTH,
    })
});

/// The built-in policy of operators' keys.
#[must_use]
pub fn policy() -> Arc<Policy> {
    Arc::clone(&POLICY)
}

/// Whether a tenant is the operators'.
#[must_use]
pub fn is_operators(tenant: &TenantRecord) -> bool {
    *tenant.profile == *SLUG
}

/// Whether a key of the operators' tenant speaks for them.
pub(crate) fn speaks(who: &Principal) -> bool {
    is_operators(&who.tenant) && POLICY.scopes.find(ADMIN).is_some_and(|s| who.granted.contains(s))
}

/// The operators' tenant, as it is first made.
pub fn tenant(now: Timestamp, random: &mut dyn Rng) -> TenantRecord {
    TenantRecord {
        id: TenantId::new(now, random),
        slug: SLUG.into(),
        display_name: "Operators".into(),
        profile: SLUG.into(),
        plan: None,
        suspended: false,
        created: now,
        limits: Overrides::default(),
        revision: 0,
    }
}

/// A fresh value for a first key.
pub fn new_root_value(random: &mut dyn Rng) -> PlainKey {
    crate::mint::mint(&POLICY.kinds[0], PREFIX, random)
}

/// The first key, of a value that was made or that the operator chose.
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
        limits: Overrides::default(),
        metadata: BTreeMap::new(),
        life: KeyLife::Active,
        created: now,
        created_by: "latchkey".into(),
        expires: None,
        rotated_from: None,
        rotated_to: None,
        sealed: None,
        last_used: None,
        revision: 0,
    }
}
