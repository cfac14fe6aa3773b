//! Warnings about a product's own denials that lack a header which clients need: the challenge of a 401 (RFC 9110
//! section 15.5.2), the time to wait of a denial for a rate limit (RFC 6585 section 4), and the methods of a 405 (RFC 9110
//! section 15.5.6).

use latchkey_core::policy::{Policy, UnmatchedRoute};
use latchkey_core::reason::Reason;
use latchkey_core::route::RouteErrors;

use crate::profile::Profile;
use crate::reader::{Section, Text};
use crate::response::CustomDenial;

pub(super) fn lint(root: &mut Section<'_>, profile: &Profile) {
    let names = |section: Option<Section<'_>>| -> Vec<String> {
        let entries = section.map(|section| section.entries()).unwrap_or_default();
        entries.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
    };
    let everywhere = names(root.section("response_headers"));
    let mut earlier: Vec<Reason> = Vec::new();
    let denials = &profile.rules.denials.0;
    for (mut section, denial) in root.sections("denials").into_iter().zip(denials) {
        let own = names(section.section("headers"));
        let has = |name: &str| own.iter().chain(&everywhere).any(|header| header == name);
        let listed = if denial.reasons.is_empty() { Reason::ALL } else { &denial.reasons[..] };
        let reasons: Vec<Reason> =
            listed.iter().copied().filter(|reason| !earlier.contains(reason)).collect();
        let unauthorized = match denial.status {
            Some(status) => status == 401 && !reasons.is_empty(),
            None => reasons.iter().any(|reason| reason.unauthenticated()),
        };
        if unauthorized && !has("www-authenticate") {
            section.report(format!(
                "a 401 without www-authenticate names no way to authenticate, which HTTP requires; add \
                 www-authenticate = '{} realm=\"{}\"' to \"headers\"",
                profile.challenge_scheme(),
                profile.name()
            ));
        }
        if reasons.contains(&Reason::RateLimited) && !has("retry-after") {
            section.report(
                "the answer to RATE_LIMITED has no retry-after, so that clients don't know how long to wait; add \
                 retry-after = \"{{ rate_limit.retry_after }}\" to \"headers\", in a denial with reasons = \
                 [\"RATE_LIMITED\"]",
            );
        }
        route_errors(&section, denial, &reasons, &profile.policy);
        let other = reasons.iter().any(|reason| *reason != Reason::MethodNotAllowed);
        if denial.status == Some(405) && other && !has("allow") {
            section.report(
                "a 405 without allow is invalid HTTP, and Latchkey knows the methods of a path for METHOD_NOT_ALLOWED \
                 alone; set route_errors = \"after_authentication\" and reasons = [\"METHOD_NOT_ALLOWED\"], or add allow to \
                 \"headers\"",
            );
        }
        if denial.credential.is_none() && denial.kinds.is_empty() {
            earlier.extend(reasons);
        }
    }
    bearer(root, profile);
}

/// Warns of a denial for every reason whose status takes the place of those that `route_errors` asks for, and of a reason
/// that no call has.
fn route_errors(section: &Section<'_>, denial: &CustomDenial, reasons: &[Reason], policy: &Policy) {
    // A path of a route for OPTIONS alone is denied all the same.
    let mut routes = (0..).map_while(|number| policy.routes.get(number));
    let preflights = routes.any(|route| route.methods.iter().any(|method| **method == *"OPTIONS"));
    let allowed = policy.unmatched == UnmatchedRoute::Authenticate && !preflights;
    if allowed && denial.reasons.contains(&Reason::RouteNotFound) {
        section.report(
            "no call is denied with ROUTE_NOT_FOUND, because unmatched_routes = \"authenticate\" allows those that no route \
             matches",
        );
    }
    let every_reason = denial.reasons.is_empty() && policy.routes.errors() != RouteErrors::Forbidden;
    let Some(status) = denial.status.filter(|_| every_reason) else { return };
    let own = [Reason::RouteNotFound, Reason::MethodNotAllowed];
    let own = own.iter().filter(|reason| !(allowed && **reason == Reason::RouteNotFound));
    let hidden: Vec<&str> = own.filter(|own| reasons.contains(own)).map(|own| own.name()).collect();
    if !hidden.is_empty() && status != 404 && status != 405 {
        section.report(format!(
            "this denial answers {} with {status}, so that \"route_errors\" does not show; add a denial with these reasons \
             before it, or leave \"status\" out",
            hidden.join(" and ")
        ));
    }
}

/// Warns of a challenge for Bearer tokens where the credential is not read from them.
fn bearer(root: &mut Section<'_>, profile: &Profile) {
    let scheme = profile.challenge_scheme();
    if scheme.eq_ignore_ascii_case("bearer") {
        return;
    }
    let report = |text: &Text<'_>| {
        text.report(format!(
            "the challenge says Bearer, and no source reads `authorization: Bearer`; write '{scheme} realm=\"{}\"'",
            profile.name()
        ));
    };
    let sections = root.sections("denials").into_iter().filter_map(|mut denial| denial.section("headers"));
    for section in sections.chain(root.section("response_headers")) {
        for (name, value) in section.entries() {
            if !name.eq_ignore_ascii_case("www-authenticate") {
                continue;
            }
            let bearer =
                |text: &Text<'_>| text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("bearer"));
            if let Some(text) = value.text().filter(bearer) {
                report(&text);
            }
        }
    }
}
