//! Caller of a write, as it was authenticated before the write began.

use ipnet::IpNet;
use latchkey_core::id::{FamilyId, KeyId, UserId};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::principal::{Principal, Subject};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;

/// Caller of a write. Time passes between its authentication and the write: a password is hashed, or other writes come
/// first. The write is refused if the caller has lost rights meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActingCaller {
    /// The key or user.
    pub subject: ActingSubject,
    /// Family of the token that the caller sent; `None` for a caller that sent a key.
    pub family: Option<FamilyId>,
}

/// Key or user that calls, with what shows that it has lost rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActingSubject {
    /// A key.
    Key(Box<ActingKey>),
    /// A user, with its generation, which increases when its role, bindings, environment or password change.
    User(UserId, u64),
}

/// Key that calls, with all that an update can change and that bounds the keys that it grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActingKey {
    /// The identifier.
    pub id: KeyId,
    /// Names of the scopes, as they are stored.
    pub scopes: Vec<Box<str>>,
    /// Networks that the key may be used from; empty for any.
    pub networks: Vec<IpNet>,
    /// Limits of the key itself.
    pub limits: LimitOverrides,
    /// Time of expiry; `None` if the key does not expire.
    pub expires: Option<Timestamp>,
}

impl ActingKey {
    /// Returns whether the key as it is stored has all rights that it had. Other limits count as a loss.
    #[must_use]
    pub fn keeps_rights(&self, stored: &KeyRecord) -> bool {
        let ends = |expires: Option<Timestamp>| expires.map_or(i64::MAX, |at| at.0);
        let permits = |own: &IpNet| stored.networks.iter().any(|network| network.contains(own));
        let keeps_networks =
            stored.networks.is_empty() || (!self.networks.is_empty() && self.networks.iter().all(permits));
        self.scopes.iter().all(|scope| stored.scopes.contains(scope))
            && keeps_networks
            && self.limits == stored.limits
            && ends(self.expires) <= ends(stored.expires)
    }
}

impl ActingCaller {
    /// Returns the caller of a principal; `None` for a certificate, which the settings give its rights.
    #[must_use]
    pub fn of(principal: &Principal) -> Option<Self> {
        let subject = match &principal.subject {
            Subject::Key(key) => ActingSubject::Key(Box::new(ActingKey {
                id: key.record.id,
                scopes: key.record.shared.scopes().to_vec(),
                networks: key.record.networks().to_vec(),
                limits: key.record.limits().cloned().unwrap_or_default(),
                expires: key.record.expires,
            })),
            Subject::User(user) => ActingSubject::User(user.record.id, user.record.generation),
            Subject::Certificate(_) => return None,
        };
        Some(Self { subject, family: principal.token.as_ref().map(|token| token.ids.family) })
    }
}
