//! An admission. A header that tells the upstream who calls is set by us or is not there at all: whatever
//! the client sent under that name, in any spelling that a server may take for it, is removed.

use std::collections::BTreeSet;

use super::headers::render_headers;
use super::{AllowResponse, StaticRemovals};
use crate::parsed_request::Credential;
use crate::profile::{HeaderTemplate, Profile};
use crate::source::{Source, spellings, without_cookies};
use crate::template::{RenderInput, has_controls};
use crate::template_context::TemplateContext;

/// What is taken out of every request that passes, worked out beforehand.
#[derive(Debug, Default)]
pub(crate) struct RemovalPlan {
    headers: StaticRemovals,
    /// Those of them that don't carry the credential and nothing else.
    non_credential_headers: StaticRemovals,
    queries: Vec<Box<str>>,
    cookies: Vec<Box<str>>,
}

impl RemovalPlan {
    /// What these headers and this credential ask to be taken out.
    pub(crate) fn new(upstream: &[HeaderTemplate], credential: &Credential) -> Self {
        let mut headers: BTreeSet<Box<str>> = BTreeSet::new();
        for header in upstream {
            headers.extend(separator_variants(&header.name));
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
        let non_credential_headers = headers.iter().filter(|name| !credentials.contains(*name)).cloned();
        removals.non_credential_headers = non_credential_headers.collect::<Vec<_>>().into();
        removals.headers = headers.into_iter().collect::<Vec<_>>().into();
        removals
    }
}

/// Every way to write a header's name with hyphens and underscores: CGI, WSGI and their like don't tell
/// them apart.
fn separator_variants(name: &str) -> impl Iterator<Item = Box<str>> {
    let places: Vec<usize> =
        name.bytes().enumerate().filter(|(_, b)| is_separator(*b)).map(|(at, _)| at).collect();
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
pub(crate) fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'_')
}

impl Profile {
    /// What becomes of a request that passes.
    #[must_use]
    pub fn allow_response<'a>(&'a self, template_context: &TemplateContext<'a>) -> AllowResponse<'a> {
        let input = RenderInput { policy: &self.policy, template_context, denial: None, call: None };
        let removals = &self.rules.removals;
        // An endpoint is answered by us, and asks who calls once more.
        let is_endpoint = self.has_endpoint_at(template_context.method, template_context.path);
        let mut allow = AllowResponse::default();
        if is_endpoint {
            allow.remove.static_names = Some(&removals.non_credential_headers);
        } else {
            allow.remove.static_names = Some(&removals.headers);
            allow.remove_query = removed_parameters(template_context.path, &removals.queries);
        }
        for header in &self.rules.upstream {
            if !allow.set.render(header, &input) {
                allow.remove.add(&header.name);
            }
        }
        if !is_endpoint {
            self.remove_credential_cookies(template_context, &mut allow);
        }
        allow.response = render_headers(&self.rules.response, &input);
        allow
    }

    fn remove_credential_cookies<'a>(
        &'a self,
        template_context: &TemplateContext<'a>,
        allow: &mut AllowResponse<'a>,
    ) {
        let names = &self.rules.removals.cookies;
        if names.is_empty() || self.rules.upstream.iter().any(|h| *h.name == *"cookie") {
            return;
        }
        let values: Vec<&[u8]> =
            template_context.headers.iter().filter(|h| h.name == b"cookie").map(|h| h.value).collect();
        match without_cookies(&values, names) {
            None => {}
            Some(rest) if rest.is_empty() || has_controls(&rest) => allow.remove.add("cookie"),
            Some(rest) => {
                allow.remove.keep("cookie");
                allow.set.push("cookie", &rest);
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
        let all: BTreeSet<Box<str>> = separator_variants("x-tenant_id").collect();
        let expected = ["x-tenant-id", "x-tenant_id", "x_tenant-id", "x_tenant_id"];
        assert_eq!(all.iter().map(|v| &**v).collect::<Vec<_>>(), expected);
        assert_eq!(separator_variants("a-b-c-d-e-f").count(), 32);
        assert_eq!(separator_variants("tenant").collect::<Vec<_>>(), [Box::from("tenant")]);
    }
}
