//! Warnings about endpoints that log users in by password, in documents that list no Envoy in front of them.

use crate::profile::Profile;
use crate::reader::Section;

/// Warns of each endpoint that logs users in by password, if `[client_address]` lists no Envoy. Failed logins are counted
/// by account and address, and the address of every client at Latchkey's HTTP port is then that of the Envoy in front.
pub(super) fn lint(root: &mut Section<'_>, profile: &Profile) {
    if !profile.rules.address.envoys.is_empty() {
        return;
    }
    let sections = root.sections("endpoints").into_iter();
    for (mut section, endpoint) in sections.zip(&profile.rules.endpoints.all) {
        let by_password = endpoint.fields.iter().any(|(field, _)| field.starts_with("password."));
        let logs_in = endpoint.rpc.name == "IssueJwt" && by_password;
        if let Some(rpc) = section.text("rpc").filter(|_| logs_in) {
            rpc.report(
                "behind an Envoy, all clients share its address, so that one of them can lock an account for all by wrong \
                 passwords; list the address of this Envoy in \"envoys\" of [client_address]",
            );
        }
    }
}
