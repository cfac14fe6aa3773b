//! Checks that the principal is in force, as the steps and denials of a call, and that it belongs to the tenant that the
//! call names. These checks are pure.

use super::{EvalContext, StepResult, invalid_credential};
use crate::cached_key::CachedKey;
use crate::decision::Denial;
use crate::id::TenantId;
use crate::in_force::NotInForce;
use crate::policy::Policy;
use crate::ports::TokenFamily;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::record::TenantRecord;

/// Checks that the key or user, the token family and the tenant are in force, and that the tenant is the one that the
/// request names, if it names one.
pub(super) fn check(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
    family: Option<&TokenFamily>,
) -> StepResult<()> {
    let status = principal.in_force(policy, family.map(|family| &family.record), eval.now.wall);
    match status {
        Ok(()) | Err(NotInForce::TenantSuspended) => {}
        Err(cause) => return Err(denial(eval, principal, cause)),
    }
    eval.explain.pass(principal.subject_type(), || format!("{} is active", principal.subject_id()));
    check_named_tenant(eval, policy, &principal.tenant)?;
    if status.is_err() {
        return Err(eval.fail("tenant", Reason::TenantSuspended));
    }
    eval.explain.pass("tenant", || format!("the credential belongs to {}", principal.tenant.slug));
    Ok(())
}

/// Records the step that failed, and returns the denial of the call.
fn denial(eval: &mut EvalContext<'_, '_>, principal: &Principal, cause: NotInForce) -> Denial {
    let id = principal.subject_id();
    let step = match cause {
        NotInForce::FamilyEnded(_) | NotInForce::Outdated => "token",
        _ => principal.subject_type(),
    };
    if step == "token" {
        eval.explain.pass(principal.subject_type(), || format!("{id} is active"));
    }
    let (denial, detail) = match cause {
        NotInForce::Certificate => {
            (invalid_credential(), "a certificate is no credential of traffic".to_owned())
        }
        NotInForce::KindRemoved => {
            (invalid_credential(), format!("the profile no longer has the kind {:?}", principal.kind()))
        }
        NotInForce::EnvironmentRemoved => {
            let name = principal.environment().unwrap_or_default();
            (invalid_credential(), format!("the profile no longer has the environment {name:?}"))
        }
        NotInForce::PrefixRemoved => {
            (invalid_credential(), "the profile no longer has keys with the prefix of this one".to_owned())
        }
        NotInForce::RoleRemoved => {
            (invalid_credential(), format!("the profile no longer has the role {:?}", principal.role()))
        }
        NotInForce::Revoked => {
            let at = principal.key().and_then(CachedKey::revoked).unwrap_or_default();
            (Denial::new(Reason::Revoked), format!("{id} was revoked at {at}"))
        }
        NotInForce::Disabled => (Denial::new(Reason::Disabled), format!("{id} is disabled")),
        NotInForce::Expired => {
            let at = principal.key().and_then(|key| key.expires).unwrap_or_default();
            let message = format!("The credential expired on {}.", at.date());
            (Denial::with_message(Reason::Expired, message), format!("{id} expired at {at}"))
        }
        NotInForce::FamilyEnded(at) => {
            let family = principal.token.as_ref().map(|token| token.ids.family.to_string());
            (Denial::new(Reason::Revoked), format!("{} ended at {at}", family.unwrap_or_default()))
        }
        NotInForce::Outdated => {
            let text = "the user's password, role or confinement has changed since it was issued";
            (Denial::new(Reason::Revoked), text.to_owned())
        }
        NotInForce::TenantSuspended => {
            (Denial::new(Reason::TenantSuspended), "the tenant is suspended".to_owned())
        }
    };
    eval.explain.fail_with_detail(step, denial, || detail)
}

/// Checks that the tenant is the one that the request names, if it names one.
fn check_named_tenant(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    tenant: &TenantRecord,
) -> StepResult<()> {
    let named = match eval.input.tenant {
        None | Some("") if policy.tenant_required => {
            return Err(eval.fail("tenant", Reason::TenantRequired));
        }
        None | Some("") => return Ok(()),
        Some(name) => name,
    };
    if *named == *tenant.slug || named.parse::<TenantId>() == Ok(tenant.id) {
        return Ok(());
    }
    Err(eval.fail("tenant", Reason::TenantMismatch))
}
