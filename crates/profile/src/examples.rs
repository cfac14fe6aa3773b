//! A document's own examples. They run against the real gate, with one key in memory for each example, so that a
//! document can be tested without a server, for example in CI. Examples of endpoints need RPCs, which this crate does
//! not have; the caller runs them and passes the response to [`EndpointCase::compare`].

mod endpoint_case;
mod fixtures;
mod runner;

pub(crate) use endpoint_case::FIXTURE_NAMES;
pub use endpoint_case::{CaseResponse, CaseResult, EndpointCase, FixtureValues, RenderedRequest};
pub(crate) use fixtures::TENANT;

use std::collections::BTreeMap;

use crate::template::Template;

/// A request, its sender, and the response that the document expects.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    pub(crate) name: Box<str>,
    pub(crate) method: Box<str>,
    pub(crate) target: Template,
    pub(crate) host: Box<str>,
    /// Names in lower case, and values; `{{ key }}` in a value is the sender's key.
    pub(crate) headers: Vec<(Box<str>, Template)>,
    /// User name and password of Basic credentials, with a colon between them.
    pub(crate) basic: Option<Template>,
    pub(crate) body: Option<Template>,
    /// The sender; `None` for an unknown one.
    pub(crate) sender: Option<Sender>,
    /// Further keys of the same tenant.
    pub(crate) existing_keys: Vec<KeyFixture>,
    /// Number of times that the request is sent; the last response is compared.
    pub(crate) repeat: u32,
    pub(crate) expected: ExpectedResponse,
}

/// Sender of an example's request.
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

/// A key and its tenant.
#[derive(Clone, Debug)]
pub struct KeyFixture {
    /// The key's name.
    pub name: Box<str>,
    /// The key's kind.
    pub kind: Box<str>,
    /// The key's environment.
    pub environment: Box<str>,
    /// The key's scopes; `None` for the default scopes of its kind.
    pub scopes: Option<Vec<Box<str>>>,
    /// The key's bindings.
    pub bindings: BTreeMap<String, String>,
    /// The tenant's plan.
    pub plan: Option<Box<str>>,
    /// The tenant's slug.
    pub tenant: Box<str>,
    pub(crate) state: FixtureState,
}

/// A user and their tenant.
#[derive(Clone, Debug)]
pub struct UserFixture {
    /// The e-mail address.
    pub email: Box<str>,
    /// The password.
    pub password: Box<str>,
    /// The role.
    pub role: Box<str>,
    /// The user's bindings.
    pub bindings: BTreeMap<String, String>,
    /// The tenant's slug.
    pub tenant: Box<str>,
}

/// State of an example's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FixtureState {
    Active,
    Revoked,
    /// Expired on 2025-01-01.
    Expired,
    Disabled,
}

/// Response that the document expects. The status 200 means that the request passes, unless an endpoint answers it.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedResponse {
    pub(crate) status: u16,
    /// Exact body, in which `{{ any }}` matches any text.
    pub(crate) body: Option<Box<str>>,
    /// Headers that the client gets.
    pub(crate) headers: Vec<(Box<str>, Box<str>)>,
    /// Headers that the upstream gets; an empty value means that it does not get the header.
    pub(crate) upstream: Vec<(Box<str>, Box<str>)>,
}

/// Outcome of an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleOutcome {
    /// The example's name.
    pub name: String,
    /// Differences between the expected and the actual response; empty if there are none.
    pub failures: Vec<String>,
}

/// Returns true if a text matches the expected one, in which `{{ any }}` matches any text.
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
    fn any_matches_all_text_and_nothing_else_does() {
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
