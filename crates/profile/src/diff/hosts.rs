//! Changes of hosts: those that the profile serves no more, and those whose environment differs. The first host of the
//! document that matches a call decides, so that the order of hosts matters where one covers another.

use std::collections::BTreeMap;

use latchkey_core::profile_change::{AffectedKeys, AffectedRecords, ChangeEffect, ProfileChange};

use super::{Versions, list};
use crate::hosts::{HostMap, HostPattern};
use crate::profile::Host;

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.rules.hosts, &versions.new.rules.hosts);
    let names = |hosts: &HostMap<Host>| {
        let mut names: Vec<String> = hosts.patterns().map(|pattern| pattern.to_string()).collect();
        names.sort_unstable();
        names
    };
    match (old.is_empty(), new.is_empty()) {
        (true, true) => Vec::new(),
        (true, false) => {
            let text = format!("calls to other hosts than {} are denied", list(names(new)));
            vec![takes_away("hosts", text, None)]
        }
        (false, true) => {
            let text = format!("calls to every host are accepted, and not only to {}", list(names(old)));
            vec![ProfileChange::new(ChangeEffect::GrantsMore, "hosts", text)]
        }
        (false, false) => of_hosts(old, new),
    }
}

/// Compares the hosts that decide about calls, for each host of both versions.
fn of_hosts(old: &HostMap<Host>, new: &HostMap<Host>) -> Vec<ProfileChange> {
    let patterns: BTreeMap<String, HostPattern> =
        old.patterns().chain(new.patterns()).map(|pattern| (pattern.to_string(), pattern)).collect();
    let (mut changes, mut added) = (Vec::new(), Vec::new());
    for (name, pattern) in patterns {
        match (deciding(old, &pattern), deciding(new, &pattern)) {
            (Some(before), Some(after)) => changes.extend(change_of(&name, before, after)),
            (Some(before), None) => {
                let text = format!("calls to the host `{name}` are denied");
                changes.push(takes_away(&format!("hosts[{name}]"), text, before.environment.clone()));
            }
            (None, Some(_)) => added.push(name),
            (None, None) => {}
        }
    }
    if !added.is_empty() {
        let text = format!("calls to {} are accepted", list(added));
        changes.push(ProfileChange::new(ChangeEffect::GrantsMore, "hosts", text));
    }
    changes
}

/// Returns the host that decides about calls to the hosts of a pattern: the first of the document that covers them, even
/// if another one is more specific.
fn deciding<'a>(hosts: &'a HostMap<Host>, pattern: &HostPattern) -> Option<&'a Host> {
    let covering = hosts.entries().filter(|(other, _)| other.covers(pattern));
    covering.map(|(_, host)| host).min_by_key(|host| host.index)
}

fn takes_away(field: &str, text: String, environment: Option<Box<str>>) -> ProfileChange {
    let keys = AffectedRecords::Keys(AffectedKeys { environment, ..AffectedKeys::default() });
    ProfileChange::new(ChangeEffect::LosesAccess, field, text).affecting([keys]).taking_away()
}

/// Returns the change of a host that both versions serve.
fn change_of(pattern: &str, old: &Host, new: &Host) -> Option<ProfileChange> {
    let field = format!("hosts[{pattern}]");
    match (&old.environment, &new.environment) {
        (before, after) if before == after => None,
        (Some(before), None) => {
            let text =
                format!("the host `{pattern}` accepts keys of every environment, and not only of `{before}`");
            Some(ProfileChange::new(ChangeEffect::GrantsMore, field, text))
        }
        (before, Some(after)) => {
            let text = match before {
                Some(before) => format!(
                    "the host `{pattern}` accepts keys of `{after}` in place of `{before}`, whose keys are denied there"
                ),
                None => format!("the host `{pattern}` accepts keys of `{after}` alone"),
            };
            Some(takes_away(&field, text, before.clone()))
        }
        (None, None) => None,
    }
}
