//! Built-in policy of the operators' tenant. It is a tenant like any other: operators' keys are created,
//! listed, rotated and revoked by the same calls. No product's traffic is evaluated by this policy.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::enforcement::Enforcement;
use crate::key_kind::{Encoding, KeyKind, LifetimeRules, Prefixes};
use crate::limit::{NameMap, RateClasses};
use crate::policy::{AcceptedCredentials, DEFAULT_PASSWORD_LENGTH, Policy, UnmatchedRoute};
use crate::record::TenantRecord;
use crate::route::Routes;
use crate::scope::{ScopeEntry, ScopeRegistry, ScopeSet};

/// Slug of the operators' tenant and name of its policy. No other tenant or profile may have it.
pub const SLUG: &str = "latchkey";
/// The operators' scope.
pub const ADMIN: &str = "latchkey.admin";
/// Kind of the operators' keys.
pub const KIND: &str = "operator";
/// Prefix of the operators' keys.
pub const PREFIX: &str = "lk_op_";

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let (name, description) = (ADMIN.into(), "Everything".into());
    let entry = ScopeEntry { name, description, aliases: vec![], enforce: Enforcement::Enforced };
    // A single name cannot be declared twice.
    let scopes = ScopeRegistry::new(vec![entry]).unwrap_or_default();
    let kind = KeyKind {
        name: KIND.into(),
        default: true,
        prefixes: Prefixes::Shared(PREFIX.into()),
        encoding: Encoding::Base62,
        bytes: 32,
        checksum: true,
        retrievable: false,
        bindings: vec![],
        max_scopes: scopes.all(),
        // An operators' key is made only by naming its scope.
        default_scopes: ScopeSet::default(),
        creates_keys_in: Vec::new(),
        lifetime: LifetimeRules::default(),
    };
    Arc::new(Policy {
        name: SLUG.into(),
        version: 1,
        // Management calls are never in shadow.
        enforce: Enforcement::Enforced,
        accepts: AcceptedCredentials { key: true, jwt: false },
        tenant_required: false,
        environments: vec!["live".into()],
        kinds: vec![kind],
        scopes,
        routes: Routes::default(),
        unmatched: UnmatchedRoute::Deny,
        classes: RateClasses::default(),
        plans: NameMap::default(),
        tokens: None,
        roles: HashMap::new(),
        min_password_length: DEFAULT_PASSWORD_LENGTH,
    })
});

/// Returns the built-in policy of operators' keys.
#[must_use]
pub fn policy() -> Arc<Policy> {
    Arc::clone(&POLICY)
}

/// Returns whether a tenant is the operators' tenant.
#[must_use]
pub fn is_operator_tenant(tenant: &TenantRecord) -> bool {
    *tenant.profile == *SLUG
}
