//! Bindings of new keys and users: names that the profile reads, and values that are the same for every reader.

use std::collections::BTreeMap;

use latchkey_core::cached_key::StringMapRef;
use latchkey_core::choices::misspelt;
use latchkey_core::excerpt::Quoted;
use latchkey_core::policy::Policy;

use super::field_validator::{FieldValidator, MAX_LABELS};

/// Checks bindings: labels whose values have no white space at either end, and whose names are no misspelling of one that
/// the profile reads. HTTP removes white space from the ends of header values, so that two bindings would be one for the
/// service behind Envoy; and a binding that nothing reads confines the key to nothing. A binding of the caller, `own`, can
/// be older than these rules, and everything that the caller creates must have it.
pub(super) fn check(
    fields: &mut FieldValidator<'_>,
    field: &str,
    bindings: &BTreeMap<String, String>,
    own: StringMapRef<'_>,
    policy: &Policy,
) {
    fields.labels(field, bindings);
    if bindings.len() > MAX_LABELS {
        return;
    }
    let known = policy.binding_names();
    for (name, value) in bindings.iter().filter(|(name, value)| own.get(name) != Some(&***value)) {
        let entry = format!("{field}[{}]", Quoted(name));
        if value.trim().len() < value.len() {
            fields.reject(&entry, "must have no white space at its begin or end");
        }
        // Another name is one that services name in their Checks, or that no profile reads yet.
        if !known.contains(&&**name)
            && let Some(meant) = misspelt(name, &known)
        {
            fields.reject(
                &entry,
                format!("nothing of the profile reads this name, so that it confines nothing; did you mean {meant}?"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use latchkey_core::operator;

    use super::*;

    fn problems(name: &str, value: &str) -> Vec<String> {
        problems_with(name, value, StringMapRef::Pairs(&[]))
    }

    /// Returns the problems of a binding if the caller has the bindings `own`.
    fn problems_with(name: &str, value: &str, own: StringMapRef<'_>) -> Vec<String> {
        let policy = Policy {
            resources: ["merchant", "shop"].map(Into::into).to_vec(),
            ..(*operator::policy()).clone()
        };
        let mut fields = FieldValidator::new("");
        check(&mut fields, "bindings", &[(name.to_owned(), value.to_owned())].into(), own, &policy);
        let violations = fields.into_violations().into_iter();
        violations.map(|violation| format!("{}: {}", violation.field, violation.description)).collect()
    }

    #[test]
    fn a_binding_has_no_white_space_at_its_ends() {
        for value in ["m_1 ", " m_1", "m_1\u{a0}", "\u{2003}m_1", "m_1\u{3000}"] {
            let expected = "bindings[\"merchant\"]: must have no white space at its begin or end";
            assert_eq!(problems("merchant", value), [expected], "{value:?}");
        }
        for value in ["m_1", "m 1", "Ladengeschäft 7"] {
            assert_eq!(problems("merchant", value), [""; 0], "{value:?}");
        }
    }

    #[test]
    fn too_many_bindings_are_one_mistake() {
        let bindings = (0..=MAX_LABELS).map(|n| (format!("shop{n}"), " m_1".to_owned())).collect();
        let mut fields = FieldValidator::new("");
        check(&mut fields, "bindings", &bindings, StringMapRef::Pairs(&[]), &operator::policy());
        let violations = fields.into_violations();
        assert!(violations.len() == 1 && violations[0].field == "bindings", "{violations:?}");
    }

    #[test]
    fn a_binding_of_the_caller_itself_can_be_granted() {
        for (name, value) in [("merchant", "m_1 "), ("merchnt", "m_1")] {
            let own = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let own = StringMapRef::Map(&own);
            assert_eq!(problems_with(name, value, own), [""; 0], "{name}: {value:?}");
            assert!(!problems_with(name, "m_2 ", own).is_empty(), "{name}: another value");
        }
    }

    #[test]
    fn a_misspelt_name_is_refused_and_another_name_is_free() {
        for wrong in ["shpo", "Shop", "merchnt", "merchants"] {
            let found = problems(wrong, "x_1");
            assert!(found.len() == 1 && found[0].contains("did you mean "), "{wrong}: {found:?}");
        }
        for name in ["shop", "merchant", "store", "step", "region"] {
            assert_eq!(problems(name, "x_1"), [""; 0], "{name}");
        }
    }
}
