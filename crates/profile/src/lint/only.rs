//! Warnings about credentials that the document accepts and that no source takes.

use crate::profile::Profile;
use crate::reader::Section;
use crate::template_context::CredentialFormat;

/// Warns of sources that leave keys or JWTs of the product without any source.
pub(super) fn lint(root: &mut Section<'_>, profile: &Profile) {
    let (policy, credential) = (&profile.policy, &profile.rules.credential);
    let only = root.section("credential").and_then(|mut section| section.section("only"));
    let Some(only) = only else { return };
    for (format, what, used) in [
        (CredentialFormat::Key, "key", policy.accepts.key && !policy.kinds.is_empty()),
        (CredentialFormat::Jwt, "jwt", policy.accepts.jwt && policy.tokens.is_some()),
    ] {
        if used && !credential.sources.iter().any(|source| credential.takes(source, format)) {
            only.report(format!(
                "no source takes a {what}, so that every call with one is denied; leave a source out here, or list no \
                 \"{what}\" in \"accepts\""
            ));
        }
    }
}
