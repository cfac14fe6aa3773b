//! Endpoints: HTTP calls that a product documents and that an RPC answers, by templates in its document. What a
//! request brings fills the RPC's fields; what the RPC answers fills the response. Nothing is computed, and
//! nothing that a request or an answer holds is ever read as template text.

mod call;
mod reply;

pub(crate) use call::{BodyField, Call};
pub use reply::{Code, Reply};
pub(crate) use reply::{OwnError, OwnErrors};

use std::collections::BTreeSet;

use latchkey_core::route::{Route, Routes, canonical};
use serde_json::Value;

use crate::contract::{Rpc, Shape};
use crate::facts::Facts;
use crate::profile::{HeaderTemplate, Profile};
use crate::request::Request;
use crate::template::{Called, Escape, Name, Template, View};

/// The endpoints of a product.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    pub(crate) routes: Routes,
    pub(crate) all: Vec<Endpoint>,
    pub(crate) errors: OwnErrors,
}

/// One of them.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) rpc: &'static Rpc,
    pub(crate) body: Vec<BodyField>,
    pub(crate) fields: Vec<(&'static str, Filling)>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) escape: Escape,
    pub(crate) answer: Template,
    /// How each item of the RPC's list is written.
    pub(crate) item: Option<Template>,
}

/// What a field of an RPC is filled with. Where a value in it is empty, the field is left out.
#[derive(Debug)]
pub(crate) enum Filling {
    One(Template, Shape),
    /// A list of the body, as it is.
    List(Template),
    Each(Vec<Template>),
    Named(Vec<(Box<str>, Template)>),
}

/// An endpoint that a request is for.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'a> {
    pub(crate) endpoint: &'a Endpoint,
}

/// What to ask an RPC.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which.
    pub rpc: &'static Rpc,
    /// Its message, with the fields' own names.
    pub message: Value,
    body: Value,
}

impl Matched<'_> {
    /// The RPC that answers it.
    #[must_use]
    pub fn rpc(&self) -> &'static Rpc {
        self.endpoint.rpc
    }
}

impl Profile {
    /// Whether the document has any endpoints.
    #[must_use]
    pub fn has_endpoints(&self) -> bool {
        !self.customs.endpoints.all.is_empty()
    }

