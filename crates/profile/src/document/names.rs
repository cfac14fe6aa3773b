//! Names in a document: of the product, of its kinds, plans and roles, and the prefix of request identifiers.

use std::collections::HashSet;
use std::sync::Arc;

use crate::reader::{Section, Text};

/// Name of the operators' own profile, which no document may use.
const RESERVED: &str = "latchkey";

/// Reads the product's name.
pub(super) fn profile(root: &mut Section<'_>) -> Arc<str> {
    let Some(name) = root.required_text("name") else { return "".into() };
    let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=63).contains(&name.len()) || !name.bytes().all(valid) {
        name.report(format!(
            "\"{}\" is not a profile name: 1 to 63 lower-case letters, digits and hyphens",
            name.value
        ));
    } else if name.value == RESERVED {
        name.report(format!("\"{RESERVED}\" is the operators' own profile"));
    }
    name.value.into()
}

/// Reads the prefix of request identifiers.
pub(super) fn request_id(root: &mut Section<'_>) -> Option<Box<str>> {
    let mut section = root.section("request_id")?;
    let prefix = section.required_text("prefix");
    section.close();
    let prefix = prefix?;
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"_-.:".contains(&b);
    if prefix.len() > 32 || !prefix.bytes().all(valid) {
        prefix.report("a prefix has at most 32 letters, digits and \"_\", \"-\", \".\" or \":\"");
    }
    Some(prefix.value.into())
}

/// Reports a text that cannot be the name of a kind, an environment, a class, a plan, a role or a resource.
pub(super) fn check(name: &Text<'_>) {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if !(1..=63).contains(&name.len()) || !name.bytes().all(valid) {
        name.report(format!(
            "\"{}\" is not a name: 1 to 63 letters, digits and \"_\", \"-\" or \".\"",
            name.value
        ));
    }
}

/// Set of names, each of which may be used once.
#[derive(Default)]
pub(super) struct UniqueNames<'d>(HashSet<&'d str>);

impl<'d> UniqueNames<'d> {
    /// Adds a name. Reports it and returns false if the set has it already.
    pub(super) fn check(&mut self, name: &Text<'d>, what: &str) -> bool {
        let new = self.0.insert(name.value);
        if !new {
            name.report(format!("the {what} \"{}\" is listed twice", name.value));
        }
        new
    }
}

/// Reads a list of names, without duplicates.
pub(super) fn list(section: &mut Section<'_>, field: &'static str, what: &str) -> Vec<Box<str>> {
    let names = section.texts(field);
    let mut unique = UniqueNames::default();
    names.iter().for_each(check);
    names.iter().filter(|name| unique.check(name, what)).map(|name| name.value.into()).collect()
}
