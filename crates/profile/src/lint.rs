//! What is allowed in a document and still most likely a mistake: routes that no call reaches, scopes that
//! guard nothing, names that stand for other names. Each is told with its index, like a mistake.

mod conflict;
mod unreachable_route;

pub use conflict::{host_conflicts, host_conflicts_among_stored};

use std::collections::{BTreeMap, HashSet};

use latchkey_core::policy::Policy;
use latchkey_core::scope::MANAGE_KEYS;
use toml::de::DeTable;

use crate::error::{DocumentError, Errors};
use crate::hosts::HostPattern;
use crate::profile::Profile;
use crate::reader::{Reader, Section, Text};

/// Compiles a document, and tells what is likely a mistake in it.
pub fn lint(text: &str) -> Result<(Profile, Vec<DocumentError>), Errors> {
    let profile = Profile::compile(text, 1)?;
    let reader = Reader::new(text);
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.into_inner();
    let mut root = reader.root(&table);
    unenforced_profile(&mut root);
    routes(&mut root);
    scopes(&mut root, &profile.policy);
    hosts(&mut root);
    denials(&mut root);
    let warnings = reader.finish().err().map(|Errors(all)| all).unwrap_or_default();
    Ok((profile, warnings))
}

/// Hosts that several profiles claim, in sentences: only one of them gets the requests without a key.
#[must_use]
pub fn lint_shared_hosts(profiles: &[Profile]) -> Vec<String> {
    let mut claims: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for profile in profiles {
        for pattern in profile.rules.hosts.patterns() {
            claims.entry(pattern.to_string()).or_default().push(profile.name());
        }
    }
    let mut warnings = Vec::new();
    for (host, mut names) in claims {
        names.sort_unstable();
        if let [first, _, ..] = names.as_slice() {
            let all = names.join(" and ");
            warnings.push(format!(
                "the host \"{host}\" is claimed by {all}; a request whose key is of neither's form is {first}'s"
            ));
        }
    }
    warnings
}

/// A profile that is tried as a whole.
fn unenforced_profile(root: &mut Section<'_>) {
    let name = root.text("name").map(|name| name.value).unwrap_or_default();
    if let Some(text) = root.text("enforce").filter(|text| text.value == "shadow") {
        text.report(format!(
            "the profile \"{name}\" enforces nothing: whoever would be denied passes, by a revoked key too"
        ));
    }
}

/// Routes behind others that take every call of theirs.
fn routes(root: &mut Section<'_>) {
    let mut before: Vec<unreachable_route::RouteMatches<'_>> = Vec::new();
    for mut section in root.sections("routes") {
        let Some(path) = section.text("path") else { continue };
        let calls = unreachable_route::RouteMatches::new(&path, &section.texts("methods"));
        if let Some(index) = before.iter().position(|earlier| earlier.covers(&calls)) {
            path.report(format!(
                "no call ever takes this route: routes[{index}], \"{}\", takes them all before",
                before[index].path()
            ));
        }
        before.push(calls);
    }
}

/// Scopes that no route asks for, and aliases where the name itself could stand.
fn scopes(root: &mut Section<'_>, policy: &Policy) {
    let mut required = HashSet::new();
    for field in ["routes", "kinds", "roles"] {
        for mut section in root.sections(field) {
            for list in ["scopes", "any_scopes", "default_scopes"] {
                for text in section.texts(list) {
                    if field == "routes" {
                        required.extend(policy.scopes.find(&text));
                    }
                    alias(&text, policy);
                }
            }
        }
    }
    for mut section in root.sections("scopes") {
        let Some(name) = section.text("name") else { continue };
        let used = policy.scopes.find(&name).is_some_and(|scope| required.contains(&scope));
        if !used && name.value != MANAGE_KEYS {
            name.report(format!(
                "no route asks for the scope \"{}\"; it guards nothing, unless Envoy's routes or Check name it",
                name.value
            ));
        }
    }
}

fn alias(text: &Text<'_>, policy: &Policy) {
    let name = policy.scopes.find(text).map(|scope| policy.scopes.name(scope));
    if let Some(name) = name.filter(|name| *name != text.value) {
        text.report(format!("\"{}\" is an alias of \"{name}\"; write the name itself", text.value));
    }
}

/// Hosts behind others that match them too: the first that is declared counts.
fn hosts(root: &mut Section<'_>) {
    let mut before: Vec<(HostPattern, String)> = Vec::new();
    for mut section in root.sections("hosts") {
        let Some(text) = section.text("host") else { continue };
        let Ok(pattern) = HostPattern::parse(&text) else { continue };
        if let Some((_, earlier)) = before.iter().find(|(earlier, _)| earlier.covers(&pattern)) {
            text.report(format!("\"{earlier}\" stands before and matches \"{}\" too", text.value));
        }
        before.push((pattern, text.value.to_owned()));
    }
}

/// Denials behind one that fits everything.
fn denials(root: &mut Section<'_>) {
    let mut all = None;
    for (index, mut section) in root.sections("denials").into_iter().enumerate() {
        if let Some(all) = all {
            section.report(format!("denials[{all}] fits every reason, so this one is never used"));
        }
        if section.texts("reasons").is_empty() && section.text("credential").is_none() {
            all = all.or(Some(index));
        }
    }
}
