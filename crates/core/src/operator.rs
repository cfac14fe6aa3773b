//! Built-in policy of the operators' tenant. It is a tenant like any other: operators' keys are created,
//! listed, rotated and revoked by the same calls. No product's traffic is evaluated by this policy.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::enforcement::Enforcement;
use crate::key_kind::{Encoding, ImportRules, KeyKind, LifetimeRules, Prefixes};
use crate::limit::{NameMap, RateClasses};
use crate::policy::{AcceptedCredentials, DEFAULT_PASSWORD_LENGTH, Policy, UnmatchedRoute};
use crate::record::TenantRecord;
use crate::route::Routes;
use crate::scope::{ScopeEntry, ScopeRegistry, ScopeSet};

/// Slug of the operators' tenant and name of its policy. No other tenant or profile may have it.
pub const SLUG: &str = "latchkey";
/// Scope of operators who may do everything.
pub const ADMIN: &str = OperatorRole::Admin.scope();
/// Kind of the operators' keys.
pub const KIND: &str = "operator";
/// Prefix of the operators' keys.
pub const PREFIX: &str = "lk_op_";

/// Role of an operator, in the order of the rights: each role has the rights of the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperatorRole {
    /// Reads and lists everything that is no secret.
    Read,
    /// In addition, takes access away from tenants: revokes and disables keys, disables users.
    Support,
    /// Has all rights.
    Admin,
}

impl OperatorRole {
    /// All roles, from the one with the fewest rights.
    pub const ALL: [Self; 3] = [Self::Read, Self::Support, Self::Admin];

    /// Returns the scope of the keys and certificates that have this role.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Read => "latchkey.read",
            Self::Support => "latchkey.support",
            Self::Admin => "latchkey.admin",
        }
    }

    /// Returns the name of the role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Support => "support",
            Self::Admin => "admin",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Read => "Reads and lists everything that is no secret",
            Self::Support => "Also revokes and disables keys, and disables users",
            Self::Admin => "Everything",
        }
    }

    /// Returns the scopes of this role and of the roles with fewer rights.
    #[must_use]
    pub fn granted(self) -> ScopeSet {
        let names = Self::ALL.into_iter().filter(|role| *role <= self).map(Self::scope);
        names.filter_map(|name| POLICY.scopes.find(name)).collect()
    }

    /// Returns the role with the most rights among these scopes; `None` if no role is among them.
    pub fn of_scopes<'s>(scopes: impl IntoIterator<Item = &'s str>) -> Option<Self> {
        let role = |scope: &str| Self::ALL.into_iter().find(|role| role.scope() == scope);
        scopes.into_iter().filter_map(role).max()
    }
}

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let entry = |role: OperatorRole| ScopeEntry {
        name: role.scope().into(),
        description: role.description().into(),
        aliases: vec![],
        enforce: Enforcement::Enforced,
    };
    // No name is declared twice.
    let scopes = ScopeRegistry::new(OperatorRole::ALL.map(entry).to_vec()).unwrap_or_default();
    let kind = KeyKind {
        name: KIND.into(),
        default: true,
        prefixes: Prefixes::Shared(PREFIX.into()),
        encoding: Encoding::Base62,
        characters: Encoding::Base62.characters(32),
        checksum: true,
        retrievable: false,
        bindings: vec![],
        max_scopes: scopes.all(),
        // An operator's key is created only by naming its role.
        default_scopes: ScopeSet::default(),
        creates_keys_in: Vec::new(),
        lifetime: LifetimeRules::default(),
        imports: ImportRules::default(),
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
        resources: Vec::new(),
        request_id_prefix: None,
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
