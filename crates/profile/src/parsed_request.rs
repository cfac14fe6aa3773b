//! From a request to the gate's question, in one pass. What Envoy's own route says wins over everything that
//! a client can send.

mod address;
mod credential;
mod request_id;

pub(crate) use address::ClientAddress;
pub(crate) use credential::{Conflict, Credential};
pub(crate) use request_id::RequestIds;

use std::borrow::Cow;

use latchkey_core::check_input::{
    CheckInput, Path, RateClassSelector, RequestedEnvironment, Resources, ScopeNames,
};
use latchkey_core::route::canonical;

use crate::hosts::canonical_host;
use crate::profile::Profile;
use crate::request::Request;
use crate::source::{SourceReader, SourceValue};

/// A request as it was read.
pub struct ParsedRequest<'a> {
    /// The gate's question.
    pub access: CheckInput<'a>,
    /// The request's identifier, fit for headers and logs.
    pub request_id: Cow<'a, str>,
}

/// Stands for a value that was sent twice or is no text: it names no tenant and no resource.
const UNMATCHABLE_NAME: &str = ",";

impl Profile {
    /// Reads a request.
    #[must_use]
    pub fn parse_request<'a>(&'a self, request: &'a Request<'_>) -> ParsedRequest<'a> {
        let reader = SourceReader::new(request);
        let rules = &self.rules;
        let access = CheckInput {
            credential: rules.credential.read(&reader),
            tenant: rules.tenant.as_ref().and_then(|source| single_name(reader.value(source))),
            environment: self.requested_environment(request),
            method: request.method,
            path: canonical(request.path).map_or(Path::NonCanonical, Path::Canonical),
            route_scopes: scopes(request),
            class: request
                .route_value("rate_class")
                .map_or(RateClassSelector::Route, RateClassSelector::Fixed),
            resource: self.resources(&reader),
            route_resource: route_resources(request),
            address: rules.address.of(request),
            ..CheckInput::default()
        };
        ParsedRequest { access, request_id: rules.request_ids.of(request) }
    }

    /// Who was connected to the Envoy that brought a request to our own port: by its word, where the document
    /// knows it; none where the request is whoever's that is connected to us.
    #[must_use]
    pub fn peer_of_envoy(&self, request: &Request<'_>) -> Option<std::net::IpAddr> {
        self.rules.address.peer_of_envoy(request)
    }

    /// The environment that a request goes to: Envoy's route says so, or the host does.
    fn requested_environment<'a>(&'a self, request: &'a Request<'_>) -> RequestedEnvironment<'a> {
        if let Some(name) = request.route_value("environment") {
            return RequestedEnvironment::Named(name);
        }
        let hosts = &self.rules.hosts;
        if hosts.is_empty() {
            return RequestedEnvironment::Any;
        }
        let host = canonical_host(request.host);
        // The first that was declared wins, however particular the others are.
        match hosts.matching(&host).min_by_key(|h| h.index) {
            None => RequestedEnvironment::Unknown,
            Some(host) => {
                host.environment.as_deref().map_or(RequestedEnvironment::Any, RequestedEnvironment::Named)
            }
        }
    }

    fn resources<'a>(&'a self, reader: &SourceReader<'a, '_>) -> Resources<'a> {
        let sources = self.rules.resources.iter();
        sources.filter_map(|(name, source)| Some((&**name, single_name(reader.value(source))?))).collect()
    }
}

/// What Envoy's route says is touched.
fn route_resources<'a>(request: &'a Request<'_>) -> Resources<'a> {
    let entries = request.context.iter();
    entries.filter_map(|(name, value)| Some((name.strip_prefix("resource.")?, *value))).collect()
}

/// A name that a request gives: one that nothing bears where it gives several.
fn single_name(found: SourceValue<'_>) -> Option<&str> {
    match found {
        SourceValue::Absent => None,
        SourceValue::Text(text) if !text.chars().any(char::is_control) => Some(text),
        SourceValue::Text(_) | SourceValue::Multiple | SourceValue::NotText => Some(UNMATCHABLE_NAME),
    }
}

/// The scopes that Envoy's route asks for, where it says any, in place of the document's.
fn scopes<'a>(request: &'a Request<'_>) -> Option<ScopeNames<'a>> {
    let (_, listed) = request.context.iter().find(|(name, _)| *name == "scopes")?;
    Some(listed.split(',').map(str::trim).filter(|s| !s.is_empty()).collect())
}
