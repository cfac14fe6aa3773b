//! Users of a tenant: people who log in with an e-mail address and a password. The profile in force decides
//! by role what a user may do. A user's tokens end when the user is disabled or the generation changes.

use std::collections::BTreeMap;

use crate::heap_size;
use crate::id::{TenantId, UserId};
use crate::policy::Policy;
use crate::scope::ScopeSet;
use crate::time::Timestamp;
use crate::visible::is_visible;

/// A user, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The identifier.
    pub id: UserId,
    /// The tenant that the user belongs to.
    pub tenant: TenantId,
    /// The e-mail address: in lower case and unique in the tenant.
    pub email: String,
    /// A role of the profile.
    pub role: Box<str>,
    /// Bindings that the user is confined to; empty for the whole tenant.
    pub bindings: BTreeMap<String, String>,
    /// The environment that the user is confined to; `None` for every environment.
    pub environment: Option<Box<str>>,
    /// True if the user may do nothing.
    pub disabled: bool,
    /// Number of changes that end tokens: changes of password, role, bindings and environment, and disabling.
    /// Tokens of an earlier generation are not valid.
    pub generation: u64,
    /// Time of creation.
    pub created: Timestamp,
    /// Revision of the last change.
    pub revision: u64,
}

impl UserRecord {
    /// Returns the scopes that the policy in force grants to the user's role.
    #[must_use]
    pub fn granted(&self, policy: &Policy) -> ScopeSet {
        policy.roles.get(&self.role).cloned().unwrap_or_default()
    }

    /// Returns the bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        let texts = self.bindings.iter().map(|(n, w)| heap_size::text(n) + heap_size::text(w)).sum::<usize>();
        let bindings = heap_size::map::<String, String>(self.bindings.len()) + texts;
        heap_size::text(&self.email) + heap_size::text(&self.role) + bindings
    }
}

/// Returns the canonical form of an e-mail address: addresses that differ in case belong to one user. Returns
/// `None` if the text is not an address.
#[must_use]
pub fn canonical_email(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    let plain = |part: &str| !part.is_empty() && part.chars().all(is_visible);
    let whole = plain(local) && plain(domain) && !local.contains('@') && text.len() <= 254;
    whole.then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        assert_eq!(canonical_email(" Ada@Example.DEV ").as_deref(), Some("ada@example.dev"));
        for bad in ["", "ada", "@x", "ada@", "a b@x", "a@b@c", "a\n@x", "\u{200b}@x", "a\u{200b}da@x"] {
            assert_eq!(canonical_email(bad), None, "{bad:?}");
        }
    }
}
