//! Changes of routes: calls that pass with less or need more than before, grouped by what changes. Routes are compared by
//! the calls that they take, so that another order of the same routes is no change unless another route takes a call.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::policy::Policy;
use latchkey_core::profile_change::{ChangeEffect, ProfileChange};
use latchkey_core::route::{Pattern, Route};

use super::Versions;
use super::requirements::{Requirement, differences};

/// Largest number of routes that a change lists.
const MAX_LISTED: usize = 100;

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy, &versions.new.policy);
    let (old_routes, new_routes) = (routes(old), routes(new));
    let mut groups: BTreeMap<(ChangeEffect, String), Vec<String>> = BTreeMap::new();
    for (method, pattern) in calls(old_routes.iter().chain(&new_routes)) {
        let before = Requirement::of(old, &old_routes, method, pattern);
        let after = Requirement::of(new, &new_routes, method, pattern);
        for difference in differences(versions, before, after) {
            let call = match method {
                Some(method) => format!("{method} {}", pattern.text()),
                None => pattern.text().to_owned(),
            };
            groups.entry(difference).or_default().push(call);
        }
    }
    groups.into_iter().map(change).collect()
}

fn routes(policy: &Policy) -> Vec<&Route> {
    (0..).map_while(|number| policy.routes.get(number)).collect()
}

/// Returns the method (`None`: every method) and the path of all calls that routes declare, each once.
fn calls<'a>(routes: impl Iterator<Item = &'a &'a Route>) -> Vec<(Option<&'a str>, &'a Pattern)> {
    let mut seen: BTreeSet<(Option<&str>, &str)> = BTreeSet::new();
    let mut calls = Vec::new();
    for route in routes {
        let named = route.methods.iter().map(|method| Some(&**method));
        let every = route.methods.is_empty().then_some(None);
        for method in named.chain(every) {
            if seen.insert((method, route.pattern.text())) {
                calls.push((method, &route.pattern));
            }
        }
    }
    calls
}

fn change(((effect, text), calls): ((ChangeEffect, String), Vec<String>)) -> ProfileChange {
    let description = match calls.as_slice() {
        [call] => format!("calls of `{call}` {text}"),
        several => format!("calls of {} routes {text}", several.len()),
    };
    let mut change = ProfileChange::new(effect, "routes", description);
    change.routes = calls.into_iter().take(MAX_LISTED).collect();
    change
}
