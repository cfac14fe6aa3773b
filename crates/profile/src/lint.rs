//! Warnings about parts of a document that are valid but probably a mistake: routes that no call reaches, scopes that
//! no route requires, aliases in place of names, answers without headers that clients need, logins whose clients share
//! one address. Each warning has a location, like a mistake.

mod bindings;
mod conflict;
mod denial_headers;
mod empty_plans;
mod error_format;
mod login_address;
mod methods;
mod only;
mod placeholders;
mod requirements;
mod route_overlap;
mod unused_denials;

pub use conflict::{profile_conflicts, profile_conflicts_among_stored, shared_issuers};

use std::collections::{BTreeMap, HashSet};

use latchkey_core::policy::Policy;
use latchkey_core::scope::{MANAGE_KEYS, REVIVE_KEYS, ScopeId};
use toml::de::DeTable;

use crate::error::{DocumentError, Errors};
use crate::hosts::HostPattern;
use crate::profile::Profile;
use crate::reader::{Reader, Section, Text};

/// Compiles a document and returns warnings about it.
///
/// # Errors
///
/// Returns all mistakes of the document if it does not compile.
pub fn lint(text: &str) -> Result<(Profile, Vec<DocumentError>), Errors> {
    let profile = Profile::compile(text, 1)?;
    let reader = Reader::new(text);
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.into_inner();
    let mut root = reader.root(&table);
    unenforced_profile(&mut root);
    methods::unknown(&mut root);
    placeholders::lint(&mut root);
    methods::preflights(&mut root, &profile);
    requirements::lint(&mut root, &profile.policy);
    route_overlap::lint(&mut root);
    scopes(&mut root, &profile.policy);
    kinds(&mut root, &profile.policy);
    bindings::lint(&mut root, &profile);
    hosts(&mut root);
    denials(&mut root);
    unused_denials::lint(&mut root, &profile);
    bindings::in_templates(&mut root, &profile);
    denial_headers::lint(&mut root, &profile);
    error_format::lint(&mut root, &profile);
    login_address::lint(&mut root, &profile);
    only::lint(&mut root, &profile);
    empty_plans::lint(&mut root, &profile.policy);
    let warnings = reader.finish().err().map(|Errors(all)| all).unwrap_or_default();
    Ok((profile, warnings))
}

/// Returns warnings about hosts that several profiles claim. Only one profile gets their requests without a key.
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
                "the host \"{host}\" is claimed by {all}; a request whose key matches none of their formats belongs to \
                 {first}"
            ));
        }
    }
    warnings
}

/// Warns if the whole profile is in shadow.
fn unenforced_profile(root: &mut Section<'_>) {
    let name = root.text("name").map(|name| name.value).unwrap_or_default();
    if let Some(text) = root.text("enforce").filter(|text| text.value == "shadow") {
        text.report(format!(
            "the profile \"{name}\" enforces nothing: every request passes, even with a revoked key"
        ));
    }
}

/// Warns of scopes that no route requires, and of aliases in place of names.
fn scopes(root: &mut Section<'_>, policy: &Policy) {
    // Management requires these itself.
    let mut required: HashSet<ScopeId> =
        [MANAGE_KEYS, REVIVE_KEYS].into_iter().filter_map(|name| policy.scopes.find(name)).collect();
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
        if !used {
            name.report(format!(
                "no route requires the scope \"{}\"; it has no effect unless Envoy's routes or Check require it",
                name.value
            ));
        }
    }
}

/// Warns of kinds whose values can be read again and whose keys can be granted every scope: a caller that can create
/// such a key can read the values of all.
fn kinds(root: &mut Section<'_>, policy: &Policy) {
    for mut section in root.sections("kinds") {
        let name = section.text("name").map(|name| name.value).unwrap_or_default();
        let retrievable = section.flag("retrievable", false);
        if retrievable && section.texts("scopes").is_empty() && !policy.scopes.entries().is_empty() {
            section.report(format!(
                "values of {name} keys can be read again, and such a key can be granted every scope: list the most that \
                 it can have in \"scopes\""
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

/// Warns of hosts after patterns that match them too, because the first declared pattern applies.
fn hosts(root: &mut Section<'_>) {
    let mut earlier: Vec<(HostPattern, String)> = Vec::new();
    for mut section in root.sections("hosts") {
        let Some(text) = section.text("host") else { continue };
        let Ok(pattern) = HostPattern::parse(&text) else { continue };
        if let Some((_, first)) = earlier.iter().find(|(first, _)| first.covers(&pattern)) {
            text.report(format!("\"{first}\" is declared earlier and matches \"{}\" too", text.value));
        }
        earlier.push((pattern, text.value.to_owned()));
    }
}

/// Warns of denials after one that matches every denied request.
fn denials(root: &mut Section<'_>) {
    let mut all = None;
    for (index, mut section) in root.sections("denials").into_iter().enumerate() {
        if let Some(all) = all {
            section.report(format!("denials[{all}] matches every reason, so this one is never used"));
        }
        let every_credential = section.text("credential").is_none() && section.texts("kinds").is_empty();
        if section.texts("reasons").is_empty() && every_credential {
            all = all.or(Some(index));
        }
    }
}
