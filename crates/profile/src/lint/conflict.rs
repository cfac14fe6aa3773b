//! Profiles that claim the same: a host of another's is shared where keys tell the two apart, and contested where
//! not even those do. Envoy's route may still name one of them, so a host that both share is no mistake by itself.

use latchkey_core::record::ProfileRecord;
use toml::de::DeTable;

use crate::error::Errors;
use crate::hosts::HostPattern;
use crate::profile::Profile;
use crate::reader::Reader;

/// Holds a sound document against those that are stored: [`host_conflicts`]. Answers the newest revision among them, so that
/// whoever writes can make sure that they are still all. What is stored and can't be compiled any more is in force
/// nowhere, and claims nothing.
pub fn host_conflicts_among_stored(text: &str, stored: &[ProfileRecord]) -> Result<u64, Errors> {
    let others: Vec<Profile> = stored.iter().filter_map(|o| Profile::compile(&o.document, 0).ok()).collect();
    host_conflicts(text, &others)?;
    Ok(stored.iter().map(|other| other.revision).max().unwrap_or_default())
}

/// Notes each host of a sound document that another profile has already, together with a prefix of its keys: no
/// request to it could tell which of the two it is for. `*` claims no host in particular.
pub fn host_conflicts<'p>(text: &str, others: impl IntoIterator<Item = &'p Profile>) -> Result<(), Errors> {
    let own = Profile::compile(text, 1)?;
    let reader = Reader::new(text);
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.into_inner();
    let mut root = reader.root(&table);
    let others: Vec<(&Profile, &str)> = others
        .into_iter()
        .filter(|other| other.name() != own.name())
        .filter_map(|other| Some((other, common_prefix(&own, other)?)))
        .collect();
    for mut section in root.sections("hosts") {
        let Some(host) = section.text("host") else { continue };
        let Ok(pattern) = HostPattern::parse(&host) else { continue };
        let has = |other: &Profile| other.rules.hosts.patterns().any(|theirs| theirs == pattern);
        let taken = others.iter().find(|(other, _)| pattern != HostPattern::Any && has(other));
        if let Some((other, prefix)) = taken {
            host.report(format!(
                "the profile \"{}\" has the host \"{pattern}\" and keys that start with \"{prefix}\" already: no \
                 request could tell the two apart",
                other.name()
            ));
        }
    }
    reader.finish()
}

/// A prefix that keys of both have.
fn common_prefix<'o>(own: &Profile, other: &'o Profile) -> Option<&'o str> {
    let prefixes = |profile: &'o Profile| profile.policy.kinds.iter().flat_map(|kind| kind.prefixes.all());
    let mine: Vec<&str> = own.policy.kinds.iter().flat_map(|kind| kind.prefixes.all()).collect();
    prefixes(other).find(|prefix| mine.contains(prefix))
}
