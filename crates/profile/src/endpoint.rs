//! Endpoints: HTTP calls that a product documents and that an RPC answers, by templates in its document. What a
//! request brings fills the RPC's fields; what the RPC answers fills the response. Nothing is computed, and
//! nothing that a request or an answer holds is ever read as template text.

mod call;
mod response;

pub(crate) use call::{BodyField, EndpointValues};
pub(crate) use response::{CustomError, CustomErrors};
pub use response::{EndpointResponse, ErrorCode};

use std::collections::BTreeSet;

use latchkey_core::route::{Route, Routes, canonical};
use serde_json::Value;

use crate::contract::{FieldType, Rpc};
use crate::profile::{HeaderTemplate, Profile};
use crate::request::Request;
use crate::template::{EndpointName, Escape, Name, RenderInput, Template};
use crate::template_context::TemplateContext;

/// The endpoints of a product.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    pub(crate) routes: Routes,
    pub(crate) all: Vec<Endpoint>,
    pub(crate) errors: CustomErrors,
}

/// One of them.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) rpc: &'static Rpc,
    pub(crate) body: Vec<BodyField>,
    pub(crate) fields: Vec<(&'static str, FieldTemplate)>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) escape: Escape,
    pub(crate) answer: Template,
    /// How each item of the RPC's list is written.
    pub(crate) item: Option<Template>,
}

/// What a field of an RPC is filled with. Where a value in it is empty, the field is left out.
#[derive(Debug)]
pub(crate) enum FieldTemplate {
    Single(Template, FieldType),
    /// A list of the body, as it is.
    BodyList(Template),
    List(Vec<Template>),
    Map(Vec<(Box<str>, Template)>),
}

/// An endpoint that a request is for.
#[derive(Clone, Copy, Debug)]
pub struct EndpointMatch<'a> {
    pub(crate) endpoint: &'a Endpoint,
}

/// What to ask an RPC.
#[derive(Clone, Debug)]
pub struct RpcRequest {
    /// Which.
    pub rpc: &'static Rpc,
    /// Its message, with the fields' own names.
    pub message: Value,
    body: Value,
}

