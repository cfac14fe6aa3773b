//! Beginnings of the values of imported keys. They are stored and shown in the clear, so that most of a value must stay
//! unknown.

use std::cell::OnceCell;

use latchkey_core::excerpt::Quoted;
use latchkey_core::key_kind::KeyKind;
use latchkey_core::key_kind::pattern::KeyPattern;
use latchkey_core::policy::Policy;
use latchkey_core::secret::PlainKey;

use super::findings::formats;
use crate::field_validator::FieldValidator;

/// Formats of each kind's values. They are compiled at the first key of the kind that has a prefix to compare, and used
/// for all others of an import.
pub(super) struct Patterns<'a>(Vec<(&'a KeyKind, OnceCell<Vec<KeyPattern>>)>);

impl<'a> Patterns<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        Self(policy.kinds.iter().map(|kind| (kind, OnceCell::new())).collect())
    }

    fn of(&self, kind: &KeyKind) -> &[KeyPattern] {
        let found = self.0.iter().find(|(other, _)| other.name == kind.name);
        found
            .map(|(kind, patterns)| &**patterns.get_or_init(|| kind.patterns().collect()))
            .unwrap_or_default()
    }
}

/// Checks the beginning of a value that the request has.
pub(super) fn check_of_value(
    policy: &Policy,
    prefix: &str,
    value: &PlainKey,
    fields: &mut FieldValidator<'_>,
) {
    let (value, public) = (value.reveal(), || policy.kinds.iter().any(|kind| is_public(kind, prefix)));
    if !value.starts_with(prefix) {
        fields.reject("prefix", "is not what the value begins with");
    } else if !public() {
        check_length(prefix, value.len(), fields);
    }
}

/// Checks the beginning of a value of which the request has a hash. It must be one of the kind's values.
pub(super) fn check_of_hash(
    patterns: &Patterns<'_>,
    kind: &KeyKind,
    prefix: &str,
    environment: &str,
    fields: &mut FieldValidator<'_>,
) {
    if prefix.is_empty() || is_public(kind, prefix) {
        return;
    }
    let (possible, others): (Vec<&KeyPattern>, Vec<&KeyPattern>) =
        patterns.of(kind).iter().partition(|pattern| pattern.can_begin_with(prefix));
    let compared = if possible.is_empty() { &others } else { &possible };
    let shortest = compared.iter().map(|pattern| pattern.shortest_value()).min().unwrap_or_default();
    // A text that is too long may be a whole value, and is not repeated.
    if check_length(prefix, shortest, fields) && possible.is_empty() {
        let (prefix, formats, name) = (Quoted(prefix), formats(kind, environment), &kind.name);
        let text =
            format!("{prefix} can't begin a key of the kind {name:?}; Check accepts those that {formats}");
        fields.reject("prefix", text);
    }
}

/// Returns whether a text is no part of a secret, because a prefix of the kind begins with it.
fn is_public(kind: &KeyKind, text: &str) -> bool {
    kind.own_prefixes().any(|own| own.starts_with(text))
}

/// Rejects a prefix that is, with the hint, longer than half of the shortest value, and returns whether it is not.
fn check_length(prefix: &str, shortest: usize, fields: &mut FieldValidator<'_>) -> bool {
    let (count, most) = (prefix.chars().count(), (shortest / 2).saturating_sub(PlainKey::HINT_CHARACTERS));
    if count > most {
        let text = format!(
            "has {count} characters, and is stored and shown in the clear: with the hint, at most half of a value. \
             Send at most {most} characters: the shortest value has {shortest}"
        );
        fields.reject("prefix", text);
    }
    count <= most
}
