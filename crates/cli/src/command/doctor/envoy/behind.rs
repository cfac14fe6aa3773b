//! Checks of what Envoy does apart from Latchkey's decision: headers that routes set after it, connections that carry further
//! requests, another service that decides, and targets that a header of the client chooses.

use std::collections::BTreeSet;

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::route::{name, nested};
use super::upgrades::is_off;
use super::walk::{at, camel, find_all, list, on, text, typed};
use super::{FILTER, doubtful, filter, wrong};

/// Types that write requests, with all of their headers, to files or to a client of the admin interface.
const TAPS: [&str; 2] =
    ["envoy.extensions.filters.http.tap.v3.Tap", "envoy.extensions.transport_sockets.tap.v3.Tap"];
/// Beginning of a value that is taken from Latchkey's decision.
const DECISION: &str = "%DYNAMIC_METADATA(envoy.filters.http.ext_authz";

pub(super) fn examine(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let mut found = headers(configuration, requirements);
    found.extend(tunnels(configuration));
    found.extend(deciders(configuration));
    found.extend(targets(configuration, requirements));
    found.extend(taps(configuration));
    found.extend(named_twice(configuration));
    found
}

/// Finds headers that routes set after Latchkey has judged or set them.
fn headers(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let all = |names: fn(&EnvoyRequirements) -> &BTreeSet<String>| -> BTreeSet<String> {
        requirements.iter().flat_map(names).map(|name| spelled(name)).collect()
    };
    let (identity, read) = (all(|one| &one.identity_headers), all(|one| &one.headers));
    let mut found = Vec::new();
    for place in find_all(configuration, |value| !list(value, "request_headers_to_add").is_empty()) {
        for change in list(place, "request_headers_to_add") {
            let (header, value) = (text(change, "header/key"), text(change, "header/value"));
            let header = header.to_ascii_lowercase();
            let remedy = format!("leave {header} out of request_headers_to_add");
            if identity.contains(&spelled(&header)) && !value.starts_with(DECISION) {
                let what = format!(
                    "{}: Envoy sets {header} after Latchkey has decided, so that it does not name Latchkey's caller",
                    name(place)
                );
                found.push(if value.contains('%') { wrong(what, remedy) } else { doubtful(what, remedy) });
            } else if read.contains(&spelled(&header)) && value.contains("%REQ") {
                let what = format!(
                    "{}: Envoy sets {header} from another part of the request after Latchkey has judged it",
                    name(place)
                );
                found.push(doubtful(what, remedy));
            }
        }
    }
    found
}

/// Returns a name of a header with its separators as hyphens.
fn spelled(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// Finds upgrades to connections that carry further requests, of which Latchkey sees none.
fn tunnels(configuration: &Value) -> Vec<Finding> {
    let upgrade = |value: &Value| !text(value, "upgrade_type").is_empty() && !is_off(value);
    let kinds: BTreeSet<String> = find_all(configuration, upgrade)
        .into_iter()
        .map(|value| text(value, "upgrade_type").to_ascii_lowercase())
        .filter(|kind| kind != "websocket")
        .collect();
    let tunnel = |kind: &String| {
        let what = format!("upgrade to {kind}: what a client sends after the upgrade passes without a Check");
        let remedy = format!("leave {kind} out of upgrade_configs");
        if kind == "h2c" { wrong(what, remedy) } else { doubtful(what, remedy) }
    };
    kinds.iter().map(tunnel).collect()
}

/// Finds places where another service than the filter's decides, or where a body is sent in another way.
fn deciders(configuration: &Value) -> Vec<Finding> {
    const GRPC: &str = "grpc_service/envoy_grpc/cluster_name";
    let filters = find_all(configuration, |value| typed(value, FILTER));
    let asked: BTreeSet<&str> = filters.into_iter().map(|filter| text(filter, GRPC)).collect();
    let holds = |value: &Value| value.is_object() && !at(value, "typed_per_filter_config").is_null();
    let mut found = Vec::new();
    for place in nested(configuration, holds) {
        let own = at(place, "typed_per_filter_config");
        for settings in find_all(own, |value| at(value, "check_settings").is_object()) {
            let settings = at(settings, "check_settings");
            let is_other = !at(settings, "grpc_service").is_null() && !asked.contains(text(settings, GRPC));
            if is_other || !at(settings, "http_service").is_null() {
                found.push(wrong(
                    format!("{}: another service than that of the filter is asked here", name(place)),
                    "leave grpc_service and http_service out of check_settings",
                ));
            }
            let body = filter::whole(at(settings, "with_request_body"));
            found.extend(body.into_iter().map(|one| {
                let message = format!("{}: {}", name(place), one.message);
                Finding { message, ..one }
            }));
        }
    }
    found
}

/// Finds headers by which clients choose a virtual host, a cluster or the host that the service gets.
fn targets(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let by_host = requirements.iter().any(|one| !one.hosts.is_empty());
    let is_set_by_latchkey = |header: &str| {
        requirements.iter().any(|one| one.identity_headers.contains(&header.to_ascii_lowercase()))
    };
    let mut found = Vec::new();
    for (member, chosen) in [
        ("vhost_header", "the virtual host, and with it the environment and other values of its routes"),
        ("cluster_header", "the service"),
        ("host_rewrite_header", "the host that the service gets"),
    ] {
        for place in find_all(configuration, |value| !text(value, member).is_empty()) {
            let header = text(place, member);
            if is_set_by_latchkey(header) {
                continue;
            }
            let what = format!("{member}: clients choose {chosen}, by the header {header}");
            let remedy = format!("leave {member} out, or make sure that no client can set {header}");
            let decides = by_host && member == "vhost_header";
            found.push(if decides { wrong(what, remedy) } else { doubtful(what, remedy) });
        }
    }
    if !find_all(configuration, |value| on(value, "use_http_header")).is_empty() {
        found.push(doubtful(
            "use_http_header: clients choose the service, by the header x-envoy-original-dst-host",
            "leave use_http_header out, or make sure that no client can set the header",
        ));
    }
    found
}

/// Finds taps, which write requests with their credentials.
fn taps(configuration: &Value) -> Option<Finding> {
    let taps = find_all(configuration, |value| TAPS.iter().any(|kind| typed(value, kind)));
    (!taps.is_empty()).then(|| {
        doubtful(
            "a tap writes requests with all of their headers, credentials among them",
            "leave it out, or keep what it writes as secret as keys",
        )
    })
}

/// Finds fields that are given in both spellings. Envoy takes the last one.
fn named_twice(configuration: &Value) -> Vec<Finding> {
    let both = |value: &Value| -> Vec<String> {
        let names = value.as_object().into_iter().flatten().map(|(name, _)| name);
        let is_twice = |name: &&String| camel(name) != **name && value.get(camel(name)).is_some();
        names.filter(|name| !name.contains('.')).filter(is_twice).cloned().collect()
    };
    let places = find_all(configuration, |value| !both(value).is_empty());
    let names: BTreeSet<String> = places.into_iter().flat_map(both).collect();
    let twice = |name: &String| {
        wrong(
            format!("{name} and {} are one field, and Envoy takes the last of the two values", camel(name)),
            "leave one of them out",
        )
    };
    names.iter().map(twice).collect()
}
