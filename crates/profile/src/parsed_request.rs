//! Reads a request as input of the gate, in one pass. Values from Envoy's route take precedence over all values that a
//! client can send.

mod address;
mod credential;
mod request_id;
mod route_values;

pub(crate) use address::ClientAddress;
pub use credential::management_credential;
pub(crate) use credential::{Conflict, Credential};
pub(crate) use request_id::RequestIds;
pub(crate) use route_values::{mistake, resource_names};

use std::borrow::Cow;

use latchkey_core::check_input::{CheckInput, RateClassSelector, RequestedEnvironment, Resources};
use latchkey_core::route;

use crate::profile::Profile;
use crate::request::Request;
use crate::source::{SourceReader, SourceValue};

/// Values that were read from a request.
pub struct ParsedRequest<'a> {
    /// Input of the gate.
    pub access: CheckInput<'a>,
    /// The request's identifier, safe for headers and logs.
    pub request_id: Cow<'a, str>,
}

/// Replacement for a name that was sent twice or is not a text. No tenant and no resource can have this name.
const UNMATCHABLE_NAME: &str = ",";

impl Profile {
    /// Reads a request as input of the gate.
    #[must_use]
    pub fn parse_request<'a>(&'a self, request: &'a Request<'_>) -> ParsedRequest<'a> {
        let reader = SourceReader::new(request);
        let rules = &self.rules;
        ParsedRequest {
            request_id: rules.request_ids.of(request),
            access: CheckInput {
                credential: rules.credential.read(&reader),
                tenant: rules.tenant.as_ref().and_then(|source| tenant(reader.value(source))),
                environment: self.requested_environment(request),
                method: request.method,
                path: route::parse(request.path),
                route_scopes: route_values::scopes(request),
                class: request
                    .route_value("rate_class")
                    .map_or(RateClassSelector::Route, RateClassSelector::Fixed),
                resource: self.resources(&reader),
                route_resource: route_values::resources(request),
                route_mistake: mistake(request, &rules.resource_names),
                address: rules.address.of(request),
                ..CheckInput::default()
            },
        }
    }

    /// Returns the address of the peer of the Envoy that forwarded a request to Latchkey's own HTTP port, if the
    /// document lists that Envoy. Returns `None` if the request did not come through such an Envoy.
    #[must_use]
    pub fn peer_of_envoy(&self, request: &Request<'_>) -> Option<std::net::IpAddr> {
        self.rules.address.peer_of_envoy(request)
    }

    /// Returns the environment that a request is for, by Envoy's route or by the host. A host that proxies read
    /// differently is invalid even where Envoy's route names the environment.
    fn requested_environment<'a>(&'a self, request: &'a Request<'_>) -> RequestedEnvironment<'a> {
        let host = request.host.canonical();
        if host.is_none() && !request.host.sent().is_empty() {
            return RequestedEnvironment::InvalidHost;
        }
        if let Some(name) = request.route_value("environment") {
            return RequestedEnvironment::Named(name);
        }
        let hosts = &self.rules.hosts;
        if hosts.is_empty() {
            return RequestedEnvironment::Any;
        }
        // The first declared host that matches is used, even if another one is more specific.
        match hosts.matching(host.unwrap_or_default()).min_by_key(|h| h.index) {
            None => RequestedEnvironment::UnknownHost,
            Some(host) => {
                host.environment.as_deref().map_or(RequestedEnvironment::Any, RequestedEnvironment::Named)
            }
        }
    }

    fn resources<'a>(&'a self, reader: &SourceReader<'a, '_>) -> Resources<'a> {
        let sources = self.rules.resources.iter();
        sources.filter_map(|(name, source)| Some((&**name, resource(reader.value(source))?))).collect()
    }
}

/// Returns the tenant that a request names; a value that is not exactly one text becomes a name that no tenant
/// has.
fn tenant(value: SourceValue<'_>) -> Option<&str> {
    if value == SourceValue::Empty { None } else { resource(value) }
}

/// Returns the resource that a request names. An empty name becomes a name that no resource has.
fn resource(value: SourceValue<'_>) -> Option<&str> {
    match value {
        SourceValue::Absent => None,
        SourceValue::Text(text) if !text.chars().any(char::is_control) => Some(text),
        SourceValue::Text(_)
        | SourceValue::Empty
        | SourceValue::Multiple
        | SourceValue::NotText
        | SourceValue::Unreadable => Some(UNMATCHABLE_NAME),
    }
}
