//! Parts of keys that the profiles of their tenants no longer have.

use std::collections::HashMap;

use latchkey_core::error::SystemError;
use latchkey_core::id::TenantId;
use latchkey_core::in_force::NotInForce;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, TenantRecord};

use super::ManagementService;

/// Parts of a key that the profile of its tenant no longer has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLosses {
    /// Reason for which the profile denies every call with the key; empty for none.
    pub denied: String,
    /// Scopes of the key that the profile does not have.
    pub scopes: Vec<Box<str>>,
}

impl ManagementService {
    /// Returns what the profile of its tenant no longer has of each key, in the order of the keys.
    pub async fn key_losses(&self, keys: &[KeyRecord]) -> Result<Vec<KeyLosses>, SystemError> {
        let mut ids: Vec<TenantId> = keys.iter().map(|key| key.tenant).collect();
        ids.sort_unstable();
        ids.dedup();
        let tenants = self.parts.store.tenants_by_id(&ids).await?;
        let of: HashMap<TenantId, &TenantRecord> = tenants.iter().map(|tenant| (tenant.id, tenant)).collect();
        let losses = |key: &KeyRecord| {
            // A tenant that was deleted has no profile.
            let Some(tenant) = of.get(&key.tenant) else { return KeyLosses::default() };
            match self.policy_of(tenant) {
                Ok(policy) => of_policy(key, &policy),
                Err(_) => KeyLosses {
                    denied: format!("the profile {:?} is not in force", tenant.profile),
                    scopes: Vec::new(),
                },
            }
        };
        Ok(keys.iter().map(losses).collect())
    }
}

fn of_policy(key: &KeyRecord, policy: &Policy) -> KeyLosses {
    let denied = match policy.still_has(key) {
        Err(NotInForce::KindRemoved) => format!("the profile no longer has the kind {:?}", key.kind),
        Err(NotInForce::EnvironmentRemoved) => {
            format!("the profile no longer has the environment {:?}", key.environment)
        }
        Err(_) => format!("the profile no longer has keys with the prefix {:?}", key.prefix),
        Ok(()) => String::new(),
    };
    let removed = key.scopes.iter().filter(|scope| policy.scopes.find(scope).is_none());
    KeyLosses { denied, scopes: removed.cloned().collect() }
}
