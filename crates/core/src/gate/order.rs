//! Is what stands behind the credential in order? Pure: the key or user, the family of the token, and the tenant,
//! as they are now.

use super::{Case, Judged, invalid_credential};
use crate::brief::KeyBrief;
use crate::decision::Denial;
use crate::id::TenantId;
use crate::policy::Policy;
use crate::ports::KnownFamily;
use crate::principal::{Principal, Subject};
use crate::reason::Reason;
use crate::record::KeyState;
use crate::user::UserRecord;

/// The key or user.
pub(super) fn subject(case: &mut Case<'_, '_>, policy: &Policy, who: &Principal) -> Judged<()> {
    match &who.subject {
        Subject::Key(key) => key_in_order(case, policy, &key.record),
        Subject::User(user) => user_in_order(case, &user.record),
        // It manages, and is never judged as traffic.
        Subject::Certificate(_) => Err(case.trail.fail("certificate", invalid_credential())),
    }
}

fn key_in_order(case: &mut Case<'_, '_>, policy: &Policy, key: &KeyBrief) -> Judged<()> {
    if policy.kind(&key.group.kind).is_none() {
        let detail = || format!("the profile has no kind {:?} any more", key.group.kind);
        return Err(case.trail.fail_because("key", invalid_credential(), detail));
    }
    let denial = match key.state(case.now.wall) {
        KeyState::Active => {
            case.trail.pass("key", || format!("{} is active", key.id));
            return Ok(());
        }
        KeyState::Revoked => Denial::plain(Reason::Revoked),
        KeyState::Disabled => Denial::plain(Reason::Disabled),
        KeyState::Expired => {
            let day = key.expires.unwrap_or_default().date();
            Denial::saying(Reason::Expired, format!("The credential expired on {day}."))
        }
    };
    let detail = || match (key.revoked(), key.expires) {
        (Some(at), _) => format!("{} was revoked at {at}", key.id),
        (None, Some(at)) if at <= case.now.wall => format!("{} expired at {at}", key.id),
        (None, _) => format!("{} is switched off", key.id),
    };
    let detail = detail();
    Err(case.trail.fail_because("key", denial, || detail))
}

fn user_in_order(case: &mut Case<'_, '_>, user: &UserRecord) -> Judged<()> {
    if user.disabled {
        let detail = || format!("{} is switched off", user.id);
        return Err(case.trail.fail_because("user", Denial::plain(Reason::Disabled), detail));
    }
    case.trail.pass("user", || format!("{} is active", user.id));
    Ok(())
}

/// The family of the token, where there is one: not ended, and not older than what ended the user's tokens.
pub(super) fn family(case: &mut Case<'_, '_>, who: &Principal, family: Option<&KnownFamily>) -> Judged<()> {
    let Some(family) = family.map(|f| &f.record) else { return Ok(()) };
    let denial = || Denial::plain(Reason::Revoked);
    if let Some(at) = family.ended {
        let detail = || format!("{} ended at {at}", family.id);
        return Err(case.trail.fail_because("token", denial(), detail));
    }
    let role = who.token.as_ref().and_then(|t| t.claims.role.as_deref());
    let outdated = |u: &UserRecord| u.generation != family.generation || role != Some(&*u.role);
    if who.user().is_some_and(outdated) {
        let detail = || "the user's password, role or confinement has changed since".to_owned();
        return Err(case.trail.fail_because("token", denial(), detail));
    }
    Ok(())
}

/// The tenant, which the request may name.
pub(super) fn tenant(case: &mut Case<'_, '_>, policy: &Policy, who: &Principal) -> Judged<()> {
    let tenant = &who.tenant;
    let named = match case.access.tenant {
        None | Some("") if policy.tenant_required => {
            return Err(case.fail("tenant", Reason::TenantRequired));
        }
        None | Some("") => None,
        Some(name) => Some(name),
    };
    let id = |name: &str| name.parse::<TenantId>();
    let owns = named.is_none_or(|name| *name == *tenant.slug || id(name) == Ok(tenant.id));
    if !owns {
        return Err(case.fail("tenant", Reason::TenantMismatch));
    }
    if tenant.suspended {
        return Err(case.fail("tenant", Reason::TenantSuspended));
    }
    case.trail.pass("tenant", || format!("{} is its own", tenant.slug));
    Ok(())
}
