//! A listener's HTTP connection manager: the order of its filters, whose word counts about the client, and what
//! it writes into its log.

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::walk::{at, find, list, on, text, typed};
use super::{FILTER, doubtful, wrong};

pub(super) fn examine(manager: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let name = match text(manager, "stat_prefix") {
        "" => "without a stat_prefix",
        name => name,
    };
    let mut found = order(manager, name);
    found.extend(client(manager, name, requirements));
    found.extend(log(manager, name));
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
    found
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
            "listener {name}: a host with a dot at its end is another host to Envoy's routes than to Latchkey, so a \
             test key may reach a live service"
        );
        found.push(finding(what, "set strip_trailing_host_dot: true"));
    }
    found
}

fn order(manager: &Value, name: &str) -> Vec<Finding> {
    let filters = list(manager, "http_filters");
    let place =
        |wanted: &dyn Fn(&Value) -> bool| filters.iter().position(|filter| !find(filter, wanted).is_empty());
    let Some(asks) = place(&|value| typed(value, FILTER)) else {
        return vec![doubtful(
            format!("listener {name} serves without asking Latchkey"),
            "put envoy.filters.http.ext_authz before its router, unless it is meant to be open",
        )];
    };
    let kind = |value: &Value, word: &str| value["@type"].as_str().is_some_and(|url| url.contains(word));
    let cached = place(&|value| kind(value, "envoy.extensions.filters.http.cache"));
    let mut found = Vec::new();
    if cached.is_some_and(|cache| cache < asks) {
        found.push(wrong(
            format!("listener {name}: a cache answers before Latchkey is asked: it hands one caller's answer to all"),
            "put the cache behind ext_authz",
        ));
    }
    if on(&filters[asks], "disabled") {
        found.push(wrong(
            format!("listener {name}: the filter is disabled, and routes must switch it on one by one"),
            "leave out disabled: true",
        ));
    }
    found
}

/// Proxies whose word counts, on both sides.
fn client(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let theirs = at(manager, "xff_num_trusted_hops").as_u64().unwrap_or_default();
    let differs = |requirements: &&EnvoyRequirements| requirements.trusted_hops as u64 != theirs;
    let Some(one) = requirements.iter().find(differs) else { return appended(manager, name, requirements) };
    vec![wrong(
        format!(
            "listener {name}: Envoy trusts {theirs} proxies in front of it, the profile {}: one of them takes a \
             client's word for its address",
            one.trusted_hops
        ),
        "make xff_num_trusted_hops and the profile's [client_address] trusted_hops the same",
    )]
}

/// Checks that Envoy appends the address of its peer, by which the trusted proxies are counted.
fn appended(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let proxies = requirements.iter().any(|requirements| requirements.trusted_hops > 0);
    if !proxies || (on(manager, "use_remote_address") && !on(manager, "skip_xff_append")) {
        return Vec::new();
    }
    vec![doubtful(
        format!(
            "listener {name}: Envoy does not append its peer to x-forwarded-for, so the trusted proxies are counted wrongly"
        ),
        "set use_remote_address: true, and leave out skip_xff_append",
    )]
}

/// Headers that carry credentials, where a log's format can name them.
const SECRET: [&str; 4] = ["AUTHORIZATION", "X-API-KEY", "COOKIE", "PROXY-AUTHORIZATION"];

fn log(manager: &Value, name: &str) -> Vec<Finding> {
    let logs = at(manager, "access_log");
    let texts = find(logs, Value::is_string);
    let named: Vec<String> = texts.iter().filter_map(|text| text.as_str()).flat_map(headers).collect();
    let names = |header: &&str| named.iter().any(|name| name == header);
    let output: Vec<&str> = SECRET.into_iter().filter(names).collect();
    if output.is_empty() {
        return Vec::new();
    }
    vec![wrong(
        format!("listener {name}: the access log writes credentials down ({})", output.join(", ")),
        "take these out of its format",
    )]
}

/// The headers that a log's format names: `%REQ(A?B):9%` is A, or else B.
fn headers(format: &str) -> Vec<String> {
    let format = format.to_ascii_uppercase();
    let commands = format.split("%REQ(").skip(1).filter_map(|rest| rest.split(')').next());
    commands.flat_map(|names| names.split(['?', ':'])).map(str::to_owned).collect()
}
