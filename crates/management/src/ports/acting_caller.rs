//! Caller of a write, as it was authenticated before the write began.

use ipnet::IpNet;
use latchkey_core::id::{FamilyId, KeyId, UserId};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::operator::is_operator_tenant;
use latchkey_core::principal::{Principal, Subject};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_core::user::UserRecord;

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
    /// A user.
    User(ActingUser),
}

/// User that calls, with the two states that decide its rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActingUser {
    /// The identifier.
    pub id: UserId,
    /// The generation, which increases when the role, the bindings, the environment or the password change.
    pub generation: u64,
    /// Version of the profile whose role gave the user its scopes; `None` if it is unknown, and not compared.
    pub profile_version: Option<u64>,
}

impl ActingUser {
    /// Returns whether the user as it is stored has all rights that it had. `newest` is the newest stored version of its
    /// profile. Every other version counts as a loss, since it can give the role fewer scopes.
    #[must_use]
    pub fn keeps_rights(&self, stored: &UserRecord, newest: Option<u64>) -> bool {
        self.generation == stored.generation && is_newest(self.profile_version, newest)
    }
}

/// Returns whether the version that decided a caller's rights is the newest one, or is not compared.
fn is_newest(version: Option<u64>, newest: Option<u64>) -> bool {
    version.is_none_or(|version| newest == Some(version))
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
    /// Version of the profile whose kinds and scopes bound the key; `None` for an operator's key, which no profile bounds,
    /// and if it is unknown: it is not compared.
    pub profile_version: Option<u64>,
}

impl ActingKey {
    /// Returns whether the key as it is stored has all rights that it had. Other limits count as a loss, as every other
    /// version of its profile than `newest` does: it can give the kind of the key fewer scopes, environments or routes.
    #[must_use]
    pub fn keeps_rights(&self, stored: &KeyRecord, newest: Option<u64>) -> bool {
        let ends = |expires: Option<Timestamp>| expires.map_or(i64::MAX, |at| at.0);
        let permits = |own: &IpNet| stored.networks.iter().any(|network| network.contains(own));
        let keeps_networks =
            stored.networks.is_empty() || (!self.networks.is_empty() && self.networks.iter().all(permits));
        self.scopes.iter().all(|scope| stored.scopes.contains(scope))
            && keeps_networks
            && self.limits == stored.limits
            && ends(self.expires) <= ends(stored.expires)
            && is_newest(self.profile_version, newest)
    }
}

impl ActingCaller {
    /// Returns the caller of a principal whose rights this version of its profile decided; `None` for a certificate, which
    /// the settings give its rights.
    #[must_use]
    pub fn of(principal: &Principal, profile_version: Option<u64>) -> Option<Self> {
        let subject = match &principal.subject {
            Subject::Key(key) => ActingSubject::Key(Box::new(ActingKey {
                id: key.record.id,
                scopes: key.record.shared.scopes().to_vec(),
                networks: key.record.networks().to_vec(),
                limits: key.record.limits().cloned().unwrap_or_default(),
                expires: key.record.expires,
                profile_version: profile_version.filter(|_| !is_operator_tenant(&principal.tenant)),
            })),
            Subject::User(user) => {
                let UserRecord { id, generation, .. } = user.record;
                ActingSubject::User(ActingUser { id, generation, profile_version })
            }
            Subject::Certificate(_) => return None,
        };
        Some(Self { subject, family: principal.token.as_ref().map(|token| token.ids.family) })
    }
}
