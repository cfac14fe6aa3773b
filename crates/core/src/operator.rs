//! Built-in policy of the operators' own tenant, which is a tenant like any other: operators' keys are made, listed,
//! rotated and revoked by the same calls. No product's traffic is judged by this policy.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::enforce::Enforce;
use crate::kind::{Encoding, Kind, Prefixes};
use crate::limit::{Classes, Named};
use crate::policy::{Accepts, DEFAULT_PASSWORD_LENGTH, Policy, Unmatched};
use crate::record::TenantRecord;
use crate::route::Routes;
use crate::scope::{Catalogue, ScopeEntry};

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
        password_length: DEFAULT_PASSWORD_LENGTH,
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
