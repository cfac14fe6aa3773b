//! Names of the fields of an RPC's request in the HTTP request, for its errors.

use std::borrow::Cow;

use super::flaw::label;
use super::{EndpointMatch, FieldTemplate};
use crate::profile::Profile;
use crate::template::{EndpointName, Name, Template};

impl Profile {
    /// Returns the part of the HTTP request that fills a field of the RPC: a field of the body by its name, everything
    /// else with the place that it is in (`header x-shop`). Returns the RPC's own name if nothing of the request fills
    /// the field. The index of a list's entry is kept.
    #[must_use]
    pub fn request_field_name<'a>(&self, matched: EndpointMatch<'a>, field: &'a str) -> Cow<'a, str> {
        let (plain, entry) = field.split_at(field.find('[').unwrap_or(field.len()));
        let filled = matched.endpoint.fields.iter().find(|(name, _)| *name == plain);
        let name_of = |template: &Template| {
            let name = sent_name(template)?;
            Some(label(name, &self.rules.resources))
        };
        let name = match filled.map(|(_, template)| template) {
            None | Some(FieldTemplate::Flag(_)) => None,
            Some(FieldTemplate::Single(template, _)) => name_of(template),
            Some(FieldTemplate::BodyList(template)) => name_of(template).map(|name| format!("{name}{entry}")),
            Some(FieldTemplate::List(templates)) => {
                let index = entry.trim_matches(['[', ']']).parse::<usize>();
                index.ok().and_then(|index| name_of(templates.get(index)?))
            }
            Some(FieldTemplate::Map(templates)) => {
                let key = entry.trim_matches(['[', ']', '"']);
                let named = templates.iter().filter(|(name, _)| key.is_empty() || **name == *key);
                let mut names = named.filter_map(|(_, template)| name_of(template));
                names.next().filter(|_| names.next().is_none())
            }
        };
        name.map_or(Cow::Borrowed(field), Cow::Owned)
    }
}

/// Returns the name of the part of the HTTP request that a template is filled with, if there is one.
fn sent_name(template: &Template) -> Option<&EndpointName> {
    match template.only_name() {
        Some(Name::Endpoint(name)) => match name {
            EndpointName::Body(..)
            | EndpointName::Query(_)
            | EndpointName::Header(_)
            | EndpointName::Path(_)
            | EndpointName::Resource(_) => Some(name),
            EndpointName::Answer(..)
            | EndpointName::Item(..)
            | EndpointName::Items
            | EndpointName::Code
            | EndpointName::Message
            | EndpointName::Status
            | EndpointName::StatusText => None,
        },
        Some(_) | None => None,
    }
}
