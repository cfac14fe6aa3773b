//! Endpoints: HTTP calls that a product documents and that an RPC answers, by templates in its document. Values of
//! the HTTP request fill the RPC's request, and values of the RPC's response fill the HTTP response. Templates compute
//! nothing, and a value is never parsed as a template.

mod body;
mod call;
mod field;
mod field_names;
mod flaw;
mod parameters;
mod response;
mod unknown;

pub(crate) use body::{BodyField, OtherFields};
pub(crate) use call::{EndpointValues, is_too_long, rfc3339_millis};
pub(crate) use field::FieldTemplate;
pub(crate) use flaw::Flaw;
pub(crate) use parameters::OtherParameters;
pub(crate) use response::{CustomError, CustomErrors};
pub use response::{EndpointResponse, ErrorCode};

use std::collections::BTreeSet;

use latchkey_core::route::{Route, Routes, canonical};
use serde_json::Value;

use crate::contract::{ALTERNATIVES, Rpc};
use crate::profile::{HeaderTemplate, Profile};
use crate::request::Request;
use crate::template::{Escape, RenderInput, Template};
use crate::template_context::TemplateContext;

/// The endpoints of a product.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    pub(crate) routes: Routes,
    pub(crate) all: Vec<Endpoint>,
    pub(crate) errors: CustomErrors,
}

/// An endpoint of a product.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) rpc: &'static Rpc,
    pub(crate) body: Vec<BodyField>,
    pub(crate) other_fields: OtherFields,
    pub(crate) other_parameters: OtherParameters,
    pub(crate) fields: Vec<(&'static str, FieldTemplate)>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) escape: Escape,
    pub(crate) answer: Template,
    /// Template of an item of the RPC's list.
    pub(crate) item: Option<Template>,
}

/// The endpoint that a request matches.
#[derive(Clone, Copy, Debug)]
pub struct EndpointMatch<'a> {
    pub(crate) endpoint: &'a Endpoint,
}

/// Name of the profile whose endpoint calls an RPC, among the extensions of the call. The call is for tenants of this profile
/// alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointProfile(pub Box<str>);

/// Request to an RPC.
#[derive(Clone, Debug)]
pub struct RpcRequest {
    /// The RPC.
    pub rpc: &'static Rpc,
    /// The request message as JSON, with the names of the contract's fields.
    pub message: Value,
    body: Value,
}

impl EndpointMatch<'_> {
    /// Returns the RPC that answers the endpoint.
    #[must_use]
    pub fn rpc(&self) -> &'static Rpc {
        self.endpoint.rpc
    }
}

impl Profile {
    /// Returns true if the document has any endpoints.
    #[must_use]
    pub fn has_endpoints(&self) -> bool {
        !self.rules.endpoints.all.is_empty()
    }

