//! The one rule that says whether a credential is in force. Traffic, management and the issue of tokens are decided by
//! it, so that none of them accepts what another denies.

use std::net::IpAddr;

use crate::policy::Policy;
use crate::principal::{Principal, Subject};
use crate::record::{KeyRecord, KeyState};
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
    /// The profile no longer has a kind whose values begin as the key's does.
    PrefixRemoved,
    /// The profile no longer has the user's role.
    RoleRemoved,
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

impl Policy {
    /// Checks that the profile still has the kind, the environment and the prefix of a key. It denies every call with a key
    /// of which it lacks one of them, also while the key is active.
    pub fn still_has(&self, key: &KeyRecord) -> Result<(), NotInForce> {
        if self.kind(&key.kind).is_none() {
            Err(NotInForce::KindRemoved)
        } else if !self.environments.iter().any(|own| **own == *key.environment) {
            Err(NotInForce::EnvironmentRemoved)
        } else if !self.may_begin_with(&key.prefix) {
            Err(NotInForce::PrefixRemoved)
        } else {
            Ok(())
        }
    }
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
                // The format of a key that was sent itself is compared as a whole, before it is looked up.
                if self.token.is_some() && !policy.may_begin_with(&key.record.shared.prefix) {
                    return Err(NotInForce::PrefixRemoved);
                }
            }
            Subject::User(user) if user.record.disabled => return Err(NotInForce::Disabled),
            Subject::User(user) if !policy.roles.contains_key(&user.record.role) => {
                return Err(NotInForce::RoleRemoved);
            }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::cache::Cached;
    use crate::gate::tests::fixture::policy;
    use crate::id::{FamilyId, UserId};
    use crate::key_kind::pattern::KeyPattern;
    use crate::key_kind::{ImportRules, Prefixes};
    use crate::record::fixture::records;
    use crate::token::claims::TokenIds;
    use crate::token::{Claims, TokenSubject, VerifiedClaims};
    use crate::user::UserRecord;

    const NOW: Timestamp = Timestamp(5);

    /// Returns the principal of a key with this prefix, by a token that was issued to the key.
    fn by_token(prefix: &str) -> Principal {
        let (mut key, tenant) = records();
        key.prefix = prefix.into();
        let mut random = rand::rng();
        let ids = TokenIds {
            parent: TokenSubject::Key(key.id),
            family: FamilyId::new(NOW, &mut random),
            tenant: tenant.id,
        };
        let claims = Claims {
            iss: String::new(),
            aud: String::new(),
            sub: key.id.to_string(),
            exp: 10,
            iat: 0,
            nbf: 0,
            jti: String::new(),
            client_id: String::new(),
            sid: String::new(),
            tid: tenant.id.to_string(),
            env: None,
            scope: String::new(),
            role: None,
            bindings: BTreeMap::new(),
        };
        let claims = VerifiedClaims { kid: "1".into(), profile: "p".into(), claims, ids };
        let key = Cached::key(key, &tenant);
        Principal { token: Some(Arc::new(claims)), ..Principal::from_key(Arc::new(tenant), key, None) }
    }

    fn with_prefix(prefix: &str) -> Policy {
        let mut policy = policy();
        policy.kinds[0].prefixes = Prefixes::Shared(prefix.into());
        policy
    }

    #[test]
    fn a_token_ends_with_the_prefix_of_its_key() {
        let principal = by_token("sk_live_");
        assert_eq!(principal.in_force(&policy(), None, NOW), Ok(()));
        assert_eq!(principal.in_force(&with_prefix("sk_"), None, NOW), Ok(()));
        let ended = principal.in_force(&with_prefix("pk_live_"), None, NOW);
        assert_eq!(ended, Err(NotInForce::PrefixRemoved));
        let mut test_alone = policy();
        test_alone.kinds[0].prefixes = Prefixes::PerEnvironment(vec![("test".into(), "sk_test_".into())]);
        assert_eq!(principal.in_force(&test_alone, None, NOW), Err(NotInForce::PrefixRemoved));
    }

    #[test]
    fn a_key_ends_with_its_kind_its_environment_and_its_prefix() {
        let (key, _) = records();
        assert_eq!(policy().still_has(&key), Ok(()));
        assert_eq!(with_prefix("pk_live_").still_has(&key), Err(NotInForce::PrefixRemoved));
        let mut other = policy();
        other.environments.retain(|name| **name != *key.environment);
        assert_eq!(other.still_has(&key), Err(NotInForce::EnvironmentRemoved));
        other.kinds.retain(|kind| *kind.name != *key.kind);
        assert_eq!(other.still_has(&key), Err(NotInForce::KindRemoved));
    }

    #[test]
    fn a_token_of_an_imported_key_passes_as_long_as_a_pattern_can_match_the_key() {
        let mut policy = with_prefix("pk_live_");
        let pattern = KeyPattern::new("old-[0-9a-f]{32}", 36..=36).ok();
        policy.kinds[0].imports = ImportRules { pattern, only: true, hashes: Vec::new() };
        for (prefix, expected) in [
            ("old-", Ok(())),
            ("old-00", Ok(())),
            ("", Ok(())),
            ("new-", Err(NotInForce::PrefixRemoved)),
            ("pk_live_", Err(NotInForce::PrefixRemoved)),
        ] {
            assert_eq!(by_token(prefix).in_force(&policy, None, NOW), expected, "{prefix:?}");
        }
    }

    #[test]
    fn a_user_without_a_role_of_the_profile_is_not_in_force() {
        let (_, tenant) = records();
        let user = UserRecord {
            id: UserId::new(NOW, &mut rand::rng()),
            tenant: tenant.id,
            email: "ada@example.dev".into(),
            role: "clerk".into(),
            bindings: BTreeMap::new(),
            environment: None,
            disabled: false,
            generation: 1,
            created: NOW,
            revision: 1,
        };
        let mut policy = policy();
        let principal = Principal::from_user(Arc::new(tenant), Cached::user(user), &policy);
        assert_eq!(principal.in_force(&policy, None, NOW), Err(NotInForce::RoleRemoved));
        let _ = policy.roles.insert("clerk".into(), policy.scopes.all());
        assert_eq!(principal.in_force(&policy, None, NOW), Ok(()));
    }
}
