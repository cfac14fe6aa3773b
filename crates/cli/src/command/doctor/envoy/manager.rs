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
    if !on(manager, "normalize_path") {
        found.push(doubtful(
            format!(
                "listener {name}: paths go on as they came, and other services may read them in another way"
            ),
            "set normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: REJECT_REQUEST",
        ));
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
    let Some(one) = requirements.iter().find(differs) else { return Vec::new() };
    vec![wrong(
        format!(
            "listener {name}: Envoy trusts {theirs} proxies in front of it, the profile {}: one of them takes a \
             client's word for its address",
            one.trusted_hops
        ),
        "make xff_num_trusted_hops and the profile's [client_address] trusted_hops the same",
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
