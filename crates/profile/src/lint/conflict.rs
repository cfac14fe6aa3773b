//! Conflicts between profiles. Two profiles may share a host if the prefixes of their keys differ; without a
//! difference, the host is a conflict. Envoy's route may still name a profile, so a shared host is not a mistake by
//! itself. Two profiles never share the issuer of their tokens: services that verify tokens by the key set could not
//! tell the products apart.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use latchkey_core::key_kind::KeyKind;
use latchkey_core::record::ProfileRecord;
use toml::de::DeTable;

use crate::error::Errors;
use crate::hosts::HostPattern;
use crate::profile::Profile;
use crate::reader::{Reader, Section};

/// Compares a valid document with the stored ones by [`profile_conflicts`]. Returns the newest revision among them, so
/// that the caller can verify that no other profile was stored in between. A stored document that no longer compiles
/// is not in force and claims nothing.
///
/// # Errors
///
/// Returns the mistakes of the document or its conflicts.
pub fn profile_conflicts_among_stored(text: &str, stored: &[ProfileRecord]) -> Result<u64, Errors> {
    let others: Vec<Profile> = stored.iter().filter_map(|o| Profile::compile(&o.document, 0).ok()).collect();
    profile_conflicts(text, &others)?;
    Ok(stored.iter().map(|other| other.revision).max().unwrap_or_default())
}

/// Finds what a valid document shares with another profile and must not share: the issuer of tokens, and a host if
/// keys of both have a common prefix or can match the same pattern, since a request to it could not be assigned to either profile. The pattern `*`
/// never conflicts.
///
/// # Errors
///
/// Returns the mistakes of the document or its conflicts.
pub fn profile_conflicts<'p>(
    text: &str,
    others: impl IntoIterator<Item = &'p Profile>,
) -> Result<(), Errors> {
    let own = Profile::compile(text, 1)?;
    let reader = Reader::new(text);
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.into_inner();
    let mut root = reader.root(&table);
    let others: Vec<&Profile> = others.into_iter().filter(|other| other.name() != own.name()).collect();
    hosts(&mut root, &own, &others);
    issuer(&mut root, &own, &others);
    reader.finish()
}

fn hosts(root: &mut Section<'_>, own: &Profile, others: &[&Profile]) {
    let alike: Vec<(&Profile, String)> =
        others.iter().filter_map(|other| Some((*other, common_format(own, other)?))).collect();
    for mut section in root.sections("hosts") {
        let Some(host) = section.text("host") else { continue };
        let Ok(pattern) = HostPattern::parse(&host) else { continue };
        let claims = |other: &Profile| other.rules.hosts.patterns().any(|claimed| claimed == pattern);
        let conflict = alike.iter().find(|(other, _)| pattern != HostPattern::Any && claims(other));
        if let Some((other, format)) = conflict {
            host.report(format!(
                "the profile \"{}\" has the host \"{pattern}\" and keys that {format} already, so \
                 requests could not be assigned to either profile",
                other.name()
            ));
        }
    }
}

fn issuer(root: &mut Section<'_>, own: &Profile, others: &[&Profile]) {
    let Some(rules) = own.tokens() else { return };
    let shared = canonical_issuer(&rules.issuer);
    let claims = |other: &Profile| other.tokens().is_some_and(|o| canonical_issuer(&o.issuer) == shared);
    let Some(other) = others.iter().find(|other| claims(other)) else { return };
    let Some(text) = root.section("jwt").and_then(|mut section| section.text("issuer")) else { return };
    text.report(format!(
        "the profile \"{}\" has the issuer \"{}\" already; services that verify tokens could not tell them apart, so \
         each profile needs an issuer of its own",
        other.name(),
        other.tokens().map_or("", |rules| &rules.issuer)
    ));
}

/// Returns a message for each stored profile that has the issuer of an earlier one in the list.
#[must_use]
pub fn shared_issuers(stored: &[ProfileRecord]) -> Vec<String> {
    let mut earlier: HashMap<String, Box<str>> = HashMap::new();
    let mut messages = Vec::new();
    for record in stored {
        let Ok(profile) = Profile::compile(&record.document, 0) else { continue };
        let Some(rules) = profile.tokens() else { continue };
        match earlier.entry(canonical_issuer(&rules.issuer)) {
            Entry::Occupied(first) => messages.push(format!(
                "the profiles \"{}\" and \"{}\" share the issuer \"{}\", so that services that verify tokens by the key \
                 set cannot tell them apart",
                first.get(),
                profile.name(),
                rules.issuer
            )),
            Entry::Vacant(free) => drop(free.insert(profile.name().into())),
        }
    }
    messages
}

/// Returns the form by which issuers are compared. Verifiers of tokens compare issuers exactly, and the people who
/// configure them may not. Therefore issuers that differ in letter case or a slash at the end count as the same.
fn canonical_issuer(issuer: &str) -> String {
    issuer.trim().trim_end_matches('/').to_lowercase()
}

/// Returns the common part of the formats of both profiles' keys: a prefix, or the format of another system.
fn common_format(own: &Profile, other: &Profile) -> Option<String> {
    let kinds = |profile: &'_ Profile| profile.policy.kinds.clone();
    let (own, others) = (kinds(own), kinds(other));
    let own_prefixes: Vec<&str> = own.iter().flat_map(KeyKind::own_prefixes).collect();
    let shared = others.iter().flat_map(KeyKind::own_prefixes).find(|prefix| own_prefixes.contains(prefix));
    if let Some(prefix) = shared {
        return Some(format!("start with \"{prefix}\""));
    }
    let imports = |kinds: &[KeyKind]| kinds.iter().any(|kind| kind.imports.pattern.is_some());
    if !imports(&own) && !imports(&others) {
        return None;
    }
    let patterns = |kinds: &[KeyKind]| kinds.iter().flat_map(KeyKind::patterns).collect::<Vec<_>>();
    let (own, others) = (patterns(&own), patterns(&others));
    let shared = others.iter().find(|other| own.iter().any(|own| own.overlaps(other)))?;
    Some(format!("can match \"{}\"", shared.text()))
}
