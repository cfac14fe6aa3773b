//! Is what stands behind the credential in order? Pure: the key or user, the family of the token, and the tenant,
//! as they are now.

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

/// The key or user.
pub(super) fn check_subject(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
) -> StepResult<()> {
    match &principal.subject {
        Subject::Key(key) => check_key(eval, policy, &key.record),
        Subject::User(user) => check_user(eval, &user.record),
        // It manages, and is never judged as traffic.
        Subject::Certificate(_) => Err(eval.explain.fail("certificate", invalid_credential())),
    }
}

fn check_key(eval: &mut EvalContext<'_, '_>, policy: &Policy, key: &CachedKey) -> StepResult<()> {
    if policy.kind(&key.shared.kind).is_none() {
        let detail = || format!("the profile has no kind {:?} any more", key.shared.kind);
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
        (None, _) => format!("{} is switched off", key.id),
    };
    let detail = detail();
    Err(eval.explain.fail_with_detail("key", denial, || detail))
}

fn check_user(eval: &mut EvalContext<'_, '_>, user: &UserRecord) -> StepResult<()> {
    if user.disabled {
        let detail = || format!("{} is switched off", user.id);
        return Err(eval.explain.fail_with_detail("user", Denial::new(Reason::Disabled), detail));
    }
    eval.explain.pass("user", || format!("{} is active", user.id));
    Ok(())
}

/// The family of the token, where there is one: not ended, and not older than what ended the user's tokens.
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
        let detail = || "the user's password, role or confinement has changed since".to_owned();
        return Err(eval.explain.fail_with_detail("token", denial(), detail));
    }
    Ok(())
}

/// The tenant, which the request may name.
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
    let owns = named.is_none_or(|name| *name == *tenant.slug || id(name) == Ok(tenant.id));
    if !owns {
        return Err(eval.fail("tenant", Reason::TenantMismatch));
    }
    if tenant.suspended {
        return Err(eval.fail("tenant", Reason::TenantSuspended));
    }
    eval.explain.pass("tenant", || format!("{} is its own", tenant.slug));
    Ok(())
}
