//! What the templates of an endpoint may speak of: the request's parts in what is asked, these and the answer's
//! in what is replied, and each as the RPC and the body declare them.

use latchkey_core::route::Pattern;

use crate::contract::{Field, Rpc, Shape};
use crate::endpoint::BodyField;
use crate::reader::Text;
use crate::source::{Source, is_token};
use crate::template::{Called, Name, Names, Template};

/// Where an endpoint's values come from.
pub(super) struct Places<'p> {
    pub(super) pattern: Option<&'p Pattern>,
    pub(super) body: &'p [BodyField],
    pub(super) resources: &'p [(Box<str>, Source)],
    pub(super) rpc: Option<&'static Rpc>,
}

impl Places<'_> {
    /// What fills a field of the RPC.
    pub(super) fn asked(&self, text: &Text<'_>) -> Option<Template> {
        template(
            text,
            &|word| self.sent(word),
            "path.NAME, query.NAME, header.NAME, body.NAME, resource.NAME, ",
        )
    }

    /// The response's body.
    pub(super) fn answer(&self, text: &Text<'_>) -> Option<Template> {
        let told = "answer.FIELD, items, now, path.NAME, query.NAME, header.NAME, body.NAME, resource.NAME, ";
        template(text, &|word| self.replied(word).or_else(|| self.sent(word)), told)
    }

    /// An item of the answer's list.
    pub(super) fn item(&self, text: &Text<'_>) -> Option<Template> {
        let item = |word: &str| {
            let (_, fields) = self.rpc?.list?;
            let (path, shape) = field(word.strip_prefix("item.")?, fields)?;
            Some(Name::Called(Called::Item(path, shape)))
        };
        template(text, &|word| item(word).or_else(|| self.sent(word)), "item.FIELD, ")
    }

    fn sent(&self, word: &str) -> Option<Name> {
        let (place, name) = word.split_once('.')?;
        let called = match place {
            "path" => Called::Path(self.pattern?.place(name).map(|_| name.into())?),
            "query" if is_token(name) => Called::Query(name.to_ascii_lowercase().into()),
            "header" if is_token(name) => Called::Header(name.to_ascii_lowercase().into()),
            "resource" => Called::Resource(self.resources.iter().find(|(n, _)| **n == *name)?.0.clone()),
            "body" => {
                let field = self.body.iter().find(|field| *field.name == *name)?;
                Called::Body(field.name.clone(), field.shape)
            }
            _ => return None,
        };
        Some(Name::Called(called))
    }

    fn replied(&self, word: &str) -> Option<Name> {
        let called = match word {
            "now" => Called::Now,
            "items" if self.rpc.is_some_and(|rpc| rpc.list.is_some()) => Called::Items,
            _ => {
                let (path, shape) = field(word.strip_prefix("answer.")?, self.rpc?.answered)?;
                Called::Answer(path, shape)
            }
        };
        Some(Name::Called(called))
    }
}

/// Whether a template is a list of the body and nothing else.
pub(super) fn is_body_list(template: &Template) -> bool {
    matches!(template.name(), Some(Name::Called(Called::Body(_, Shape::Texts))))
}

/// What an error says.
pub(super) fn error(text: &Text<'_>) -> Option<Template> {
    let own = |word: &str| match word {
        "code" => Some(Name::Called(Called::Code)),
        "message" => Some(Name::Called(Called::Message)),
        _ => None,
    };
    template(text, &own, "code, message, ")
}

/// A field by its path, or what a map holds under a name.
fn field(word: &str, fields: &[Field]) -> Option<(Vec<Box<str>>, Shape)> {
    let path = |name: &str| -> Vec<Box<str>> { name.split('.').map(Into::into).collect() };
    for (name, shape) in fields {
        if *shape == Shape::Map {
            let Some(key) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let mut path = path(name);
            path.push(key.into());
            return Some((path, Shape::Text));
        }
        if *name == word {
            return Some((path(name), *shape));
        }
    }
    None
}

fn template(text: &Text<'_>, own: &dyn Fn(&str) -> Option<Name>, told: &str) -> Option<Template> {
    match Template::parse_with(text, &Names { own, told }) {
        Ok(template) => Some(template),
        Err(mistakes) => {
            for (byte, message) in mistakes {
                text.refuse_inside(byte, message);
            }
            None
        }
    }
}