    /// Returns the endpoint that a request matches. HEAD also matches the endpoint of GET; the caller omits the body.
    #[must_use]
    pub fn endpoint(&self, request: &Request<'_>) -> Option<EndpointMatch<'_>> {
        let (endpoint, _) = self.find_endpoint(request.method, request.path)?;
        Some(EndpointMatch { endpoint })
    }

    /// Returns the methods of all endpoints at a request's path; empty if there is no endpoint.
    #[must_use]
    pub fn allowed_methods(&self, request: &Request<'_>) -> BTreeSet<&str> {
        let routes = &self.rules.endpoints.routes;
        let all = (0..self.rules.endpoints.all.len()).filter_map(|index| routes.get(index));
        let declared = all.flat_map(|route| &route.methods).map(|method| &**method).chain(["HEAD"]);
        declared.filter(|method| self.find_endpoint(method, request.path).is_some()).collect()
    }

    fn find_endpoint(&self, method: &str, path: &str) -> Option<(&Endpoint, &Route)> {
        let endpoints = &self.rules.endpoints;
        let path = canonical(path).ok()?;
        let (index, route) = endpoints.routes.find(method, &path).found()?;
        Some((endpoints.all.get(index)?, route))
    }

    /// Returns true if an endpoint matches a method and a path, as it is and in canonical form. For `/keys;x`, a proxy finds
    /// no endpoint `/keys`, and forwards the request to the product's own service.
    pub(crate) fn has_endpoint_at(&self, method: &str, path: &str) -> bool {
        if !self.has_endpoints() {
            return false;
        }
        let sent = path.split('?').next().unwrap_or_default();
        let sent = sent.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(sent);
        let of = |path: &str| self.rules.endpoints.routes.find(method, path).found().map(|(index, _)| index);
        let found = canonical(path).ok().and_then(|path| of(&path));
        found.is_some() && found == of(sent)
    }

    /// Creates the request to the RPC. A value that is absent from the HTTP request leaves its field out; one that is
    /// there and cannot be used is a mistake, because without its field the call would do something else.
    ///
    /// # Errors
    ///
    /// Returns a sentence for each mistake in the query, the body and the headers.
    pub fn rpc_request(
        &self,
        matched: EndpointMatch<'_>,
        request: &Request<'_>,
        template_context: &TemplateContext<'_>,
    ) -> Result<RpcRequest, Vec<String>> {
        let Endpoint { body, other_fields, other_parameters, .. } = matched.endpoint;
        let mut mistakes = parameters::mistakes(other_parameters, request.query());
        let other_fields = match matched.endpoint.rpc.name {
            // Envoy's Check has decided about the request, whose body can be the product's own.
            "Check" if body.is_empty() => &OtherFields::Ignore,
            _ => other_fields,
        };
        let body = match body::body(body, other_fields, request.body.unwrap_or_default()) {
            Ok(body) => body,
            Err(others) => return Err([mistakes, others].concat()),
        };
        let path = canonical(request.path).unwrap_or_default();
        let route = self.find_endpoint(request.method, request.path).map(|(_, route)| route);
        let call = EndpointValues {
            route,
            resources: &self.rules.resources,
            ..EndpointValues::new(request, &path, &body)
        };
        let input = RenderInput {
            policy: &self.policy,
            template_context,
            denial: None,
            unknown_limits: self.rules.unknown_limits,
            call: Some(call),
        };
        let mut message = Value::Object(serde_json::Map::new());
        for (field, template) in &matched.endpoint.fields {
            if let Some(value) = template.value(matched.endpoint.rpc, field, &input, &mut mistakes) {
                set(&mut message, field, value);
            }
        }
        let name = self.request_field_name(matched, "scopes");
        mistakes.extend(field::empty_scopes(&name, matched.endpoint.rpc, &message, &self.policy));
        mistakes.extend(self.alternatives(matched, &message));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(RpcRequest { rpc: matched.endpoint.rpc, message, body })
    }

    /// Returns a sentence for each pair of fields that a message has and of which it can have one.
    fn alternatives(&self, matched: EndpointMatch<'_>, message: &Value) -> Vec<String> {
        let both = |(one, two): &&(&str, &str)| !message[*one].is_null() && !message[*two].is_null();
        let sentence = |(one, two): &(&str, &str)| {
            let (one, two) = (self.request_field_name(matched, one), self.request_field_name(matched, two));
            format!("{one} and {two} cannot be given together; send one of them.")
        };
        ALTERNATIVES.iter().filter(both).map(sentence).collect()
    }

    /// Renders the HTTP response from the RPC's response. `items` are the items of all pages of the RPC's list.
    #[must_use]
    pub fn endpoint_response(
        &self,
        matched: EndpointMatch<'_>,
        rpc_request: &RpcRequest,
        request: &Request<'_>,
        template_context: &TemplateContext<'_>,
        answer: &Value,
        items: &[Value],
    ) -> EndpointResponse<'_> {
        let path = canonical(request.path).unwrap_or_default();
        let route = self.find_endpoint(request.method, request.path).map(|(_, route)| route);
        let resources = &self.rules.resources;
        let values = EndpointValues::new(request, &path, &rpc_request.body);
        let call = EndpointValues { route, resources, answer, ..values };
        let input = |call| RenderInput {
            policy: &self.policy,
            template_context,
            denial: None,
            unknown_limits: self.rules.unknown_limits,
            call: Some(call),
        };
        let mut rendered_items = String::new();
        if let Some(template) = &matched.endpoint.item {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    rendered_items.push(',');
                }
                template.render(
                    &input(EndpointValues { item: Some(item), ..call }),
                    matched.endpoint.escape,
                    &mut rendered_items,
                );
            }
        }
        let call = EndpointValues { items: &rendered_items, ..call };
        self.render(matched, &input(call))
    }

    fn render(&self, matched: EndpointMatch<'_>, input: &RenderInput<'_>) -> EndpointResponse<'_> {
        let endpoint = self.rules.endpoints.all.iter().find(|e| std::ptr::eq(*e, matched.endpoint));
        let headers = endpoint.map(|e| response::headers(&e.headers, input)).unwrap_or_default();
        let mut body = String::new();
        matched.endpoint.answer.render(input, matched.endpoint.escape, &mut body);
        EndpointResponse { status: matched.endpoint.status, headers, body }
    }
}

/// Sets a field of a message by its path.
fn set(message: &mut Value, path: &str, value: Value) {
    let mut at = message;
    for part in path.split('.') {
        let Value::Object(fields) = at else { return };
        at = fields.entry(part).or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    *at = value;
}
