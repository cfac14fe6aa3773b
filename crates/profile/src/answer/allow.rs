//! An admission. A header that tells the upstream who calls is set by us or is not there at all: whatever
//! the client sent under that name, in any spelling that a server may take for it, is removed.

use std::collections::BTreeSet;

use super::rendered::rendered;
use super::{Admission, Always};
use crate::facts::Facts;
use crate::profile::{HeaderTemplate, Profile};
use crate::read::Credential;
use crate::source::{Source, spellings, without_cookies};
use crate::template::{View, has_controls};

/// What is taken out of every request that passes, worked out beforehand.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    headers: Always,
    /// Those of them that don't carry the credential and nothing else.
    others: Always,
    queries: Vec<Box<str>>,
    cookies: Vec<Box<str>>,
}

impl Removals {
    /// What these headers and this credential ask to be taken out.
    pub(crate) fn new(upstream: &[HeaderTemplate], credential: &Credential) -> Self {
        let mut headers: BTreeSet<Box<str>> = BTreeSet::new();
        for header in upstream {
            headers.extend(variants(&header.name));
        }
        let (mut removals, mut credentials) = (Self::default(), Vec::new());
        let sources = if credential.forward { [].as_slice() } else { &credential.sources };
        for source in sources {
            match source {
                Source::Header(name) | Source::Scheme(name, _) => {
                    if headers.insert(name.clone()) {
                        credentials.push(name.clone());
                    }
                }
                Source::Query(name) => removals.queries.push(name.clone()),
                Source::Cookie(name) => removals.cookies.push(name.clone()),
                // A body goes on as it came: nothing between here and the upstream can rewrite it.
                Source::Body(_) => {}
            }
        }
        headers.retain(|name| !upstream.iter().any(|h| h.name == *name));
        let others = headers.iter().filter(|name| !credentials.contains(*name)).cloned();
        removals.others = others.collect::<Vec<_>>().into();
        removals.headers = headers.into_iter().collect::<Vec<_>>().into();
        removals
    }
}

/// Every way to write a header's name with hyphens and underscores: CGI, WSGI and their like don't tell
/// them apart.
fn variants(name: &str) -> impl Iterator<Item = Box<str>> {
    let places: Vec<usize> =
        name.bytes().enumerate().filter(|(_, b)| is_joint(*b)).map(|(at, _)| at).collect();
    (0u32..1 << places.len()).map(move |choice| {
        let bit = |at: usize| places.iter().position(|p| *p == at).is_some_and(|n| choice & (1 << n) != 0);
        let written = name.char_indices().map(|(at, c)| match c {
            '-' | '_' if bit(at) => '_',
            '-' | '_' => '-',
            other => other,
        });
        written.collect::<String>().into()
    })
}

/// What joins the words of a header's name.
pub(crate) fn is_joint(byte: u8) -> bool {
    matches!(byte, b'-' | b'_')
}

impl Profile {
    /// What becomes of a request that passes.
    #[must_use]
    pub fn allow<'a>(&'a self, facts: &Facts<'a>) -> Admission<'a> {
        let view = View { policy: &self.policy, facts, denial: None, call: None };
        let removals = &self.customs.removals;
        // An endpoint is answered by us, and asks who calls once more.
        let ours = self.answers(facts.method, facts.path);
        let mut admission = Admission::default();
        if ours {
            admission.remove.always = Some(&removals.others);
        } else {
            admission.remove.always = Some(&removals.headers);
            admission.remove_query = removed_parameters(facts.path, &removals.queries);
        }
        for header in &self.customs.upstream {
            if !admission.set.render(header, &view) {
                admission.remove.add(&header.name);
            }
        }
        if !ours {
            self.take_cookies(facts, &mut admission);
        }
        admission.response = rendered(&self.customs.response, &view);
        admission
    }

    fn take_cookies<'a>(&'a self, facts: &Facts<'a>, admission: &mut Admission<'a>) {
        let names = &self.customs.removals.cookies;
        if names.is_empty() || self.customs.upstream.iter().any(|h| *h.name == *"cookie") {
            return;
        }
        let values: Vec<&[u8]> =
            facts.headers.iter().filter(|h| h.name == b"cookie").map(|h| h.value).collect();
        match without_cookies(&values, names) {
            None => {}
            Some(rest) if rest.is_empty() || has_controls(&rest) => admission.remove.add("cookie"),
            Some(rest) => {
                admission.remove.keep("cookie");
                admission.set.push("cookie", &rest);
            }
        }
    }
}

fn removed_parameters<'a>(path: &'a str, names: &[Box<str>]) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    if names.is_empty() {
        return found;
    }
    let query = path.split_once('?').map_or("", |(_, query)| query);
    for spelled in names.iter().flat_map(|name| spellings(query, name)) {
        if !found.contains(&spelled) {
            found.push(spelled);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_as_many_spellings_as_its_joints_allow() {
        let all: BTreeSet<Box<str>> = variants("x-tenant_id").collect();
        let expected = ["x-tenant-id", "x-tenant_id", "x_tenant-id", "x_tenant_id"];
        assert_eq!(all.iter().map(|v| &**v).collect::<Vec<_>>(), expected);
        assert_eq!(variants("a-b-c-d-e-f").count(), 32);
        assert_eq!(variants("tenant").collect::<Vec<_>>(), [Box::from("tenant")]);
    }
}
