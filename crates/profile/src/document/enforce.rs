//! `enforce`: whether a profile, a route, a scope or a rate class is enforced, or tried first.

use latchkey_core::enforcement::Enforcement;

use crate::reader::Section;

/// What a section says; nothing means enforced.
pub(super) fn read(section: &mut Section<'_>) -> Enforcement {
    let Some(text) = section.text("enforce") else { return Enforcement::default() };
    match text.value {
        "on" => Enforcement::Enforced,
        "shadow" => Enforcement::Shadow,
        other => {
            text.report(format!(
                "\"{other}\" is neither \"on\" (denials are enforced) nor \"shadow\" (they are told of, and the call passes)"
            ));
            Enforcement::Enforced
        }
    }
}
