//! A document's own examples, run against the very gate that judges calls, with a key made for each in memory:
//! how a document is tested where nothing runs, such as its author's CI.

mod rehearsal;
mod stage;

use std::collections::BTreeMap;

/// A request, who sends it, and what the document promises for it.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    pub(crate) name: Box<str>,
    pub(crate) method: Box<str>,
    pub(crate) target: Box<str>,
    pub(crate) host: Box<str>,
    /// `{{ key }}` in a value is the sender's key.
    pub(crate) headers: Vec<(Box<str>, Box<str>)>,
    pub(crate) body: Option<Box<str>>,
    /// None: nobody that is known.
    pub(crate) who: Option<Who>,
    /// How often it is sent; the last answer counts.
    pub(crate) repeat: u32,
    pub(crate) expected: Expected,
}

/// A key, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) kind: Box<str>,
    pub(crate) environment: Box<str>,
    /// None: what its kind gets by default.
    pub(crate) scopes: Option<Vec<Box<str>>>,
    pub(crate) bindings: BTreeMap<String, String>,
    pub(crate) plan: Option<Box<str>>,
    pub(crate) tenant: Box<str>,
    pub(crate) life: Life,
}

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Active,
    Revoked,
    /// On 2025-01-01.
    Expired,
    Disabled,
}

/// What the client gets; 200: the request passes.
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
pub struct Outcome {
    /// The example's name.
    pub name: String,
    /// What was not as promised, in sentences; none: everything was.
    pub wrong: Vec<String>,
}

/// Whether a text is as expected, where `{{ any }}` stands for anything.
fn fits(expected: &str, found: &str) -> bool {
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
    use super::fits;

    #[test]
    fn any_stands_for_anything_and_nothing_else_does() {
        for (expected, found) in
            [("ab", "ab"), ("a{{ any }}b", "a-1-b"), ("{{ any }}", ""), ("a{{ any }}", "a")]
        {
            assert!(fits(expected, found), "{expected} {found}");
        }
        for (expected, found) in
            [("ab", "abc"), ("a{{ any }}b", "a-c"), ("{{ any }}a{{ any }}b", "ba"), ("a{{ any }}a", "a")]
        {
            assert!(!fits(expected, found), "{expected} {found}");
        }
    }
}
