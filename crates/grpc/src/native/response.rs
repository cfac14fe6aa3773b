//! Conversion of a decision to a `CheckResponse`. It contains everything that is known about the decision: the
//! callers of this port are trusted services, which decide what to disclose to their own callers.

use std::collections::HashMap;

use latchkey_core::cached_key::StringMapRef;
use latchkey_core::check_input::Path;
use latchkey_core::decision::{Decision, DecisionContext, ExplainStep};
use latchkey_core::limit::{Level, ceil_seconds};
use latchkey_core::principal::Principal;
use latchkey_core::time::Timestamp;
use latchkey_proto::v1;

use crate::convert::reason::reason;
use crate::convert::time::timestamp_to_proto;

/// Returns the response of a Check. Takes the explain steps out of `context`.
pub(super) fn from_decision(
    decision: Decision,
    context: &mut DecisionContext,
    request_id: &str,
    path: &Path<'_>,
) -> v1::CheckResponse {
    let (decision, reason, message) = match decision {
        Decision::Allow(_) => (v1::Decision::Allow, v1::Reason::Ok, "The call is allowed.".to_owned()),
        // The caller misspelt a name, which only the gate detects.
        Decision::Deny(denial) if context.malformed => {
            (v1::Decision::Deny, v1::Reason::MalformedRequest, denial.message.into_owned())
        }
        Decision::Deny(denial) => (v1::Decision::Deny, reason(denial.reason), denial.message.into_owned()),
    };
    let steps = std::mem::take(&mut context.steps).into_iter().map(step).collect();
    let context = &*context;
    let allowed = decision == v1::Decision::Allow;
    let verified = if allowed { context.verified_principal() } else { context.principal.as_ref() };
    v1::CheckResponse {
        decision: decision.into(),
        reason: reason.into(),
        message,
        principal: verified.map(|principal| principal_to_proto(principal, context)),
        rate_limits: rate_limits(context, context.started_at.wall),
        request_id: request_id.to_owned(),
        steps,
        revision: context.revision,
        shadow: shadow(context),
        allowed_methods: allowed_methods(reason, context, path),
    }
}

/// Returns the methods that the path takes, if the call is denied for its method.
fn allowed_methods(reason: v1::Reason, context: &DecisionContext, path: &Path<'_>) -> Vec<String> {
    if reason != v1::Reason::MethodNotAllowed {
        return Vec::new();
    }
    let methods = context.policy.as_ref().map(|policy| policy.routes.allowed_methods(path));
    methods.unwrap_or_default().into_iter().map(str::to_owned).collect()
}

/// Returns the denial that was not enforced.
fn shadow(context: &DecisionContext) -> Option<v1::Shadow> {
    let denial = context.shadow.as_ref()?;
    let sender = context.principal.as_ref().filter(|_| context.principal_invalid);
    Some(v1::Shadow {
        reason: reason(denial.reason).into(),
        message: denial.message.to_string(),
        sender: sender.map(|principal| principal_to_proto(principal, context)),
    })
}

/// Returns the response of a check that cannot be read. It is a denial and no error: a caller that admits requests
/// during an outage must not admit those that it cannot describe.
pub(super) fn malformed(message: String, request_id: &str) -> v1::CheckResponse {
    v1::CheckResponse {
        decision: v1::Decision::Deny.into(),
        reason: v1::Reason::MalformedRequest.into(),
        message,
        request_id: request_id.to_owned(),
        ..v1::CheckResponse::default()
    }
}

fn principal_to_proto(principal: &Principal, context: &DecisionContext) -> v1::Principal {
    let policy = context.policy.as_ref();
    v1::Principal {
        tenant_id: principal.tenant.id.to_string(),
        tenant_slug: principal.tenant.slug.to_string(),
        subject_type: principal.subject_type().to_owned(),
        subject_id: principal.subject_id(),
        subject_name: principal.subject_name().to_owned(),
        kind: principal.kind().to_owned(),
        environment: principal.environment().unwrap_or_default().to_owned(),
        scopes: policy
            .map(|p| p.scopes.names(&principal.granted).map(str::to_owned).collect())
            .unwrap_or_default(),
        bindings: to_hash_map(principal.bindings()),
        metadata: to_hash_map(principal.metadata()),
        expire_time: principal.expires().map(timestamp_to_proto),
        role: principal.role().to_owned(),
    }
}

fn to_hash_map(map: StringMapRef<'_>) -> HashMap<String, String> {
    map.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Returns the state of each limit. A limit that is counted in several buckets is reported once, by its tightest one.
fn rate_limits(context: &DecisionContext, now: Timestamp) -> Vec<v1::RateLimitStatus> {
    let Some(policy) = &context.policy else { return Vec::new() };
    let status = |level: &Level| v1::RateLimitStatus {
        bucket: format!("{}/{}", level.bucket.per.name(), policy.classes.name_of(level.bucket)),
        limit: level.capacity,
        remaining: level.remaining,
        reset_time: Some(timestamp_to_proto(now.plus(level.reset_after))),
        retry_after_seconds: level
            .retry_after
            .map_or(0, |wait| u32::try_from(ceil_seconds(wait)).unwrap_or(u32::MAX)),
        never: level.never_fits(),
        rate: level.limit,
    };
    let levels = context.levels.iter().enumerate();
    let first =
        levels.filter(|(index, level)| !context.levels[..*index].iter().any(|l| l.is_of_limit(level)));
    first.map(|(_, level)| status(level)).collect()
}

fn step(step: ExplainStep) -> v1::Step {
    v1::Step { name: step.name.to_owned(), passed: step.passed, detail: step.detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_check_is_denied() {
        let response = malformed("profile: no".into(), "r");
        assert_eq!(
            (response.decision(), response.reason()),
            (v1::Decision::Deny, v1::Reason::MalformedRequest)
        );
    }
}
