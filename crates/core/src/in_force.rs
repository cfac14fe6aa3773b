//! The one rule that says whether a credential is in force. Traffic, management and the issue of tokens are decided by
//! it, so that none of them accepts what another denies.

use std::net::IpAddr;

use crate::policy::Policy;
use crate::principal::{Principal, Subject};
use crate::record::KeyState;
use crate::time::Timestamp;
use crate::token::refresh::FamilyRecord;

/// Reason why a credential is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInForce {
    /// A certificate is no credential of a tenant's traffic.
    Certificate,
    /// The profile no longer has the key's kind.
    KindRemoved,
    /// The profile no longer has the environment of the key or the user.
    EnvironmentRemoved,
    /// The key is revoked.
    Revoked,
    /// The key or the user is disabled.
    Disabled,
    /// The key has expired.
    Expired,
    /// The token family has ended.
    FamilyEnded(Timestamp),
    /// The user's password, role or confinement has changed since the token was issued.
    Outdated,
    /// The tenant is suspended.
    TenantSuspended,
}

impl Principal {
    /// Checks that the credential of a principal is in force at `now`: the key or user, the family of its token if it
    /// sent one, and the tenant, in this order.
    pub fn in_force(
        &self,
        policy: &Policy,
        family: Option<&FamilyRecord>,
        now: Timestamp,
    ) -> Result<(), NotInForce> {
        self.check_subject(policy, now)?;
        self.check_family(family)?;
        if self.tenant.suspended { Err(NotInForce::TenantSuspended) } else { Ok(()) }
    }

    fn check_subject(&self, policy: &Policy, now: Timestamp) -> Result<(), NotInForce> {
        let has_environment = |name: &str| policy.environments.iter().any(|e| **e == *name);
        match &self.subject {
            Subject::Certificate(_) => return Err(NotInForce::Certificate),
            Subject::Key(key) => {
                if policy.kind(&key.record.shared.kind).is_none() {
                    return Err(NotInForce::KindRemoved);
                }
                match key.record.state(now) {
                    KeyState::Active => {}
                    KeyState::Revoked => return Err(NotInForce::Revoked),
                    KeyState::Disabled => return Err(NotInForce::Disabled),
                    KeyState::Expired => return Err(NotInForce::Expired),
                }
            }
            Subject::User(user) if user.record.disabled => return Err(NotInForce::Disabled),
            Subject::User(_) => {}
        }
        if self.environment().is_none_or(has_environment) {
            Ok(())
        } else {
            Err(NotInForce::EnvironmentRemoved)
        }
    }

    fn check_family(&self, family: Option<&FamilyRecord>) -> Result<(), NotInForce> {
        let Some(family) = family else { return Ok(()) };
        if let Some(at) = family.ended {
            return Err(NotInForce::FamilyEnded(at));
        }
        let role = self.token.as_ref().and_then(|token| token.claims.role.as_deref());
        let outdated =
            self.user().is_some_and(|user| user.generation != family.generation || role != Some(&*user.role));
        if outdated { Err(NotInForce::Outdated) } else { Ok(()) }
    }

    /// Returns whether the principal may call from an address. One that is confined to networks may not call from an
    /// unknown address.
    #[must_use]
    pub fn is_allowed_from(&self, address: Option<IpAddr>) -> bool {
        let networks = self.networks();
        let inside = |address: IpAddr| networks.iter().any(|n| n.contains(&address.to_canonical()));
        networks.is_empty() || address.is_some_and(inside)
    }
}
