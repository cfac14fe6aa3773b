//! Conflicts between profiles. Two profiles may share a host if the prefixes of their keys differ; without a
//! difference, the host is a conflict. Envoy's route may still name a profile, so a shared host is not a mistake by
//! itself.

use latchkey_core::record::ProfileRecord;
use toml::de::DeTable;

use crate::error::Errors;
use crate::hosts::HostPattern;
use crate::profile::Profile;
use crate::reader::Reader;

/// Compares a valid document with the stored ones by [`host_conflicts`]. Returns the newest revision among them, so
/// that the caller can verify that no other profile was stored in between. A stored document that no longer compiles
/// is not in force and claims no hosts.
///
/// # Errors
///
/// Returns the mistakes of the document or its conflicts.
pub fn host_conflicts_among_stored(text: &str, stored: &[ProfileRecord]) -> Result<u64, Errors> {
    let others: Vec<Profile> = stored.iter().filter_map(|o| Profile::compile(&o.document, 0).ok()).collect();
    host_conflicts(text, &others)?;
    Ok(stored.iter().map(|other| other.revision).max().unwrap_or_default())
}

/// Finds hosts of a valid document that another profile has too, if keys of both share a prefix. A request to such a
/// host could not be assigned to either profile. The pattern `*` never conflicts.
///
/// # Errors
///
/// Returns the mistakes of the document or its conflicts.
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
        let claims = |other: &Profile| other.rules.hosts.patterns().any(|claimed| claimed == pattern);
        let conflict = others.iter().find(|(other, _)| pattern != HostPattern::Any && claims(other));
        if let Some((other, prefix)) = conflict {
            host.report(format!(
                "the profile \"{}\" has the host \"{pattern}\" and keys that start with \"{prefix}\" already, so \
                 requests could not be assigned to either profile",
                other.name()
            ));
        }
    }
    reader.finish()
}

/// Returns a prefix that keys of both profiles have.
fn common_prefix<'o>(own: &Profile, other: &'o Profile) -> Option<&'o str> {
    let prefixes = |profile: &'o Profile| profile.policy.kinds.iter().flat_map(|kind| kind.prefixes.all());
    let own_prefixes: Vec<&str> = own.policy.kinds.iter().flat_map(|kind| kind.prefixes.all()).collect();
    prefixes(other).find(|prefix| own_prefixes.contains(prefix))
}
