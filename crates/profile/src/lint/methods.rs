//! Warnings about methods of routes and endpoints: names that no standard knows, which are mostly misspelt, and preflights of browsers
//! (CORS) that no route answers.

use latchkey_core::choices::distance;

use crate::profile::Profile;
use crate::reader::{Section, Text};
use crate::source::Source;

/// Methods of the IANA registry, and PURGE and QUERY, which are in wide use or about to be.
const METHODS: [&str; 41] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Warns of methods of routes and endpoints that are not registered, with the nearest one that is.
pub(super) fn unknown(root: &mut Section<'_>) {
    let routes = root.sections("routes").into_iter();
    for method in routes.flat_map(|mut section| section.texts("methods")) {
        report_unknown(&method, "calls of the method that is meant are denied");
    }
    let endpoints = root.sections("endpoints").into_iter();
    for method in endpoints.filter_map(|mut section| section.text("method")) {
        report_unknown(&method, "calls of the method that is meant do not reach the endpoint");
    }
}

fn report_unknown(method: &Text<'_>, consequence: &str) {
    let name = method.to_ascii_uppercase();
    if METHODS.contains(&&*name) {
        return;
    }
    let nearest = METHODS.into_iter().min_by_key(|known| distance(&name, known)).unwrap_or("GET");
    method.report(format!(
        "\"{}\" is no registered HTTP method, so that {consequence}; the nearest is {nearest}",
        method.value
    ));
}

/// Warns of preflights that are denied, if a part of the document shows that browsers call the product: a cookie, a
/// subprotocol of WebSocket, values that can be read again, a header of CORS, or a route for OPTIONS.
pub(super) fn preflights(root: &mut Section<'_>, profile: &Profile) {
    let routes: Vec<_> = (0..).map_while(|number| profile.policy.routes.get(number)).collect();
    let takes = |methods: &[Box<str>]| methods.is_empty() || methods.iter().any(|m| **m == *"OPTIONS");
    let answered: Vec<_> = routes.iter().filter(|route| takes(&route.methods)).collect();
    let named = routes.iter().any(|route| route.methods.iter().any(|m| **m == *"OPTIONS"));
    if !(named || is_for_browsers(root, profile)) {
        return;
    }
    let mut reported = false;
    for mut section in root.sections("routes") {
        let Some(path) = section.text("path") else { continue };
        let Some(route) = routes.iter().find(|route| route.pattern.text() == path.value) else { continue };
        if answered.iter().any(|other| other.pattern.covers(&route.pattern)) {
            continue;
        }
        // One route for all paths is the remedy, so one warning is enough.
        if !std::mem::replace(&mut reported, true) {
            path.report(format!(
                "no route answers OPTIONS for \"{}\", so that preflights of browsers (CORS) are denied; add a route with \
                 methods = [\"OPTIONS\"] and public = true, such as path = \"/**\"",
                path.value
            ));
        }
    }
    for mut section in root.sections("routes") {
        let methods = section.texts("methods");
        let public = section.flag("public", false);
        if let Some(method) = methods.iter().find(|m| m.eq_ignore_ascii_case("OPTIONS")).filter(|_| !public) {
            method.report(
                "browsers send preflights (CORS) without a credential, so that this route denies them; write public = true \
                 in a route for OPTIONS alone",
            );
        }
    }
}

fn is_for_browsers(root: &mut Section<'_>, profile: &Profile) -> bool {
    let of_browsers = |source: &Source| matches!(source, Source::Cookie(_) | Source::Subprotocol(_));
    let cors = |section: &Section<'_>| {
        section.entries().iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"))
    };
    profile.rules.credential.sources.iter().any(of_browsers)
        || profile.policy.kinds.iter().any(|kind| kind.retrievable)
        || root.section("response_headers").as_ref().is_some_and(cors)
        || root
            .sections("denials")
            .iter_mut()
            .any(|denial| denial.section("headers").as_ref().is_some_and(cors))
}
