//! Response to an allowed request. A header that identifies the principal is either set by Latchkey or absent: the
//! client's own header of that name is removed, in every spelling that a server may treat as the same name.

use std::collections::BTreeSet;

use super::headers::render_headers;
use super::{AllowResponse, StaticRemovals};
use crate::parsed_request::Credential;
use crate::profile::{HeaderTemplate, Profile};
use crate::request::{Headers, is_separator};
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
    /// Headers with more spellings than those that are listed: those that a request has are removed.
    spelled: Vec<SpelledName>,
}

/// Name of a header that is removed in other spellings.
#[derive(Debug)]
struct SpelledName {
    name: Box<str>,
    /// True if no spelling is listed, because the name has more than [`MAX_SEPARATORS`] separators.
    is_long: bool,
    /// True if the header carries the credential, and is removed in the document's own spelling too.
    is_credential: bool,
}

impl SpelledName {
    /// Returns true if this spelling of the name is removed and not listed.
    fn removes(&self, spelling: &[u8]) -> bool {
        if *spelling == *self.name.as_bytes() {
            return self.is_long && self.is_credential;
        }
        self.is_long || spelling.contains(&b'.')
    }
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
        let (mut removals, mut credentials) = (Self::default(), Vec::new());
        for header in upstream {
            removals.add_spelled(&header.name, false);
            headers.extend(separator_variants(&header.name));
        }
        let sources = if credential.forward { [].as_slice() } else { &credential.sources };
        for name in others.filter_map(Source::header) {
            removals.add_spelled(name, false);
            headers.extend(separator_variants(name).filter(|variant| **variant != *name));
        }
        for source in sources {
            match source {
                Source::Header(name) | Source::Scheme(name, _) => {
                    removals.add_spelled(name, true);
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
                    removals.add_spelled(source.header().unwrap_or_default(), true);
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

    /// Adds a header that is removed in other spellings, if it has any.
    fn add_spelled(&mut self, name: &str, is_credential: bool) {
        let count = separators(name).count();
        if count > 0 {
            let is_long = count > MAX_SEPARATORS;
            self.spelled.push(SpelledName { name: name.into(), is_long, is_credential });
        }
    }

    /// Returns the headers of a request that are removed as spellings of a name and that are not listed.
    fn unlisted_spellings<'h>(
        &self,
        headers: &'h Headers<'h>,
        is_endpoint: bool,
    ) -> impl Iterator<Item = &'h str> {
        let removed = self.spelled.iter().filter(move |spelled| !(is_endpoint && spelled.is_credential));
        removed.flat_map(move |spelled| {
            let unlisted = headers.spelled(&spelled.name).filter(move |header| spelled.removes(header.name));
            unlisted.filter_map(|header| std::str::from_utf8(header.name).ok())
        })
    }
}

/// Returns a header's name in all spellings with hyphens and underscores. CGI, WSGI and similar interfaces treat them
/// as the same name. PHP does so with dots too: such spellings are removed from the requests that have them, because they
/// would make the list several times as long. A name with more than [`MAX_SEPARATORS`] separators is returned alone.
fn separator_variants(name: &str) -> impl Iterator<Item = Box<str>> {
    let mut separators: Vec<usize> = separators(name).collect();
    if separators.len() > MAX_SEPARATORS {
        separators.clear();
    }
    let dotted = !separators.is_empty() && name.contains('.');
    let spellings = (0u32..1 << separators.len()).map(move |choice| {
        let bit =
            |at: usize| separators.iter().position(|p| *p == at).is_some_and(|n| choice & (1 << n) != 0);
        let written = name.char_indices().map(|(at, c)| match c {
            '-' | '_' | '.' if bit(at) => '_',
            '-' | '_' | '.' if separators.contains(&at) => '-',
            other => other,
        });
        written.collect::<String>().into_boxed_str()
    });
    spellings.chain(dotted.then(|| Box::from(name)))
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
        let is_set = |name: &str| self.rules.upstream.iter().any(|header| *header.name == *name);
        for name in removals.unlisted_spellings(template_context.headers, is_endpoint) {
            if !is_set(name) && !allow.remove.contains(name) {
                allow.remove.add(name);
            }
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
        let values: Vec<&[u8]> = template_context.headers.spelled(header).map(|h| h.value).collect();
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
        let dotted = ["x-tenant", "x_tenant", "x.tenant"].map(Box::<str>::from);
        assert_eq!(separator_variants("x.tenant").collect::<Vec<_>>(), dotted);
    }
}
