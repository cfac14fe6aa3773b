//! From a request to the gate's question, in one pass. What Envoy's own route says wins over everything that
//! a client can send.

mod address;
mod credential;
mod request_id;

pub(crate) use address::ClientAddress;
pub(crate) use credential::{Conflict, Credential};
pub(crate) use request_id::RequestIds;

use std::borrow::Cow;

use latchkey_core::access::{Access, ClassChoice, Names, Path, Resources, Target};
use latchkey_core::route::canonical;

use crate::hosts::canonical_host;
use crate::profile::Profile;
use crate::request::Request;
use crate::source::{Found, Looker};

/// A request as it was read.
pub struct Reading<'a> {
    /// The gate's question.
    pub access: Access<'a>,
    /// The request's identifier, fit for headers and logs.
    pub request_id: Cow<'a, str>,
}

/// Stands for a value that was sent twice or is no text: it names no tenant and no resource.
const NOBODY: &str = ",";

impl Profile {
    /// Reads a request.
    #[must_use]
    pub fn read<'a>(&'a self, request: &'a Request<'_>) -> Reading<'a> {
        let look = Looker::new(request);
        let customs = &self.customs;
        let access = Access {
            credential: customs.credential.read(&look),
            tenant: customs.tenant.as_ref().and_then(|source| named(look.find(source))),
            environment: self.target(request),
            method: request.method,
            path: canonical(request.path).map_or(Path::Unsafe, Path::Canonical),
            route_scopes: scopes(request),
            class: request.told("rate_class").map_or(ClassChoice::Route, ClassChoice::Always),
            resource: self.resources(&look),
            route_resource: routed(request),
            address: customs.address.of(request),
            ..Access::default()
        };
        Reading { access, request_id: customs.request_ids.of(request) }
    }

    /// Who was connected to the Envoy that brought a request to our own port: by its word, where the document
    /// knows it; none where the request is whoever's that is connected to us.
    #[must_use]
    pub fn envoys_peer(&self, request: &Request<'_>) -> Option<std::net::IpAddr> {
        self.customs.address.envoys_peer(request)
    }

    /// The environment that a request goes to: Envoy's route says so, or the host does.
    fn target<'a>(&'a self, request: &'a Request<'_>) -> Target<'a> {
        if let Some(name) = request.told("environment") {
            return Target::Named(name);
        }
        let hosts = &self.customs.hosts;
        if hosts.is_empty() {
            return Target::Any;
        }
        let host = canonical_host(request.host);
        // The first that was declared wins, however particular the others are.
        match hosts.matching(&host).min_by_key(|h| h.place) {
            None => Target::Unknown,
            Some(host) => host.environment.as_deref().map_or(Target::Any, Target::Named),
        }
    }

    fn resources<'a>(&'a self, look: &Looker<'a, '_>) -> Resources<'a> {
        let sources = self.customs.resources.iter();
        sources.filter_map(|(name, source)| Some((&**name, named(look.find(source))?))).collect()
    }
}

/// What Envoy's route says is touched.
fn routed<'a>(request: &'a Request<'_>) -> Resources<'a> {
    let told = request.context.iter();
    told.filter_map(|(name, value)| Some((name.strip_prefix("resource.")?, *value))).collect()
}

/// A name that a request gives: one that nothing bears where it gives several.
fn named(found: Found<'_>) -> Option<&str> {
    match found {
        Found::Absent => None,
        Found::Text(text) if !text.chars().any(char::is_control) => Some(text),
        Found::Text(_) | Found::Several | Found::Unreadable => Some(NOBODY),
    }
}

/// The scopes that Envoy's route asks for, where it says any, in place of the document's.
fn scopes<'a>(request: &'a Request<'_>) -> Option<Names<'a>> {
    let (_, listed) = request.context.iter().find(|(name, _)| *name == "scopes")?;
    Some(listed.split(',').map(str::trim).filter(|s| !s.is_empty()).collect())
}
