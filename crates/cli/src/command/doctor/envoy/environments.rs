//! Comparison of the environments that Envoy's routes name with those that the profile gives the hosts.

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::walk::{at, find_all, list, text};
use super::{doubtful, wrong};

/// Finds virtual hosts whose context extension says another environment than the profile says of a host that they serve.
/// A virtual host for all names is not compared: its listener can serve one environment alone.
pub(super) fn examine(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let mut found = Vec::new();
    for routes in find_all(configuration, |value| !list(value, "virtual_hosts").is_empty()) {
        for profile in requirements {
            for (pattern, _) in &profile.hosts {
                // Of a pattern, any name that it matches.
                let host =
                    pattern.strip_prefix('*').map_or_else(|| pattern.clone(), |rest| format!("x{rest}"));
                let right = environment(profile, &host);
                if let (Some(chosen), Some(right)) = (chosen(routes, &host), right) {
                    found.extend(fault(chosen, profile, pattern, right));
                }
            }
        }
    }
    found
}

/// Returns the environment that a profile gives a host: that of the first pattern that matches.
fn environment<'a>(profile: &'a EnvoyRequirements, host: &str) -> Option<&'a str> {
    let matches = |pattern: &str| match pattern.strip_prefix('*') {
        Some(rest) => host.len() > rest.len() && host.ends_with(rest),
        None => host == pattern,
    };
    profile.hosts.iter().find(|(pattern, _)| matches(pattern))?.1.as_deref()
}

/// Returns the virtual host that Envoy chooses for a host, unless it is the one for all names.
fn chosen<'a>(routes: &'a Value, host: &str) -> Option<&'a Value> {
    let rank = |domain: &str| {
        let domain = domain.to_ascii_lowercase();
        let fits = |part: &str, holds: bool| holds && !part.is_empty() && host.len() > part.len();
        if domain == host {
            return Some((2, domain.len()));
        }
        if let Some(end) = domain.strip_prefix('*') {
            return fits(end, host.ends_with(end)).then_some((1, domain.len()));
        }
        let begin = domain.strip_suffix('*')?;
        fits(begin, host.starts_with(begin)).then_some((0, domain.len()))
    };
    let best = |place: &Value| list(place, "domains").iter().filter_map(Value::as_str).filter_map(rank).max();
    let ranked = list(routes, "virtual_hosts").iter().filter_map(|place| Some((best(place)?, place)));
    ranked.max_by_key(|(rank, _)| *rank).map(|(_, place)| place)
}

/// Returns the finding in a virtual host that serves a host of the profile with this environment. A route of it may divide
/// the environments by path.
fn fault(place: &Value, profile: &EnvoyRequirements, host: &str, right: &str) -> Option<Finding> {
    let of_host = other_environment(at(place, "typed_per_filter_config"), profile, right);
    let other = of_host.or_else(|| other_environment(place, profile, right))?;
    let what = format!(
        "host {}: the context extension environment: {other:?} also counts for {host}, which belongs to {right} in the \
         profile {}: keys of {other} reach it",
        text(place, "name"),
        profile.name
    );
    let remedy =
        "give each host a virtual host of its own, with its environment: `latchkey envoy-config` prints them";
    Some(if of_host.is_some() { wrong(what, remedy) } else { doubtful(what, remedy) })
}

/// Returns an environment of the profile that is named in these settings and is not the right one.
fn other_environment<'a>(settings: &'a Value, profile: &EnvoyRequirements, right: &str) -> Option<&'a str> {
    let holders = find_all(settings, |value| at(value, "context_extensions").is_object());
    let mut named = holders.into_iter().map(|value| at(value, "context_extensions")).filter(|values| {
        let owner = text(values, "profile");
        owner.is_empty() || owner == profile.name
    });
    let differs = |environment: &&str| {
        let known = profile.environments.iter().any(|known| known == environment);
        known && *environment != right
    };
    named.find_map(|values| Some(text(values, "environment")).filter(differs))
}
