//! Names in the templates of an endpoint. Templates of the RPC's request may use parts of the HTTP request.
//! Templates of the HTTP response may also use the RPC's response. Types are those of the RPC and the body.

use latchkey_core::route::Pattern;

use crate::contract::{Field, FieldType, Rpc};
use crate::endpoint::BodyField;
use crate::reader::Text;
use crate::source::{Source, is_token};
use crate::template::{EndpointName, Name, NameResolver, Template};

/// Declarations that the names in an endpoint's templates refer to.
pub(super) struct NameSources<'p> {
    pub(super) pattern: Option<&'p Pattern>,
    pub(super) body: &'p [BodyField],
    pub(super) resources: &'p [(Box<str>, Source)],
    pub(super) rpc: Option<&'static Rpc>,
}

impl NameSources<'_> {
    /// Compiles the template of a field of the RPC's request.
    pub(super) fn request_template(&self, text: &Text<'_>) -> Option<Template> {
        template(
            text,
            &|word| self.request_name(word),
            "path.NAME, query.NAME, header.NAME, body.NAME, resource.NAME, ",
        )
    }

    /// Compiles the template of the response body.
    pub(super) fn response_template(&self, text: &Text<'_>) -> Option<Template> {
        let help = "answer.FIELD, items, path.NAME, query.NAME, header.NAME, body.NAME, resource.NAME, ";
        template(text, &|word| self.response_name(word).or_else(|| self.request_name(word)), help)
    }

    /// Compiles the template of an item of the response's list.
    pub(super) fn item_template(&self, text: &Text<'_>) -> Option<Template> {
        let item = |word: &str| {
            let (_, fields) = self.rpc?.list?;
            let (path, field_type) = field(word.strip_prefix("item.")?, fields)?;
            Some(Name::Endpoint(EndpointName::Item(path, field_type)))
        };
        template(text, &|word| item(word).or_else(|| self.request_name(word)), "item.FIELD, ")
    }

    fn request_name(&self, word: &str) -> Option<Name> {
        let (source, name) = word.split_once('.')?;
        let endpoint_name = match source {
            "path" => EndpointName::Path(self.pattern?.place(name).map(|_| name.into())?),
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
            "items" if self.rpc.is_some_and(|rpc| rpc.list.is_some()) => EndpointName::Items,
            _ => {
                let (path, field_type) = field(word.strip_prefix("answer.")?, self.rpc?.response_fields)?;
                EndpointName::Answer(path, field_type)
            }
        };
        Some(Name::Endpoint(endpoint_name))
    }
}

/// Returns true if the template consists of a list of the body and nothing else.
pub(super) fn is_body_list(template: &Template) -> bool {
    matches!(template.single_name(), Some(Name::Endpoint(EndpointName::Body(_, FieldType::TextList))))
}

/// Compiles the template of an error's body.
pub(super) fn error_template(text: &Text<'_>) -> Option<Template> {
    let resolve = |word: &str| match word {
        "code" => Some(Name::Endpoint(EndpointName::Code)),
        "message" => Some(Name::Endpoint(EndpointName::Message)),
        "status" => Some(Name::Endpoint(EndpointName::Status)),
        "status_text" => Some(Name::Endpoint(EndpointName::StatusText)),
        _ => None,
    };
    template(text, &resolve, "code, message, status, status_text, ")
}

/// Returns path and type of a field, or of an entry of a map.
fn field(word: &str, fields: &[Field]) -> Option<(Vec<Box<str>>, FieldType)> {
    let path = |name: &str| -> Vec<Box<str>> { name.split('.').map(Into::into).collect() };
    for (name, field_type) in fields {
        if *field_type == FieldType::Map {
            let Some(key) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let mut path = path(name);
            path.push(key.into());
            return Some((path, FieldType::Text));
        }
        if *name == word {
            return Some((path(name), *field_type));
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
