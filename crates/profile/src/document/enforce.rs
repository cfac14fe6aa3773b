//! `enforce`: the mode of a profile, a route, a scope or a rate class, enforced or in shadow.

use latchkey_core::enforcement::Enforcement;

use crate::reader::Section;

/// Reads the mode of a section; the default is enforced.
pub(super) fn read(section: &mut Section<'_>) -> Enforcement {
    let Some(text) = section.text("enforce") else { return Enforcement::default() };
    match text.value {
        "on" => Enforcement::Enforced,
        "shadow" => Enforcement::Shadow,
        other => {
            text.report(format!(
                "\"{other}\" is neither \"on\" (denials are enforced) nor \"shadow\" (denials are reported, and the call passes)"
            ));
            Enforcement::Enforced
        }
    }
}
