//! `enforce`: whether a profile, a route, a scope or a rate class is enforced, or tried first.

use latchkey_core::enforce::Enforce;

use crate::reader::Section;

/// What a section says; nothing means enforced.
pub(super) fn read(section: &mut Section<'_>) -> Enforce {
    let Some(text) = section.text("enforce") else { return Enforce::default() };
    match text.value {
        "on" => Enforce::On,
        "shadow" => Enforce::Shadow,
        other => {
            text.refuse(format!(
                "\"{other}\" is neither \"on\" (denials are enforced) nor \"shadow\" (they are told of, and the call passes)"
            ));
            Enforce::On
        }
    }
}
