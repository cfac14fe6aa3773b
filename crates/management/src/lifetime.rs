//! Lifetimes of keys, as their kind bounds them: checks of the expiry that a request asks for.

use latchkey_core::key_kind::{KeyKind, in_largest_unit};
use latchkey_core::time::Timestamp;

use super::create_key::Expiry;
use super::field_validator::FieldValidator;

/// Returns the expiry that a request asks for, for a key that is created at `now`, and checks it. `None` if it is too late for
/// any time.
pub(super) fn requested(
    kind: &KeyKind,
    expiry: Expiry,
    now: Timestamp,
    fields: &mut FieldValidator<'_>,
) -> Option<Timestamp> {
    let (field, expires) = resolve(expiry, now, now, fields)?;
    check(kind, now, (field, Some(expires)), fields);
    Some(expires)
}

/// Returns the time that an expiry means at `now`, and the field of the request it is from. It must be after `earliest`, or
/// after `now` for a lifetime. `None` if a lifetime is too long for any time, which is reported.
pub(super) fn resolve(
    expiry: Expiry,
    now: Timestamp,
    earliest: Timestamp,
    fields: &mut FieldValidator<'_>,
) -> Option<(&'static str, Timestamp)> {
    match expiry {
        Expiry::At(at) => {
            fields.expiry("expire_time", at, earliest);
            Some(("expire_time", at))
        }
        Expiry::After(ttl) => Some(("ttl", fields.lifetime("ttl", ttl, now)?)),
    }
}

/// Checks the expiry of a key that was created at `created`. `field` is the field that the request set it by.
pub(super) fn check(
    kind: &KeyKind,
    created: Timestamp,
    (field, expires): (&str, Option<Timestamp>),
    fields: &mut FieldValidator<'_>,
) {
    let rules = &kind.lifetime;
    let bound = rules.max.map(in_largest_unit);
    match (expires, rules.latest(created)) {
        (Some(at), Some(latest)) if at > latest => {
            let bound = bound.unwrap_or_default();
            let text = format!(
                "is {at}, and must be at most {latest}: {} keys expire {bound} after their creation at the latest \
                 (max_ttl of the kind in the profile)",
                kind.name
            );
            fields.reject(field, text);
        }
        (None, _) if rules.requires_expiry() => {
            let most = bound
                .map(|bound| format!(", {bound} after their creation at the latest"))
                .unwrap_or_default();
            let rule = if rules.max.is_some() { "max_ttl" } else { "require_expiry" };
            let name = &kind.name;
            fields.reject(
                field,
                format!("is required: {name} keys must expire{most} ({rule} of the kind in the profile)"),
            );
        }
        _ => {}
    }
}
