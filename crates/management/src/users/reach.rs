//! Users that a caller of a tenant can see and manage: those within its own bindings and environment.

use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::user::UserRecord;

use crate::key_builder::DEFAULT_ENVIRONMENT;

/// Returns whether a caller of a tenant can see and manage a user.
pub(crate) fn reaches(principal: &Principal, user: &UserRecord, policy: &Policy) -> bool {
    let bound = |(name, value): (&str, &str)| user.bindings.get(name).map(String::as_str) == Some(value);
    principal.bindings().iter().all(bound) && reaches_environment(principal, user, policy)
}

/// Returns whether a user is confined to the caller's environment, if the caller is confined to one. A key of the
/// default environment counts as a key of the whole tenant here: every key belongs to an environment, and one of them
/// must be able to manage the users of all.
pub(super) fn reaches_environment(principal: &Principal, user: &UserRecord, policy: &Policy) -> bool {
    principal.environment().is_none_or(|own| {
        let whole =
            policy.environments.len() == 1 || (principal.user().is_none() && own == DEFAULT_ENVIRONMENT);
        whole || user.environment.as_deref() == Some(own)
    })
}
