//! Users of a tenant: people who sign in with e-mail and password. What a user may do is the role's, by the
//! profile in force; what ends a user's tokens is here too: a switch, and the generation of the password.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::heap_size;
use crate::id::{TenantId, UserId};
use crate::policy::Policy;
use crate::scope::ScopeSet;
use crate::time::Timestamp;

/// A user, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The identifier.
    pub id: UserId,
    /// Whom the user belongs to.
    pub tenant: TenantId,
    /// In lower case; unique in the tenant.
    pub email: String,
    /// One of the profile's roles.
    pub role: Box<str>,
    /// What the user is confined to.
    pub bindings: BTreeMap<String, String>,
    /// The one environment that the user is confined to; none: every one.
    pub environment: Option<Box<str>>,
    /// Whether the user may do nothing.
    pub disabled: bool,
    /// Counts what ends tokens: changes of password, role, bindings and environment, and being switched off.
    /// Tokens of an earlier generation are over.
    pub generation: u64,
    /// When made.
    pub created: Timestamp,
    /// The store revision of the last change.
    pub revision: u64,
}

impl UserRecord {
    /// What the user may do: what the role may, by the policy in force.
    #[must_use]
    pub fn granted(&self, policy: &Policy) -> ScopeSet {
        policy.roles.get(&self.role).cloned().unwrap_or_default()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        let texts = self.bindings.iter().map(|(n, w)| heap_size::text(n) + heap_size::text(w)).sum::<usize>();
        let bindings = heap_size::map::<String, String>(self.bindings.len()) + texts;
        heap_size::text(&self.email) + heap_size::text(&self.role) + bindings
    }
}

/// Failed attempts to sign in, in a row. They fade with time, so that nobody is locked out for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedLogins {
    /// How many, at `last`.
    pub failed: u32,
    /// When the last one was.
    pub last: Timestamp,
}

/// The most failures in a row.
pub const MAX_FAILED_LOGINS: u32 = 100;
/// One failure is forgiven in this time.
const DECAY_INTERVAL: Duration = Duration::from_mins(15);

impl FailedLogins {
    /// Takes one more attempt, counted as failed until it has succeeded; nothing where there were too many.
    #[must_use]
    pub fn record_attempt(self, now: Timestamp) -> Option<Self> {
        let passed = u128::try_from(now.0.saturating_sub(self.last.0)).unwrap_or_default();
        let forgiven = u32::try_from(passed / DECAY_INTERVAL.as_millis()).unwrap_or(u32::MAX);
        let failed = self.failed.saturating_sub(forgiven);
        (failed < MAX_FAILED_LOGINS).then_some(Self { failed: failed + 1, last: now })
    }
}

/// The one spelling of an e-mail address: addresses that differ in case are one user's.
#[must_use]
pub fn canonical_email(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| !c.is_control() && !c.is_whitespace());
    let whole = plain(local) && plain(domain) && !local.contains('@') && text.len() <= 254;
    whole.then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_failures_lock_and_a_quarter_of_an_hour_forgives_one() {
        let mut attempts = FailedLogins::default();
        for n in 1..=100 {
            attempts = attempts.record_attempt(Timestamp(n)).unwrap();
        }
        assert_eq!(attempts.record_attempt(Timestamp(101)), None);
        assert_eq!(attempts.record_attempt(Timestamp(100 + 899_999)), None);
        let next = attempts.record_attempt(Timestamp(100 + 900_000)).unwrap();
        assert_eq!((next.failed, next.record_attempt(Timestamp(100 + 900_001))), (100, None));
        // A clock that was set back forgives nothing.
        assert_eq!(attempts.record_attempt(Timestamp(0)), None);
    }

    #[test]
    fn an_address_has_one_spelling() {
        assert_eq!(canonical_email(" Ada@Example.DEV ").as_deref(), Some("ada@example.dev"));
        for bad in ["", "ada", "@x", "ada@", "a b@x", "a@b@c", "a\n@x"] {
            assert_eq!(canonical_email(bad), None, "{bad:?}");
        }
    }
}
