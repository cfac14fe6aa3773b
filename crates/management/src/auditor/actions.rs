//! Actions of audit events, for filters: one that no program writes is a mistake of the request.

use latchkey_core::choices::not_one_of;

use crate::field_validator::FieldValidator;
use crate::ports::AuditAction;
use crate::ports::audit::ActionFilter;

/// Rejects a filter that selected no event and can select none.
pub(super) fn check(filter: &ActionFilter, fields: &mut FieldValidator<'_>) {
    match filter {
        ActionFilter::Is(action) if !AuditAction::TEXTS.contains(&&**action) => {
            // There are many actions, so only those for the same type of object are named, if there are any.
            let family = action.split_inclusive('.').next().unwrap_or_default();
            let alike: Vec<&str> = AuditAction::TEXTS
                .iter()
                .copied()
                .filter(|known| action.contains('.') && known.starts_with(family))
                .collect();
            let text = if alike.is_empty() {
                not_one_of(action, AuditAction::TEXTS.iter().copied())
            } else {
                not_one_of(action, alike)
            };
            let prefix = "action_prefix selects actions by their beginning, such as \"key.\"";
            fields.reject("action", format!("there is no such action: {text}; {prefix}"));
        }
        ActionFilter::StartsWith(prefix)
            if !AuditAction::TEXTS.iter().any(|known| known.starts_with(&**prefix)) =>
        {
            let mut families: Vec<&str> =
                AuditAction::TEXTS.iter().filter_map(|action| action.split_inclusive('.').next()).collect();
            families.dedup();
            let text = not_one_of(prefix, families);
            fields.reject("action_prefix", format!("no action begins with it: {text}"));
        }
        ActionFilter::Is(_) | ActionFilter::StartsWith(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(filter: &ActionFilter) -> Option<String> {
        let mut fields = FieldValidator::new("");
        check(filter, &mut fields);
        fields
            .into_violations()
            .pop()
            .map(|violation| format!("{}: {}", violation.field, violation.description))
    }

    #[test]
    fn an_action_that_no_event_can_have_is_named_with_the_nearest_one() {
        let exact = |action: &str| problem(&ActionFilter::Is(action.into()));
        let prefix = |action: &str| problem(&ActionFilter::StartsWith(action.into()));
        for action in AuditAction::TEXTS {
            assert_eq!(exact(action), None);
        }
        assert!(exact("kye.create").unwrap().contains("did you mean key.create?"));
        assert!(exact("key.revoked").unwrap().contains("did you mean key.revoke?"));
        assert!(
            exact("key.*x")
                .unwrap()
                .starts_with("action: there is no such action: \"key.*x\" is not one of key.")
        );
        assert!(exact("*.create").is_some());
        for text in ["key.", "key", "k", "tenant.s"] {
            assert_eq!(prefix(text), None);
        }
        assert!(prefix("kye.").unwrap().contains("did you mean key.?"));
    }
}