    /// The endpoint that a request is for. Where none is for HEAD, it is the GET's, whose body isn't sent.
    #[must_use]
    pub fn endpoint(&self, request: &Request<'_>) -> Option<Matched<'_>> {
        let (endpoint, _) = self.place(request.method, request.path)?;
        Some(Matched { endpoint })
    }

    /// The methods that endpoints take at a request's path; none where no endpoint is there.
    #[must_use]
    pub fn methods(&self, request: &Request<'_>) -> BTreeSet<&str> {
        let routes = &self.customs.endpoints.routes;
        let all = (0..self.customs.endpoints.all.len()).filter_map(|number| routes.get(number));
        let declared = all.flat_map(|route| &route.methods).map(|method| &**method).chain(["HEAD"]);
        declared.filter(|method| self.place(method, request.path).is_some()).collect()
    }

    fn place(&self, method: &str, path: &str) -> Option<(&Endpoint, &Route)> {
        let endpoints = &self.customs.endpoints;
        let path = canonical(path).ok()?;
        let find = |method: &str| endpoints.routes.find(method, &path);
        let (number, route) = find(method).or_else(|| find((method == "HEAD").then_some("GET")?))?;
        Some((endpoints.all.get(number)?, route))
    }

    /// Whether a request is for an endpoint.
    pub(crate) fn answers(&self, method: &str, path: &str) -> bool {
        self.has_endpoints() && self.place(method, path).is_some()
    }

    /// What to ask the RPC; or everything that is wrong with the body, in sentences.
    pub fn ask(&self, at: Matched<'_>, request: &Request<'_>, facts: &Facts<'_>) -> Result<Ask, Vec<String>> {
        let body = call::body(&at.endpoint.body, request.body.unwrap_or_default())?;
        let path = canonical(request.path).unwrap_or_default();
        let route = self.place(request.method, request.path).map(|(_, route)| route);
        let call = Call { route, resources: &self.customs.resources, ..Call::new(request, &path, &body) };
        let view = View { policy: &self.policy, facts, denial: None, call: Some(call) };
        let mut message = Value::Object(serde_json::Map::new());
        for (field, filling) in &at.endpoint.fields {
            if let Some(value) = filling.value(&view) {
                set(&mut message, field, value);
            }
        }
        Ok(Ask { rpc: at.endpoint.rpc, message, body })
    }

    /// The response to what the RPC answered; items of a list are those of every page.
    #[must_use]
    pub fn reply(
        &self,
        (at, ask): (Matched<'_>, &Ask),
        request: &Request<'_>,
        facts: &Facts<'_>,
        (answer, items): (&Value, &[Value]),
    ) -> Reply<'_> {
        let path = canonical(request.path).unwrap_or_default();
        let route = self.place(request.method, request.path).map(|(_, route)| route);
        let resources = &self.customs.resources;
        let call = Call { route, resources, answer, ..Call::new(request, &path, &ask.body) };
        let view = |call| View { policy: &self.policy, facts, denial: None, call: Some(call) };
        let mut listed = String::new();
        if let Some(template) = &at.endpoint.item {
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    listed.push(',');
                }
                template.render(&view(Call { item: Some(item), ..call }), at.endpoint.escape, &mut listed);
            }
        }
        let call = Call { items: &listed, ..call };
        self.render(at, &view(call))
    }

    fn render(&self, at: Matched<'_>, view: &View<'_>) -> Reply<'_> {
        let endpoint = self.customs.endpoints.all.iter().find(|e| std::ptr::eq(*e, at.endpoint));
        let headers = endpoint.map(|e| reply::headers(&e.headers, view)).unwrap_or_default();
        let mut body = String::new();
        at.endpoint.answer.render(view, at.endpoint.escape, &mut body);
        Reply { status: at.endpoint.status, headers, body }
    }

    /// What the request calls a field of the RPC: the name in its body that the field is filled with.
    #[must_use]
    pub fn word_for<'a>(&self, at: Matched<'a>, field: &'a str) -> &'a str {
        let word = |filling: &'a Filling| match filling {
            Filling::One(template, _) | Filling::List(template) => match template.name() {
                Some(Name::Called(Called::Body(name, _))) => Some(&**name),
                Some(_) | None => None,
            },
            Filling::Each(_) | Filling::Named(_) => None,
        };
        let plain = field.split('[').next().unwrap_or(field);
        let filled = at.endpoint.fields.iter().find(|(name, _)| *name == plain);
        filled.and_then(|(_, filling)| word(filling)).unwrap_or(field)
    }
}

impl Filling {
    fn value(&self, view: &View<'_>) -> Option<Value> {
        match self {
            Self::One(template, shape) => {
                let text = template.whole(view)?;
                match shape {
                    // What is no duration goes as it is, to be refused; left out, it would mean "for ever".
                    Shape::Duration => Some(
                        call::seconds(&text).map_or_else(|| text.into(), |s| Value::from(format!("{s}s"))),
                    ),
                    Shape::Text | Shape::Texts | Shape::Map | Shape::Time | Shape::Number => {
                        Some(text.into())
                    }
                }
            }
            Self::List(template) => match (template.name(), &view.call) {
                (Some(Name::Called(Called::Body(name, _))), Some(call)) => call.body.get(&**name).cloned(),
                (Some(_) | None, _) => None,
            },
            Self::Each(templates) => {
                let texts: Vec<Value> =
                    templates.iter().filter_map(|t| t.whole(view)).map(Value::from).collect();
                (!texts.is_empty()).then(|| texts.into())
            }
            Self::Named(templates) => {
                let named =
                    templates.iter().filter_map(|(n, t)| Some((n.to_string(), t.whole(view)?.into())));
                let named: serde_json::Map<String, Value> = named.collect();
                (!named.is_empty()).then(|| named.into())
            }
        }
    }
}

/// Sets a field by its path.
fn set(message: &mut Value, path: &str, value: Value) {
    let mut at = message;
    for part in path.split('.') {
        let Value::Object(fields) = at else { return };
        at = fields.entry(part).or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    *at = value;
}
