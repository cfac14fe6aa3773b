//! `[[scopes]]`: the catalog of scopes, and lists of scopes elsewhere in a document that refer to it.

use latchkey_core::choices::not_one_of;
use latchkey_core::scope::{ScopeEntry, ScopeId, ScopeRegistry, ScopeSet};

use super::enforce;
use super::names::UniqueNames;
use crate::reader::{Section, Text};

/// Maximum number of scopes of a product.
const MAX_SCOPES: usize = 10_000;

/// Reads the catalog of scopes.
pub(super) fn read<'d>(root: &mut Section<'d>) -> ScopeRegistry {
    let mut unique = UniqueNames::default();
    let mut entries = Vec::new();
    for mut section in root.sections("scopes") {
        let name = section.required_text("name");
        let description = section.text("description").map_or_else(Box::default, |d| d.value.into());
        let aliases = section.texts("aliases");
        let enforce = enforce::read(&mut section);
        section.close();
        let mut claim = |name: &Text<'d>| {
            check(name);
            unique.check(name, "scope")
        };
        let name = name.filter(&mut claim);
        let aliases = aliases.iter().filter(|alias| claim(alias)).map(|alias| alias.value.into()).collect();
        let entry = |name: Text<'d>| ScopeEntry { name: name.value.into(), description, aliases, enforce };
        entries.extend(name.map(entry));
    }
    if entries.len() > MAX_SCOPES {
        root.report(format!("{} scopes are more than {MAX_SCOPES}", entries.len()));
        entries.truncate(MAX_SCOPES);
    }
    ScopeRegistry::new(entries).unwrap_or_default()
}

/// Reports a name that is not a scope-token (RFC 6749 section 3.3) or contains a comma, which separates scopes in
/// Envoy's routes.
fn check(name: &Text<'_>) {
    let valid = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b',');
    if !(1..=128).contains(&name.len()) || !name.bytes().all(valid) {
        name.report(format!(
            "\"{}\" is not a scope: 1 to 128 printable characters without spaces, commas, quotes and backslashes",
            name.value
        ));
    }
}

/// Reads a list of scopes, which must all be in the catalog.
pub(super) fn set(section: &mut Section<'_>, field: &'static str, scopes: &ScopeRegistry) -> ScopeSet {
    section.texts(field).iter().filter_map(|name| resolve(name, scopes)).collect()
}

/// Returns the error about a name that is no scope of the document.
pub(super) fn undeclared(name: &str, scopes: &ScopeRegistry) -> String {
    not_one_of(name, scopes.entries().iter().map(|entry| &*entry.name))
}

/// Returns the scope of a name; reports a name that is not in the catalog.
pub(super) fn resolve(name: &Text<'_>, scopes: &ScopeRegistry) -> Option<ScopeId> {
    let found = scopes.find(name);
    if found.is_none() {
        name.report(undeclared(name.value, scopes));
    }
    found
}
