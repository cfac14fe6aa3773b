//! Values that a route sets for Latchkey (`context_extensions`): a name that is misspelt denies every request, and so does a
//! value that the profile does not have.

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::{EnvoyRequirements, unknown_route_value};
use serde_json::Value;

use super::route::{name, nested};
use super::walk::{at, find_all};
use super::wrong;

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
    }
    found
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
