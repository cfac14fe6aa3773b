//! The rule that decides every change of a user and every new password, as [`crate::grants`] does for keys. A caller of a
//! tenant manages the users within its own bindings and environments alone. A change is allowed if the user is nowhere
//! wider than before, or if the caller covers the whole user as it is afterwards. A new user, and a user who gets a
//! password, have no state before, so the caller must cover them.

use latchkey_core::error::RequestError;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::user::UserRecord;

use super::reach;
use crate::Caller;

/// State of a user before a call.
#[derive(Clone, Copy)]
pub(super) enum PriorState<'a> {
    /// The caller did not know a password of the user: the user is created, or gets a new password.
    Nothing,
    /// The user as it is stored.
    User(&'a UserRecord),
}

fn forbidden(text: String) -> RequestError {
    RequestError::PermissionDenied(text)
}

/// Checks a change of a user, or a new password.
pub(super) fn check(
    caller: &Caller,
    policy: &Policy,
    before: PriorState<'_>,
    after: &UserRecord,
) -> Result<(), RequestError> {
    let Some(own) = caller.principal() else { return Ok(()) };
    if let PriorState::User(before) = before {
        if !reach::reaches(own, before, policy) {
            return Err(RequestError::not_found("user", &before.id));
        }
        if !is_wider(before, after) {
            return Ok(());
        }
    }
    check_covers(own, policy, after)
}

/// Returns whether a user can do anything after a change that it could not do before. Every field is named here, so that
/// a new one cannot be forgotten.
fn is_wider(before: &UserRecord, after: &UserRecord) -> bool {
    let UserRecord {
        id,
        tenant,
        email,
        role,
        bindings,
        environment,
        disabled,
        // These record what happened to the user.
        generation: _,
        created: _,
        revision: _,
    } = after;
    // A service can give a role a meaning beyond its scopes: it reads the role in the JWT.
    (id, tenant, email, role) != (&before.id, &before.tenant, &before.email, &before.role)
        || before.bindings.iter().any(|(name, value)| bindings.get(name) != Some(value))
        || (before.environment.is_some() && *environment != before.environment)
        || (before.disabled && !disabled)
}

/// Checks that a caller can grant everything that a user has. A user has no expiry, no networks and no limits, so that a
/// caller with any of them covers no user. Every field is named here, so that a new one cannot be forgotten.
fn check_covers(own: &Principal, policy: &Policy, user: &UserRecord) -> Result<(), RequestError> {
    let UserRecord {
        id,
        tenant,
        email: _,
        role: _,
        bindings,
        environment: _,
        disabled: _,
        generation: _,
        created: _,
        revision: _,
    } = user;
    if *tenant != own.tenant.id {
        return Err(RequestError::not_found("user", id));
    }
    let beyond = user.granted(policy).difference(&own.granted);
    if !beyond.is_empty() {
        let names: Vec<&str> = policy.scopes.names(&beyond).collect();
        return Err(forbidden(format!("the caller lacks {}, and can't grant it", names.join(", "))));
    }
    let foreign = |(name, value): &(&str, &str)| bindings.get(*name).map(String::as_str) != Some(*value);
    if let Some((name, _)) = own.bindings().iter().find(foreign) {
        return Err(forbidden(format!(
            "the caller is bound to one {name}, and can grant users with the same one alone"
        )));
    }
    check_environment(own, policy, user)?;
    check_unlimited(own)
}

/// Checks that a caller manages every environment that a user can get tokens for.
fn check_environment(own: &Principal, policy: &Policy, user: &UserRecord) -> Result<(), RequestError> {
    let Some(caller) = own.environment().filter(|_| !reach::covers_environments(own, user, policy)) else {
        return Ok(());
    };
    let of = user.environment.as_deref().unwrap_or("all environments");
    Err(forbidden(format!(
        "the caller is confined to the environment {caller}, and the user is of {of}; confine the user to {caller} \
         (environment), or let an operator do this"
    )))
}

/// Checks that a caller is not confined in a way in which no user can be.
fn check_unlimited(own: &Principal) -> Result<(), RequestError> {
    let ends = own.key().is_some_and(|key| key.expires.is_some());
    let limited = own.limits().is_some_and(|limits| !limits.0.is_empty());
    let difference = if ends {
        "the caller expires, and a user does not"
    } else if !own.networks().is_empty() {
        "the caller is confined to networks, and a user is not"
    } else if limited {
        "the caller has limits of its own, and a user has none"
    } else {
        return Ok(());
    };
    Err(forbidden(format!("{difference}; an operator can do this")))
}