impl EndpointMatch<'_> {
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
        !self.rules.endpoints.all.is_empty()
    }

    /// The endpoint that a request is for. Where none is for HEAD, it is the GET's, whose body isn't sent.
    #[must_use]
    pub fn endpoint(&self, request: &Request<'_>) -> Option<EndpointMatch<'_>> {
        let (endpoint, _) = self.find_endpoint(request.method, request.path)?;
        Some(EndpointMatch { endpoint })
    }

    /// The methods that endpoints take at a request's path; none where no endpoint is there.
    #[must_use]
    pub fn allowed_methods(&self, request: &Request<'_>) -> BTreeSet<&str> {
        let routes = &self.rules.endpoints.routes;
        let all = (0..self.rules.endpoints.all.len()).filter_map(|number| routes.get(number));
        let declared = all.flat_map(|route| &route.methods).map(|method| &**method).chain(["HEAD"]);
        declared.filter(|method| self.find_endpoint(method, request.path).is_some()).collect()
    }

    fn find_endpoint(&self, method: &str, path: &str) -> Option<(&Endpoint, &Route)> {
        let endpoints = &self.rules.endpoints;
        let path = canonical(path).ok()?;
        let find = |method: &str| endpoints.routes.find(method, &path);
        let (number, route) = find(method).or_else(|| find((method == "HEAD").then_some("GET")?))?;
        Some((endpoints.all.get(number)?, route))
    }

    /// Whether a request is for an endpoint.
    pub(crate) fn has_endpoint_at(&self, method: &str, path: &str) -> bool {
        self.has_endpoints() && self.find_endpoint(method, path).is_some()
    }

    /// What to ask the RPC; or everything that is wrong with the body, in sentences.
    pub fn rpc_request(
        &self,
        at: EndpointMatch<'_>,
        request: &Request<'_>,
        template_context: &TemplateContext<'_>,
    ) -> Result<RpcRequest, Vec<String>> {
        let body = call::body(&at.endpoint.body, request.body.unwrap_or_default())?;
        let path = canonical(request.path).unwrap_or_default();
        let route = self.find_endpoint(request.method, request.path).map(|(_, route)| route);
        let call = EndpointValues {
            route,
            resources: &self.rules.resources,
            ..EndpointValues::new(request, &path, &body)
        };
        let input = RenderInput { policy: &self.policy, template_context, denial: None, call: Some(call) };
        let mut message = Value::Object(serde_json::Map::new());
        for (field, template) in &at.endpoint.fields {
            if let Some(value) = template.value(&input) {
                set(&mut message, field, value);
            }
        }
        Ok(RpcRequest { rpc: at.endpoint.rpc, message, body })
    }

    /// The response to what the RPC answered; items of a list are those of every page.
    #[must_use]
    pub fn endpoint_response(
        &self,
        (at, ask): (EndpointMatch<'_>, &RpcRequest),
        request: &Request<'_>,
        template_context: &TemplateContext<'_>,
        (answer, items): (&Value, &[Value]),
    ) -> EndpointResponse<'_> {
        let path = canonical(request.path).unwrap_or_default();
        let route = self.find_endpoint(request.method, request.path).map(|(_, route)| route);
        let resources = &self.rules.resources;
        let call =
            EndpointValues { route, resources, answer, ..EndpointValues::new(request, &path, &ask.body) };
        let input =
            |call| RenderInput { policy: &self.policy, template_context, denial: None, call: Some(call) };
        let mut rendered_items = String::new();
        if let Some(template) = &at.endpoint.item {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    rendered_items.push(',');
                }
                template.render(
                    &input(EndpointValues { item: Some(item), ..call }),
                    at.endpoint.escape,
                    &mut rendered_items,
                );
            }
        }
        let call = EndpointValues { items: &rendered_items, ..call };
        self.render(at, &input(call))
    }

    fn render(&self, at: EndpointMatch<'_>, input: &RenderInput<'_>) -> EndpointResponse<'_> {
        let endpoint = self.rules.endpoints.all.iter().find(|e| std::ptr::eq(*e, at.endpoint));
        let headers = endpoint.map(|e| response::headers(&e.headers, input)).unwrap_or_default();
        let mut body = String::new();
        at.endpoint.answer.render(input, at.endpoint.escape, &mut body);
        EndpointResponse { status: at.endpoint.status, headers, body }
    }

    /// What the request calls a field of the RPC: the name in its body that the field is filled with.
    #[must_use]
    pub fn request_field_name<'a>(&self, at: EndpointMatch<'a>, field: &'a str) -> &'a str {
        let word = |template: &'a FieldTemplate| match template {
            FieldTemplate::Single(template, _) | FieldTemplate::BodyList(template) => {
                match template.single_name() {
                    Some(Name::Endpoint(EndpointName::Body(name, _))) => Some(&**name),
                    Some(_) | None => None,
                }
            }
            FieldTemplate::List(_) | FieldTemplate::Map(_) => None,
        };
        let plain = field.split('[').next().unwrap_or(field);
        let filled = at.endpoint.fields.iter().find(|(name, _)| *name == plain);
        filled.and_then(|(_, template)| word(template)).unwrap_or(field)
    }
}

impl FieldTemplate {
    fn value(&self, input: &RenderInput<'_>) -> Option<Value> {
        match self {
            Self::Single(template, field_type) => {
                let text = template.render_if_complete(input)?;
                match field_type {
                    // What is no duration goes as it is, to be refused; left out, it would mean "for ever".
                    FieldType::Duration => Some(
                        call::seconds(&text).map_or_else(|| text.into(), |s| Value::from(format!("{s}s"))),
                    ),
                    FieldType::Text
                    | FieldType::TextList
                    | FieldType::Map
                    | FieldType::Time
                    | FieldType::Number => Some(text.into()),
                }
            }
            Self::BodyList(template) => match (template.single_name(), &input.call) {
                (Some(Name::Endpoint(EndpointName::Body(name, _))), Some(call)) => {
                    call.body.get(&**name).cloned()
                }
                (Some(_) | None, _) => None,
            },
            Self::List(templates) => {
                let texts: Vec<Value> =
                    templates.iter().filter_map(|t| t.render_if_complete(input)).map(Value::from).collect();
                (!texts.is_empty()).then(|| texts.into())
            }
            Self::Map(templates) => {
                let named = templates
                    .iter()
                    .filter_map(|(n, t)| Some((n.to_string(), t.render_if_complete(input)?.into())));
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
