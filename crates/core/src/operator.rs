//! Built-in policy of the operators' own tenant, which is a tenant like any other: operators' keys are made, listed,
//! rotated and revoked by the same calls. No product's traffic is judged by this policy.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::enforcement::Enforcement;
use crate::key_kind::{Encoding, KeyKind, Prefixes};
use crate::limit::{NameMap, RateClasses};
use crate::policy::{AcceptedCredentials, DEFAULT_PASSWORD_LENGTH, Policy, UnmatchedRoute};
use crate::record::TenantRecord;
use crate::route::Routes;
use crate::scope::{ScopeEntry, ScopeRegistry};

/// The slug of the operators' tenant and the name of its policy; no other may have it.
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
    // One name alone can't be declared twice.
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
        default_scopes: scopes.all(),
        creates_keys_in: Vec::new(),
    };
    Arc::new(Policy {
        name: SLUG.into(),
        version: 1,
        // Whoever manages is never let through to try something out.
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

/// The built-in policy of operators' keys.
#[must_use]
pub fn policy() -> Arc<Policy> {
    Arc::clone(&POLICY)
}

/// Whether a tenant is the operators'.
#[must_use]
pub fn is_operator_tenant(tenant: &TenantRecord) -> bool {
    *tenant.profile == *SLUG
}
