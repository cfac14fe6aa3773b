//! Values that a route sets for Latchkey (`context_extensions`): a name that is misspelt denies every request, and so does a
//! value that the profile does not have.

use std::collections::BTreeSet;

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::{EnvoyRequirements, unknown_route_value};
use serde_json::Value;

use super::order::asks_latchkey;
use super::route::{name, nested};
use super::walk::{at, find_all, list, text, typed};
use super::{MANAGER, PER_ROUTE, doubtful, wrong};

pub(super) fn examine(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let holds = |value: &Value| value.is_object() && !at(value, "typed_per_filter_config").is_null();
    let mut found = Vec::new();
    for place in nested(configuration, holds) {
        let settings = at(place, "typed_per_filter_config");
        for one in find_all(settings, |value| at(value, "context_extensions").is_object()) {
            let values = at(one, "context_extensions");
            let profile = values["profile"].as_str();
            let own: Vec<&EnvoyRequirements> = requirements
                .iter()
                .filter(|requirements| profile.is_none_or(|profile| profile == requirements.name))
                .collect();
            for (key, value) in values.as_object().into_iter().flatten() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                found.extend(fault(&name(place), key, &value, &own));
            }
            found.extend(profile.and_then(|profile| unknown_profile(&name(place), profile, requirements)));
        }
        found.extend(for_no_filter(configuration, place));
    }
    found.extend(without_profile(configuration, requirements));
    found
}

/// Finds hosts that name none of several profiles: what a client sends chooses among them.
fn without_profile(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    if requirements.len() < 2 {
        return Vec::new();
    }
    let names = |place: &Value| {
        let holds = |value: &Value| !at(value, "context_extensions/profile").is_null();
        !find_all(at(place, "typed_per_filter_config"), holds).is_empty()
    };
    let is_open = |host: &Value| {
        let routes = list(host, "routes");
        let unnamed = routes.is_empty() || !routes.iter().all(names);
        unnamed && !list(host, "domains").is_empty() && !names(host)
    };
    let finding = |host: &Value| {
        let what = format!(
            "{}: no context extension names the profile, so that the host and the key of a request choose it",
            name(host)
        );
        doubtful(what, "set check_settings: { context_extensions: { profile: … } }")
    };
    find_all(configuration, is_open).into_iter().map(finding).collect()
}

/// Finds settings for the filter under a name that no filter has. Envoy accepts and ignores them.
fn for_no_filter(configuration: &Value, place: &Value) -> Option<Finding> {
    let is_filter = |value: &Value| {
        let own = at(value, "typed_config");
        let is_discovered = !at(value, "config_discovery").is_null();
        let asks = asks_latchkey(own) || is_discovered && asks_latchkey(value);
        value["name"].is_string() && asks && !typed(own, MANAGER)
    };
    let filters = find_all(configuration, is_filter);
    let names: BTreeSet<&str> = filters.into_iter().map(|filter| text(filter, "name")).collect();
    let settings = at(place, "typed_per_filter_config").as_object()?;
    let is_ignored = |key: &str, one: &Value| {
        !names.contains(key) && !find_all(one, |value| typed(value, PER_ROUTE)).is_empty()
    };
    let (key, _) = settings.iter().find(|(key, one)| is_ignored(key, one))?;
    let what = format!(
        "{}: the settings of {key} have no effect, since no filter has this name: its context extensions do not reach Latchkey",
        name(place)
    );
    let names: Vec<&str> = names.into_iter().collect();
    (!names.is_empty()).then(|| wrong(what, format!("name them as the filter: {}", names.join(" or "))))
}

/// Returns the finding in one value, given the profiles that it can be for.
fn fault(place: &str, key: &str, value: &str, profiles: &[&EnvoyRequirements]) -> Option<Finding> {
    let what = |fault: &str| format!("{place}: the context extension {key}: {value:?} {fault}");
    if value.split(',').all(|part| part.trim().is_empty()) {
        let remedy = "leave it out, or give it a value";
        return Some(wrong(what("is empty, and Latchkey denies every request of its route"), remedy));
    }
    if let Some(unknown) = unknown_route_value(key) {
        let what =
            what(&format!("denies every request of its route, since there is no such value: {unknown}"));
        return Some(wrong(what, "correct the name, or leave it out"));
    }
    let faults: Vec<String> =
        profiles.iter().filter_map(|profile| profile.unknown_in_route_value(key, value)).collect();
    let of_all = !profiles.is_empty() && faults.len() == profiles.len();
    let first = faults.into_iter().next().filter(|_| of_all)?;
    let text = format!("denies every request of its route: {first}");
    Some(wrong(what(&text), "correct it: the profile has the names that count"))
}

/// Reports the name of a profile that is none of the given ones.
fn unknown_profile(place: &str, profile: &str, requirements: &[EnvoyRequirements]) -> Option<Finding> {
    let names: Vec<&str> = requirements.iter().map(|one| one.name.as_str()).collect();
    if names.is_empty() || names.contains(&profile) {
        return None;
    }
    Some(wrong(
        format!(
            "{place}: the context extension profile: {profile:?} is none of the given profiles ({}): without such a profile, \
             Latchkey denies every request of its route",
            names.join(", ")
        ),
        "correct the name, or give that profile by --profile as well",
    ))
}
