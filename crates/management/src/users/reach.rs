//! Users that a caller of a tenant can see and manage: those within its own bindings and environments.

use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::user::UserRecord;

use crate::grants::Grants;
use crate::key_builder::DEFAULT_ENVIRONMENT;

/// Returns whether a caller of a tenant can see a user, and take access away from it. A key of the default environment
/// counts as a key of the whole tenant here: users are of all environments unless the request that creates them confines
/// them, and one key must be able to end their access. It covers no more users by this ([`covers_environments`]).
pub(crate) fn reaches(principal: &Principal, user: &UserRecord, policy: &Policy) -> bool {
    let bound = |(name, value): (&str, &str)| user.bindings.get(name).map(String::as_str) == Some(value);
    let whole = principal.user().is_none() && principal.environment() == Some(DEFAULT_ENVIRONMENT);
    principal.bindings().iter().all(bound) && (whole || covers_environments(principal, user, policy))
}

/// Returns whether a caller manages every environment that a user can get tokens for.
pub(super) fn covers_environments(principal: &Principal, user: &UserRecord, policy: &Policy) -> bool {
    let grants = Grants::of(principal, policy);
    match user.environment.as_deref() {
        Some(name) => grants.reaches_environment(name),
        None => policy.environments.iter().all(|name| grants.reaches_environment(name)),
    }
}
