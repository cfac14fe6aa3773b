//! Warnings about denials that answer no call: an earlier denial answers all of their calls, or no call with their reason
//! has such a credential.

use latchkey_core::reason::Reason;

use crate::profile::Profile;
use crate::reader::Section;
use crate::response::CustomDenial;
use crate::template_context::DeniedCredential;

pub(super) fn lint(root: &mut Section<'_>, profile: &Profile) {
    let denials = &profile.rules.denials.0;
    for (number, mut section) in root.sections("denials").into_iter().enumerate() {
        let (earlier, rest) = denials.split_at(number.min(denials.len()));
        let Some(denial) = rest.first() else { return };
        for (text, reason) in section.texts("reasons").iter().zip(&denial.reasons) {
            if let Some(first) = earlier.iter().position(|earlier| covers(earlier, denial, *reason)) {
                text.report(format!(
                    "denials[{first}] answers {reason} before, so that this denial is never used for it; put the denial \
                     with more conditions first"
                ));
            } else if let Some(field) = impossible(denial, *reason) {
                text.report(format!(
                    "no call that is denied with {reason} has such a credential, so that this denial is never used for it; \
                     leave out \"{field}\" or the reason"
                ));
            }
        }
    }
}

/// Returns true if an earlier denial answers each call that another one answers for this reason. One without any condition is
/// reported with its own words.
fn covers(earlier: &CustomDenial, denial: &CustomDenial, reason: Reason) -> bool {
    let kinds = &earlier.kinds;
    let unconditional = earlier.reasons.is_empty() && earlier.credential.is_none() && kinds.is_empty();
    let same_kinds = !denial.kinds.is_empty() && denial.kinds.iter().all(|kind| kinds.contains(kind));
    !unconditional
        && (earlier.reasons.is_empty() || earlier.reasons.contains(&reason))
        && earlier.credential.is_none_or(|credential| has_each(credential, denial.credential))
        && (kinds.is_empty() || same_kinds)
}

/// Returns true if each credential of a denial is one that an earlier denial applies to. Tokens include JWTs.
fn has_each(earlier: DeniedCredential, credential: Option<DeniedCredential>) -> bool {
    credential == Some(earlier)
        || (earlier == DeniedCredential::Token && credential == Some(DeniedCredential::Jwt))
}

/// Returns the field that no call with this reason fulfils.
fn impossible(denial: &CustomDenial, reason: Reason) -> Option<&'static str> {
    let needs_key = !denial.kinds.is_empty();
    let token = matches!(denial.credential, Some(DeniedCredential::Jwt | DeniedCredential::Token));
    match reason {
        Reason::MissingCredential if denial.credential.is_some() => Some("credential"),
        Reason::AmbiguousCredential if token => Some("credential"),
        // The key of such a call is not known, or not looked up.
        Reason::MissingCredential | Reason::AmbiguousCredential | Reason::HostNotAllowed if needs_key => {
            Some("kinds")
        }
        _ => None,
    }
}
