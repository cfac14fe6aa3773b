//! Routes of the paths that Latchkey serves itself. If Envoy sends them to the product's service, that one receives the
//! credentials of key managers, since Envoy keeps the credential of such a request.

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::{EndpointPath, EnvoyRequirements};
use regex::RegexBuilder;
use serde_json::Value;

use super::walk::{at, find_all, list, on, text};
use super::{doubtful, wrong};

/// Path of no endpoint.
const OTHER_PATH: &str = "/latchkey-doctor/no-endpoint";

pub(super) fn examine(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let hosts = list(manager, "route_config/virtual_hosts");
    let mut found = Vec::new();
    for requirements in requirements {
        for host in hosts.iter().filter(|host| serves(host, requirements)) {
            let routes = list(host, "routes");
            let other = first(routes, OTHER_PATH, "GET").map(target);
            for path in &requirements.endpoints {
                found.extend(misrouted(path, name, routes, other.as_deref()));
            }
        }
    }
    found
}

/// Returns whether a virtual host is one of the profile: it names the profile, or none.
fn serves(host: &Value, requirements: &EnvoyRequirements) -> bool {
    let named = find_all(host, |value| at(value, "context_extensions").is_object());
    let profiles: Vec<&str> =
        named.iter().filter_map(|value| at(value, "context_extensions")["profile"].as_str()).collect();
    profiles.is_empty() || profiles.contains(&requirements.name.as_str())
}

fn misrouted(path: &EndpointPath, name: &str, routes: &[Value], other: Option<&str>) -> Option<Finding> {
    let remedy = "route it to a cluster of Latchkey's HTTP port before the routes of the service: `latchkey envoy-config \
                  --latchkey-http HOST:PORT` prints how";
    let methods: Vec<&str> = path.methods.iter().map(String::as_str).collect();
    let label = format!("{} {}", methods.join(","), path.pattern);
    let wrongly = |method: &&str| {
        let route = first(routes, &path.sample, method);
        route.map(target).is_none_or(|target| Some(target.as_str()) == other)
    };
    if methods.iter().filter(|method| **method != "HEAD").any(wrongly) {
        return Some(match first(routes, &path.sample, methods.first().copied().unwrap_or("GET")) {
            Some(route) => wrong(
                format!(
                    "listener {name}: {label} is an endpoint of the profile, and Envoy sends it to {}: the service there \
                     receives the credentials of key managers",
                    target(route)
                ),
                remedy,
            ),
            None => doubtful(
                format!("listener {name}: {label} is an endpoint of the profile, and no route takes it"),
                remedy,
            ),
        });
    }
    None
}

/// Destination of a route, as a text.
fn target(route: &Value) -> String {
    match text(route, "route/cluster") {
        "" => format!("the destination of {}", at(route, "match")),
        cluster => format!("the cluster {cluster}"),
    }
}

/// The first route that takes a request.
fn first<'a>(routes: &'a [Value], path: &str, method: &str) -> Option<&'a Value> {
    routes.iter().find(|route| takes(at(route, "match"), path, method))
}

/// Returns whether a route takes a request with this path. Conditions that cannot be evaluated here do not hold: such a route
/// does not take every request.
fn takes(rule: &Value, path: &str, method: &str) -> bool {
    let sensitive = at(rule, "case_sensitive").is_null() || on(rule, "case_sensitive");
    let fold = |text: &str| if sensitive { text.to_owned() } else { text.to_lowercase() };
    let given = |name: &str| at(rule, name).as_str().map(fold);
    let own = fold(path);
    let by_path = given("prefix").is_some_and(|prefix| own.starts_with(&prefix))
        || given("path").is_some_and(|exact| own == exact)
        || given("path_separated_prefix").is_some_and(|prefix| {
            own.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        || at(rule, "safe_regex/regex").as_str().is_some_and(|regex| fits(regex, path, !sensitive))
        || template(rule).is_some_and(|template| segments_fit(template, path));
    by_path
        && list(rule, "query_parameters").is_empty()
        && at(rule, "grpc").is_null()
        && list(rule, "headers").iter().all(|header| method_fits(header, method))
}

/// Pattern of Envoy's URI templates.
fn template(rule: &Value) -> Option<&str> {
    at(rule, "path_match_policy/typed_config/path_template").as_str()
}

fn segments_fit(template: &str, path: &str) -> bool {
    let (mut own, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (own.next(), segments.next()) {
            (None, None) | (Some("**"), _) => return true,
            (Some(part), Some(segment)) if part == segment || part == "*" || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

fn method_fits(header: &Value, method: &str) -> bool {
    if text(header, "name") != ":method" || on(header, "invert_match") {
        return false;
    }
    let matcher = at(header, "string_match");
    let exact = [at(header, "exact_match"), at(matcher, "exact")];
    exact.iter().any(|exact| exact.as_str() == Some(method))
        || at(matcher, "safe_regex/regex").as_str().is_some_and(|regex| fits(regex, method, false))
}

/// Returns whether a regular expression matches a whole text, as Envoy's do.
fn fits(regex: &str, text: &str, ignore_case: bool) -> bool {
    let regex = RegexBuilder::new(&format!("^(?:{regex})$")).case_insensitive(ignore_case).build();
    regex.is_ok_and(|regex| regex.is_match(text))
}
