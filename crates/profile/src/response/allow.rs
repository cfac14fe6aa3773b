//! Response to an allowed request. A header that identifies the principal is either set by Latchkey or absent: the
//! client's own header of that name is removed, in every spelling that a server may treat as the same name.

use std::collections::BTreeSet;

use super::headers::render_headers;
use super::{AllowResponse, StaticRemovals};
use crate::parsed_request::Credential;
use crate::profile::{HeaderTemplate, Profile};
use crate::request::{Header, is_separator, is_spelling};
use crate::source::{Source, without_cookies, without_parameters, without_subprotocols};
use crate::template::{RenderInput, has_controls};
use crate::template_context::TemplateContext;

/// Function that removes the credentials of these names from the values of a header, and returns what is left; `None` if
/// nothing is removed.
type RemoveCredentials = fn(&[&[u8]], &[Box<str>]) -> Option<String>;

/// Parts that are removed from every allowed request, prepared when a document is applied.
#[derive(Debug, Default)]
pub(crate) struct RemovalPlan {
    headers: StaticRemovals,
    /// Headers without those that are removed only because they carry the credential.
    non_credential_headers: StaticRemovals,
    queries: Vec<Box<str>>,
    cookies: Vec<Box<str>>,
    subprotocols: Vec<Box<str>>,
    /// Headers with too many spellings to list: those that a request has are removed.
    long: Vec<LongName>,
}

/// Name of a header with more than [`MAX_SEPARATORS`] separators.
#[derive(Debug)]
struct LongName {
    name: Box<str>,
    /// True if the header carries the credential, and is removed in the document's own spelling too.
    is_credential: bool,
}

impl RemovalPlan {
    /// Creates the plan for a profile's upstream headers, credential sources, and the sources of its tenant and
    /// resources. The upstream gets the header of a source in the one spelling that the document has.
    pub(crate) fn new<'s>(
        upstream: &[HeaderTemplate],
        credential: &Credential,
        others: impl Iterator<Item = &'s Source>,
    ) -> Self {
        let mut headers: BTreeSet<Box<str>> = BTreeSet::new();
        for header in upstream {
            headers.extend(separator_variants(&header.name));
        }
        let (mut removals, mut credentials) = (Self::default(), Vec::new());
        let sources = if credential.forward { [].as_slice() } else { &credential.sources };
        for name in others.filter_map(Source::header) {
            removals.add_long(name, false);
            headers.extend(separator_variants(name).filter(|variant| **variant != *name));
        }
        for source in sources {
            match source {
                Source::Header(name) | Source::Scheme(name, _) => {
                    removals.add_long(name, true);
                    let variants = separator_variants(name).filter(|variant| headers.insert(variant.clone()));
                    credentials.extend(variants);
                }
                Source::Basic(_) => {
                    credentials
                        .extend(source.header().filter(|name| headers.insert((*name).into())).map(Box::from));
                }
                Source::Subprotocol(name) => {
                    removals.subprotocols.push(name.clone());
                    // The rest of all spellings is sent on in the header of this name.
                    let names = source.header().into_iter().flat_map(separator_variants);
                    let others = names.filter(|variant| Some(&**variant) != source.header());
                    credentials.extend(others.filter(|variant| headers.insert(variant.clone())));
                }
                Source::Query(name) => removals.queries.push(name.clone()),
                Source::Cookie(name) => removals.cookies.push(name.clone()),
                // The body is forwarded unchanged, because Envoy cannot rewrite it.
                Source::Body(_) => {}
            }
        }
        headers.retain(|name| !upstream.iter().any(|h| h.name == *name));
        let non_credential_headers = headers.iter().filter(|name| !credentials.contains(*name)).cloned();
        removals.non_credential_headers = non_credential_headers.collect::<Vec<_>>().into();
        removals.headers = headers.into_iter().collect::<Vec<_>>().into();
        removals
    }

    /// Adds a header of a source, if it has too many spellings to list.
    fn add_long(&mut self, name: &str, is_credential: bool) {
        if separators(name).count() > MAX_SEPARATORS {
            self.long.push(LongName { name: name.into(), is_credential });
        }
    }

    /// Returns the headers of a request that are spellings of a name that has too many of them to list.
    fn long_spellings<'h>(
        &self,
        headers: &'h [Header<'h>],
        is_endpoint: bool,
    ) -> impl Iterator<Item = &'h str> {
        let removed = self.long.iter().filter(move |long| !(is_endpoint && long.is_credential));
        removed.flat_map(move |long| {
            let name = long.name.as_bytes();
            let spelled = headers.iter().filter(move |header| is_spelling(header.name, name));
            let others = spelled.filter(move |header| long.is_credential || *header.name != *name);
            others.filter_map(|header| std::str::from_utf8(header.name).ok())
        })
    }
}

