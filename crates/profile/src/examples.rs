//! A document's own examples, run against the very gate that judges calls, with a key made for each in memory:
//! how a document is tested where nothing runs, such as its author's CI. What an endpoint answers is played on a
//! stage that whoever runs the examples sets up, since the RPCs behind it are none of this room's.

mod endpoint_case;
mod fixtures;
mod runner;

pub(crate) use endpoint_case::FIXTURE_NAMES;
pub use endpoint_case::{CaseResponse, CaseResult, EndpointCase, FixtureValues, RenderedRequest};
pub(crate) use fixtures::TENANT;

use std::collections::BTreeMap;

use crate::template::Template;

/// A request, who sends it, and what the document promises for it.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    pub(crate) name: Box<str>,
    pub(crate) method: Box<str>,
    pub(crate) target: Template,
    pub(crate) host: Box<str>,
    /// `{{ key }}` in a value is the sender's key.
    pub(crate) headers: Vec<(Box<str>, Template)>,
    pub(crate) body: Option<Template>,
    /// None: nobody that is known.
    pub(crate) sender: Option<Sender>,
    /// Keys of the same tenant that are there besides.
    pub(crate) existing_keys: Vec<KeyFixture>,
    /// How often it is sent; the last answer counts.
    pub(crate) repeat: u32,
    pub(crate) expected: Expected,
}

/// Who sends a request.
#[derive(Clone, Debug)]
pub enum Sender {
    /// A key.
    Key(KeyFixture),
    /// A user, with a token of its own.
    User(UserFixture),
}

impl Sender {
    pub(crate) fn key(&self) -> Option<&KeyFixture> {
        match self {
            Self::Key(key) => Some(key),
            Self::User(_) => None,
        }
    }
}

/// A key, and whose it is.
#[derive(Clone, Debug)]
pub struct KeyFixture {
    /// Its name.
    pub name: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its environment.
    pub environment: Box<str>,
    /// None: what its kind gets by default.
    pub scopes: Option<Vec<Box<str>>>,
    /// What it is bound to.
    pub bindings: BTreeMap<String, String>,
    /// The tenant's plan.
    pub plan: Option<Box<str>>,
    /// The tenant's slug.
    pub tenant: Box<str>,
    pub(crate) state: FixtureState,
}

/// A user, and whose it is.
#[derive(Clone, Debug)]
pub struct UserFixture {
    /// The address.
    pub email: Box<str>,
    /// The password.
    pub password: Box<str>,
    /// The role.
    pub role: Box<str>,
    /// What the user is bound to.
    pub bindings: BTreeMap<String, String>,
    /// The tenant's slug.
    pub tenant: Box<str>,
}

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FixtureState {
    Active,
    Revoked,
    /// On 2025-01-01.
    Expired,
    Disabled,
}

/// What the client gets; 200 from anything but an endpoint: the request passes.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// To the byte, where `{{ any }}` stands for anything.
    pub(crate) body: Option<Box<str>>,
    /// Headers that the client gets.
    pub(crate) headers: Vec<(Box<str>, Box<str>)>,
    /// Headers that the upstream gets; empty: it doesn't get this one.
    pub(crate) upstream: Vec<(Box<str>, Box<str>)>,
}

/// How an example went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleOutcome {
    /// The example's name.
    pub name: String,
    /// What was not as promised, in sentences; none: everything was.
    pub failures: Vec<String>,
}

/// Whether a text is as expected, where `{{ any }}` stands for anything.
fn matches_pattern(expected: &str, found: &str) -> bool {
    let mut parts = expected.split("{{ any }}");
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn any_stands_for_anything_and_nothing_else_does() {
        for (expected, found) in
            [("ab", "ab"), ("a{{ any }}b", "a-1-b"), ("{{ any }}", ""), ("a{{ any }}", "a")]
        {
            assert!(matches_pattern(expected, found), "{expected} {found}");
        }
        for (expected, found) in
            [("ab", "abc"), ("a{{ any }}b", "a-c"), ("{{ any }}a{{ any }}b", "ba"), ("a{{ any }}a", "a")]
        {
            assert!(!matches_pattern(expected, found), "{expected} {found}");
        }
    }
}
