//! Warnings about products with denials in a format of their own and other errors in another one.

use crate::profile::Profile;
use crate::reader::Section;

/// Warns of a document whose denials have bodies, and that declares no errors: those of endpoints, and those that Envoy
/// finds itself, then have the format of problem details (RFC 9457).
pub(super) fn lint(root: &mut Section<'_>, profile: &Profile) {
    if !profile.rules.endpoints.errors.0.is_empty() {
        return;
    }
    let own = root.sections("denials").into_iter().find_map(|mut denial| denial.text("body"));
    if let Some(body) = own {
        body.report(
            "denials have a format of the product, and other errors do not, such as those that Envoy finds itself (400, 413, \
             431, 503): they are problem details (RFC 9457); add [[errors]] with a body in the same format",
        );
    }
}
