//! Caller of a write, as it was authenticated before the write began.

use latchkey_core::id::{FamilyId, KeyId, UserId};
use latchkey_core::principal::{Principal, Subject};

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
    /// A key, with the names of its scopes.
    Key(KeyId, Vec<Box<str>>),
    /// A user, with its generation, which increases when its role, bindings, environment or password change.
    User(UserId, u64),
}

impl ActingCaller {
    /// Returns the caller of a principal; `None` for a certificate, which the settings give its rights.
    #[must_use]
    pub fn of(principal: &Principal) -> Option<Self> {
        let subject = match &principal.subject {
            Subject::Key(key) => ActingSubject::Key(key.record.id, key.record.shared.scopes().to_vec()),
            Subject::User(user) => ActingSubject::User(user.record.id, user.record.generation),
            Subject::Certificate(_) => return None,
        };
        Some(Self { subject, family: principal.token.as_ref().map(|token| token.ids.family) })
    }
}
