//! What the templates of an endpoint may speak of: the request's parts in what is asked, these and the answer's
//! in what is replied, and each as the RPC and the body declare them.

use latchkey_core::route::Pattern;

use crate::contract::{Field, FieldType, Rpc};
use crate::endpoint::BodyField;
use crate::reader::Text;
use crate::source::{Source, is_token};
use crate::template::{EndpointName, Name, NameResolver, Template};

/// Where an endpoint's values come from.
pub(super) struct NameSources<'p> {
    pub(super) pattern: Option<&'p Pattern>,
    pub(super) body: &'p [BodyField],
    pub(super) resources: &'p [(Box<str>, Source)],
    pub(super) rpc: Option<&'static Rpc>,
}

impl NameSources<'_> {
    /// What fills a field of the RPC.
    pub(super) fn request_template(&self, text: &Text<'_>) -> Option<Template> {
        template(
            text,
            &|word| self.request_name(word),
            "path.NAME, query.NAME, header.NAME, body.NAME, resource.NAME, ",
        )
    }

    /// The response's body.
    pub(super) fn response_template(&self, text: &Text<'_>) -> Option<Template> {
        let help = "answer.FIELD, items, now, path.NAME, query.NAME, header.NAME, body.NAME, resource.NAME, ";
        template(text, &|word| self.response_name(word).or_else(|| self.request_name(word)), help)
    }

    /// An item of the answer's list.
    pub(super) fn item_template(&self, text: &Text<'_>) -> Option<Template> {
        let item = |word: &str| {
            let (_, fields) = self.rpc?.list?;
            let (path, shape) = field(word.strip_prefix("item.")?, fields)?;
            Some(Name::Endpoint(EndpointName::Item(path, shape)))
        };
        template(text, &|word| item(word).or_else(|| self.request_name(word)), "item.FIELD, ")
    }

    fn request_name(&self, word: &str) -> Option<Name> {
        let (source, name) = word.split_once('.')?;
        let endpoint_name = match source {
            "path" => EndpointName::Path(self.pattern?.segment_index(name).map(|_| name.into())?),
            "query" if is_token(name) => EndpointName::Query(name.to_ascii_lowercase().into()),
            "header" if is_token(name) => EndpointName::Header(name.to_ascii_lowercase().into()),
            "resource" => {
                EndpointName::Resource(self.resources.iter().find(|(n, _)| **n == *name)?.0.clone())
            }
            "body" => {
                let field = self.body.iter().find(|field| *field.name == *name)?;
                EndpointName::Body(field.name.clone(), field.field_type)
            }
            _ => return None,
        };
        Some(Name::Endpoint(endpoint_name))
    }

    fn response_name(&self, word: &str) -> Option<Name> {
        let endpoint_name = match word {
            "now" => EndpointName::Now,
            "items" if self.rpc.is_some_and(|rpc| rpc.list.is_some()) => EndpointName::Items,
            _ => {
                let (path, shape) = field(word.strip_prefix("answer.")?, self.rpc?.response_fields)?;
                EndpointName::Answer(path, shape)
            }
        };
        Some(Name::Endpoint(endpoint_name))
    }
}

/// Whether a template is a list of the body and nothing else.
pub(super) fn is_body_list(template: &Template) -> bool {
    matches!(template.single_name(), Some(Name::Endpoint(EndpointName::Body(_, FieldType::TextList))))
}

/// What an error says.
pub(super) fn error_template(text: &Text<'_>) -> Option<Template> {
    let resolve = |word: &str| match word {
        "code" => Some(Name::Endpoint(EndpointName::Code)),
        "message" => Some(Name::Endpoint(EndpointName::Message)),
        _ => None,
    };
    template(text, &resolve, "code, message, ")
}

/// A field by its path, or what a map holds under a name.
fn field(word: &str, fields: &[Field]) -> Option<(Vec<Box<str>>, FieldType)> {
    let path = |name: &str| -> Vec<Box<str>> { name.split('.').map(Into::into).collect() };
    for (name, shape) in fields {
        if *shape == FieldType::Map {
            let Some(key) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let mut path = path(name);
            path.push(key.into());
            return Some((path, FieldType::Text));
        }
        if *name == word {
            return Some((path(name), *shape));
        }
    }
    None
}

fn template(text: &Text<'_>, resolve: &dyn Fn(&str) -> Option<Name>, help: &str) -> Option<Template> {
    match Template::parse_with_names(text, &NameResolver { resolve, help }) {
        Ok(template) => Some(template),
        Err(errors) => {
            for (byte, message) in errors {
                text.report_inside(byte, message);
            }
            None
        }
    }
}