/// Returns all spellings of a header's name with hyphens and underscores. CGI, WSGI and similar interfaces treat them
/// as the same name. A name with more than [`MAX_SEPARATORS`] separators is returned alone.
fn separator_variants(name: &str) -> impl Iterator<Item = Box<str>> {
    let mut separators: Vec<usize> = separators(name).collect();
    if separators.len() > MAX_SEPARATORS {
        separators.clear();
    }
    (0u32..1 << separators.len()).map(move |choice| {
        let bit =
            |at: usize| separators.iter().position(|p| *p == at).is_some_and(|n| choice & (1 << n) != 0);
        let written = name.char_indices().map(|(at, c)| match c {
            '-' | '_' if bit(at) => '_',
            '-' | '_' if separators.contains(&at) => '-',
            other => other,
        });
        written.collect::<String>().into()
    })
}

/// Returns the positions of the separators in a name.
fn separators(name: &str) -> impl Iterator<Item = usize> {
    name.bytes().enumerate().filter(|(_, byte)| is_separator(*byte)).map(|(at, _)| at)
}

/// Maximum number of separators with all their spellings: each one doubles the number of spellings.
pub(crate) const MAX_SEPARATORS: usize = 5;

impl Profile {
    /// Renders the changes to an allowed request.
    #[must_use]
    pub fn allow_response<'a>(&'a self, template_context: &TemplateContext<'a>) -> AllowResponse<'a> {
        let input = RenderInput {
            policy: &self.policy,
            template_context,
            denial: None,
            unknown_limits: self.rules.unknown_limits,
            call: None,
        };
        let removals = &self.rules.removals;
        // Latchkey itself is the upstream of an endpoint, and reads the credential again.
        let is_endpoint = self.has_endpoint_at(template_context.method, template_context.path);
        let mut allow = AllowResponse::default();
        if is_endpoint {
            allow.remove.static_names = Some(&removals.non_credential_headers);
        } else {
            allow.remove.static_names = Some(&removals.headers);
            allow.path = without_parameters(template_context.path, &removals.queries);
        }
        for name in removals.long_spellings(template_context.headers, is_endpoint) {
            allow.remove.add(name);
        }
        for header in &self.rules.upstream {
            if !allow.set.render(header, &input) {
                allow.remove.add(&header.name);
            }
        }
        if !is_endpoint {
            let removals = &self.rules.removals;
            self.remove_from_list(template_context, &mut allow, "cookie", &removals.cookies, without_cookies);
            let (name, names) = ("sec-websocket-protocol", &removals.subprotocols);
            self.remove_from_list(template_context, &mut allow, name, names, without_subprotocols);
        }
        allow.response = render_headers(&self.rules.response, &input);
        allow
    }

    /// Removes credentials from a header that holds other values too.
    fn remove_from_list<'a>(
        &'a self,
        template_context: &TemplateContext<'a>,
        allow: &mut AllowResponse<'a>,
        header: &'static str,
        names: &[Box<str>],
        without: RemoveCredentials,
    ) {
        if names.is_empty() || self.rules.upstream.iter().any(|h| *h.name == *header) {
            return;
        }
        let spelled = |h: &&Header<'a>| is_spelling(h.name, header.as_bytes());
        let values: Vec<&[u8]> = template_context.headers.iter().filter(spelled).map(|h| h.value).collect();
        match without(&values, names) {
            None => {}
            Some(rest) if rest.is_empty() || has_controls(&rest) => allow.remove.add(header),
            Some(rest) => {
                allow.remove.keep(header);
                allow.set.push(header, &rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_all_spellings_of_its_separators() {
        let all: BTreeSet<Box<str>> = separator_variants("x-tenant_id").collect();
        let expected = ["x-tenant-id", "x-tenant_id", "x_tenant-id", "x_tenant_id"];
        assert_eq!(all.iter().map(|v| &**v).collect::<Vec<_>>(), expected);
        assert_eq!(separator_variants("a-b-c-d-e-f").count(), 32);
        assert_eq!(separator_variants("a-b-c-d-e-f-g").collect::<Vec<_>>(), [Box::from("a-b-c-d-e-f-g")]);
        assert_eq!(separator_variants("tenant").collect::<Vec<_>>(), [Box::from("tenant")]);
    }
}
