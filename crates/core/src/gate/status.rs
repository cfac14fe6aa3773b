//! Checks that the principal is in force: the key or user, the token family, and the tenant, as they are now.
//! These checks are pure.

use super::{EvalContext, StepResult, invalid_credential};
use crate::cached_key::CachedKey;
use crate::decision::Denial;
use crate::id::TenantId;
use crate::policy::Policy;
use crate::ports::TokenFamily;
use crate::principal::{Principal, Subject};
use crate::reason::Reason;
use crate::record::KeyState;
use crate::user::UserRecord;

/// Checks that the key is active or the user enabled.
pub(super) fn check_subject(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
) -> StepResult<()> {
    match &principal.subject {
        Subject::Key(key) => check_key(eval, policy, &key.record),
        Subject::User(user) => check_user(eval, &user.record),
        // A certificate authenticates management calls alone and never passes as a credential of traffic.
        Subject::Certificate(_) => Err(eval.explain.fail("certificate", invalid_credential())),
    }
}

fn check_key(eval: &mut EvalContext<'_, '_>, policy: &Policy, key: &CachedKey) -> StepResult<()> {
    if policy.kind(&key.shared.kind).is_none() {
        let detail = || format!("the profile no longer has the kind {:?}", key.shared.kind);
        return Err(eval.explain.fail_with_detail("key", invalid_credential(), detail));
    }
    let denial = match key.state(eval.now.wall) {
        KeyState::Active => {
            eval.explain.pass("key", || format!("{} is active", key.id));
            return Ok(());
        }
        KeyState::Revoked => Denial::new(Reason::Revoked),
        KeyState::Disabled => Denial::new(Reason::Disabled),
        KeyState::Expired => {
            let day = key.expires.unwrap_or_default().date();
            Denial::with_message(Reason::Expired, format!("The credential expired on {day}."))
        }
    };
    let detail = || match (key.revoked(), key.expires) {
        (Some(at), _) => format!("{} was revoked at {at}", key.id),
        (None, Some(at)) if at <= eval.now.wall => format!("{} expired at {at}", key.id),
        (None, _) => format!("{} is disabled", key.id),
    };
    let detail = detail();
    Err(eval.explain.fail_with_detail("key", denial, || detail))
}

fn check_user(eval: &mut EvalContext<'_, '_>, user: &UserRecord) -> StepResult<()> {
    if user.disabled {
        let detail = || format!("{} is disabled", user.id);
        return Err(eval.explain.fail_with_detail("user", Denial::new(Reason::Disabled), detail));
    }
    eval.explain.pass("user", || format!("{} is active", user.id));
    Ok(())
}

/// Checks the token family, if there is one: it has not ended, and it is not older than the last change that
/// ends a user's tokens.
pub(super) fn check_family(
    eval: &mut EvalContext<'_, '_>,
    principal: &Principal,
    family: Option<&TokenFamily>,
) -> StepResult<()> {
    let Some(family) = family.map(|f| &f.record) else { return Ok(()) };
    let denial = || Denial::new(Reason::Revoked);
    if let Some(at) = family.ended {
        let detail = || format!("{} ended at {at}", family.id);
        return Err(eval.explain.fail_with_detail("token", denial(), detail));
    }
    let role = principal.token.as_ref().and_then(|t| t.claims.role.as_deref());
    let outdated = |u: &UserRecord| u.generation != family.generation || role != Some(&*u.role);
    if principal.user().is_some_and(outdated) {
        let detail = || "the user's password, role or confinement has changed since it was issued".to_owned();
        return Err(eval.explain.fail_with_detail("token", denial(), detail));
    }
    Ok(())
}

/// Checks that the tenant is active and, if the request names a tenant, that it is the same one.
pub(super) fn check_tenant(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
) -> StepResult<()> {
    let tenant = &principal.tenant;
    let named = match eval.input.tenant {
        None | Some("") if policy.tenant_required => {
            return Err(eval.fail("tenant", Reason::TenantRequired));
        }
        None | Some("") => None,
        Some(name) => Some(name),
    };
    let id = |name: &str| name.parse::<TenantId>();
    let matches = named.is_none_or(|name| *name == *tenant.slug || id(name) == Ok(tenant.id));
    if !matches {
        return Err(eval.fail("tenant", Reason::TenantMismatch));
    }
    if tenant.suspended {
        return Err(eval.fail("tenant", Reason::TenantSuspended));
    }
    eval.explain.pass("tenant", || format!("the credential belongs to {}", tenant.slug));
    Ok(())
}
