//! Checks of a listener's HTTP connection manager: its paths and hosts, the proxies that it trusts, and its own
//! responses.

use std::collections::BTreeSet;

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::walk::{at, find, on, text, typed};
use super::{FILTER, discovery, doubtful, endpoints, order, spellings, upgrades, wrong};

/// Extension that reads the client's address from x-forwarded-for.
const XFF: &str = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig";

/// Checks a connection manager of a configuration.
pub(super) fn examine(
    configuration: &Value,
    manager: &Value,
    requirements: &[EnvoyRequirements],
) -> Vec<Finding> {
    let name = match text(manager, "stat_prefix") {
        "" => "without a stat_prefix",
        name => name,
    };
    let routes = discovery::routes(configuration, manager, name);
    let mut found = order::examine(manager, name, routes.as_ref().ok().copied());
    if !order::asks(manager) {
        return found;
    }
    found.extend(client(manager, name, requirements));
    found.extend(replies(manager, name, requirements));
    match routes {
        Ok(routes) => {
            let grpc = grpc_clusters(configuration);
            found.extend(endpoints::examine(routes, name, requirements, &grpc));
            found.extend(spellings::judged(manager, routes, name, requirements));
        }
        Err(unread) => found.push(unread),
    }
    found.extend(upgrades::examine(manager, name, requirements));
    found.extend(paths(manager, name, requirements));
    found.extend(hosts(manager, name, requirements));
    if !matches!(underscores(manager), "REJECT_REQUEST" | "DROP_HEADER") {
        found.push(doubtful(
            format!(
                "listener {name}: x_key passes beside x-key, and some services read both as the same header"
            ),
            "set common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }",
        ));
    }
    found.extend(spellings::dots(manager, name, requirements));
    found
}

/// Returns the clusters that filters ask.
fn grpc_clusters(configuration: &Value) -> BTreeSet<&str> {
    let filters = find(configuration, |value| typed(value, FILTER));
    filters.into_iter().map(|filter| text(filter, "grpc_service/envoy_grpc/cluster_name")).collect()
}

fn underscores(manager: &Value) -> &str {
    text(manager, "common_http_protocol_options/headers_with_underscores_action")
}

/// Checks that paths reach Latchkey and the upstream in one form.
fn paths(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (setting, what) in [
        ("normalize_path", "paths keep their dot segments, and other services may read them in another way"),
        ("merge_slashes", "paths keep double slashes, and other services may read them in another way"),
    ] {
        if !on(manager, setting) {
            found.push(doubtful(format!("listener {name}: {what}"), format!("set {setting}: true")));
        }
    }
    let keeps = requirements.iter().any(|requirements| requirements.encoded_slashes);
    let expected = if keeps { "KEEP_UNCHANGED" } else { "REJECT_REQUEST" };
    let action = text(manager, "path_with_escaped_slashes_action");
    if action != expected {
        let why = if keeps {
            "a route of the profile takes paths with encoded slashes, and Envoy does not pass them on unchanged"
        } else {
            "paths with encoded slashes are not rejected, and other services may read them in another way"
        };
        let remedy = format!("set path_with_escaped_slashes_action: {expected}");
        found.push(doubtful(format!("listener {name}: {why}"), remedy));
    }
    found
}

/// Checks that Envoy chooses a route by the host that Latchkey compares, which has no port and no dot at its end.
fn hosts(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let decide = requirements.iter().any(|requirements| !requirements.hosts.is_empty());
    let finding =
        |what: String, remedy: &str| if decide { wrong(what, remedy) } else { doubtful(what, remedy) };
    let mut found = Vec::new();
    if !on(manager, "strip_any_host_port") {
        let what = format!(
            "listener {name}: a host with a port is another host to Envoy's routes than to Latchkey, so a test key may \
             reach a live service"
        );
        found.push(finding(what, "set strip_any_host_port: true"));
    }
    if !on(manager, "strip_trailing_host_dot") {
        let what = format!(
            "listener {name}: a host with a dot at its end, which is the same name, is another host to Envoy's routes, \
             and Latchkey denies its calls (HOST_NOT_ALLOWED)"
        );
        found.push(finding(what, "set strip_trailing_host_dot: true"));
    }
    found
}

/// Checks that an outage has a response in the product's format.
fn replies(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let config = at(manager, "local_reply_config");
    let status = |one: &Value| {
        let value = at(one, "default_value");
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    let covers = |mapper: &Value| {
        let filters =
            find(at(mapper, "filter"), |value| value.is_object() && !at(value, "comparison").is_null());
        let fits = |filter: &&Value| {
            let comparison = at(filter, "comparison");
            let (op, value) = (text(comparison, "op"), status(at(comparison, "value")));
            value.is_none_or(|value| match op {
                "GE" => value <= 503,
                "LE" => value >= 503,
                "NE" => value != 503,
                _ => value == 503,
            })
        };
        filters.is_empty() || filters.iter().any(fits)
    };
    let mapped = at(config, "mappers").as_array().is_some_and(|mappers| mappers.iter().any(covers));
    let missing = requirements.iter().any(|requirements| requirements.replies_to_outages);
    if !missing || mapped || !at(config, "body_format").is_null() {
        return Vec::new();
    }
    vec![doubtful(
        format!(
            "listener {name}: if Latchkey or the service cannot be reached, the response is not in the product's format"
        ),
        "set local_reply_config with a mapper for the status 503: `latchkey envoy-config` prints it",
    )]
}

/// Returns the settings of the extension that reads the client's address from x-forwarded-for, as Envoy Gateway
/// configures it.
fn xff_detection(manager: &Value) -> Option<&Value> {
    find(at(manager, "original_ip_detection_extensions"), |value| typed(value, XFF)).into_iter().next()
}

/// Returns the number of proxies in front of Envoy that it trusts. The extension reads the header before Envoy appends
/// its peer, so that its number is less by one.
fn trusted_hops(manager: &Value) -> u64 {
    let hops = |value: &Value| at(value, "xff_num_trusted_hops").as_u64().unwrap_or_default();
    xff_detection(manager).map_or_else(|| hops(manager), |xff| hops(xff) + 1)
}

/// Checks that Envoy and the profile trust the same number of proxies in front of Envoy.
fn client(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let theirs = trusted_hops(manager);
    let differs = |requirements: &&EnvoyRequirements| requirements.trusted_hops as u64 != theirs;
    let Some(one) = requirements.iter().find(differs) else { return appended(manager, name, requirements) };
    vec![wrong(
        format!(
            "listener {name}: Envoy trusts {theirs} proxies in front of it, the profile {}: one of them accepts a \
             forged client address",
            one.trusted_hops
        ),
        "make xff_num_trusted_hops and the profile's [client_address] trusted_hops the same",
    )]
}

/// Checks that Envoy appends the address of its peer, by which the trusted proxies are counted.
fn appended(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let proxies = requirements.iter().any(|requirements| requirements.trusted_hops > 0);
    let by_extension = xff_detection(manager).is_some_and(|xff| !on(xff, "skip_xff_append"));
    let by_itself = on(manager, "use_remote_address") && !on(manager, "skip_xff_append");
    if !proxies || by_itself || by_extension {
        return Vec::new();
    }
    vec![doubtful(
        format!(
            "listener {name}: Envoy does not append its peer to x-forwarded-for, so the trusted proxies are counted wrongly"
        ),
        "set use_remote_address: true, and leave out skip_xff_append",
    )]
}
