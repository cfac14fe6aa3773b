//! Changes of hosts: those that the profile serves no more, and those whose environment differs.

use latchkey_core::profile_change::{Affected, AffectedKeys, ChangeEffect, ProfileChange};

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
        (false, false) => {
            let mut changes: Vec<ProfileChange> =
                old.entries().filter_map(|(pattern, host)| change_of(&pattern, host, new)).collect();
            let added = new.patterns().filter(|pattern| !old.patterns().any(|known| known.covers(pattern)));
            let mut added: Vec<String> = added.map(|pattern| pattern.to_string()).collect();
            added.sort_unstable();
            if !added.is_empty() {
                let text = format!("calls to {} are accepted", list(added));
                changes.push(ProfileChange::new(ChangeEffect::GrantsMore, "hosts", text));
            }
            changes.sort_by(|a, b| a.field.cmp(&b.field));
            changes
        }
    }
}

fn takes_away(field: &str, text: String, environment: Option<Box<str>>) -> ProfileChange {
    let keys = Affected::Keys(AffectedKeys { environment, ..AffectedKeys::default() });
    ProfileChange::new(ChangeEffect::LosesAccess, field, text).affecting([keys]).taking_away()
}

/// Returns the change of a host of the old version.
fn change_of(pattern: &HostPattern, old: &Host, new: &HostMap<Host>) -> Option<ProfileChange> {
    let field = format!("hosts[{pattern}]");
    let exact = new.entries().find(|(other, _)| other == pattern);
    let Some((_, host)) = exact.or_else(|| new.entries().find(|(other, _)| other.covers(pattern))) else {
        let text = format!("calls to the host `{pattern}` are denied");
        return Some(takes_away(&field, text, old.environment.clone()));
    };
    match (&old.environment, &host.environment) {
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
