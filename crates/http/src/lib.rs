//! HTTP endpoints that a product's profile declares, served by the RPCs of `latchkey.v1`. The profile maps the
//! request to an RPC and renders the response, the gate decides whether the request is allowed, and the RPC does
//! the work behind its own authorization. This crate makes none of these decisions.

mod request;
mod rpc;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::HeaderName};
use http_body_util::Full;
use latchkey_core::check_input::{CheckInput, PresentedCredential};
use latchkey_core::decision::{Decision, DecisionContext, Denial};
use latchkey_core::error::SystemError;
use latchkey_core::gate::Gate;
use latchkey_core::observer::{CheckEvent, CheckObserver, CheckOutcome, Entrypoint, NoMetadata};
use latchkey_core::ports::Limiter;
use latchkey_core::reason::Reason;
use latchkey_core::time::Clock;
use latchkey_profile::{
    Catalog, EndpointMatch, EndpointResponse, ErrorCode, ParsedRequest, Profile, Request, TemplateContext,
};
use serde_json::Value;
use tonic::service::Routes;

use crate::request::{BodyError, IncomingRequest};
use crate::rpc::RpcCaller;

/// Dependencies of an [`EndpointService`].
pub struct EndpointServiceParts<L> {
    /// Gate that decides about each request.
    pub gate: Arc<Gate<L>>,
    /// Profiles in force.
    pub catalog: Arc<Catalog>,
    /// Source of the current time.
    pub clock: Arc<dyn Clock>,
    /// True when the replica is ready. Until then, every endpoint responds with the error `Unavailable`.
    pub ready: Arc<AtomicBool>,
    /// Services of `latchkey.v1`, the same that gRPC callers reach.
    pub services: Routes,
    /// Observer that gets an event for each decision of the gate.
    pub observer: Arc<dyn CheckObserver>,
}

/// Serves the HTTP endpoints of all products. One instance is shared by all connections.
pub struct EndpointService<L> {
    parts: EndpointServiceParts<L>,
}

/// Response with its whole body in memory.
pub type HttpResponse = Response<Full<Bytes>>;

/// Request for an endpoint, with its profile and its parsed form.
struct EndpointCall<'a, 'q, 'r> {
    profile: &'a Profile,
    endpoint: EndpointMatch<'a>,
    request: &'a Request<'q>,
    parsed: &'a ParsedRequest<'r>,
}

impl<L: Limiter> EndpointService<L> {
    /// Creates a service from its dependencies.
    #[must_use]
    pub fn new(parts: EndpointServiceParts<L>) -> Self {
        Self { parts }
    }

    /// Serves a request. Returns `None` if the request belongs to no profile that has endpoints.
    pub async fn serve<B>(&self, request: http::Request<B>, peer: Option<IpAddr>) -> Option<HttpResponse>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut incoming, body) = IncomingRequest::from_http(request, peer);
        let (profile, client_peer) = {
            let request = incoming.request(None);
            let profile = self.parts.catalog.choose(&request).filter(|profile| profile.has_endpoints())?;
            if profile.endpoint(&request).is_none() {
                return Some(self.not_found(&profile, &request));
            }
            let client_peer = profile.peer_of_envoy(&request);
            (profile, client_peer)
        };
        if let Some(peer) = client_peer {
            incoming.set_client_peer(peer);
        }
        let (body, body_error) = match request::read_body(body).await {
            Ok(body) => (Some(body), None),
            Err(body_error) => (None, Some(body_error)),
        };
        let request = incoming.request(body.as_deref());
        let endpoint = profile.endpoint(&request)?;
        let parsed = profile.parse_request(&request);
        let call = EndpointCall { profile: &profile, endpoint, request: &request, parsed: &parsed };
        Some(self.handle(&call, body_error).await)
    }

    /// Returns the product's own 404 or 405 for a request that matches none of its endpoints.
    fn not_found(&self, profile: &Profile, request: &Request<'_>) -> HttpResponse {
        let (parsed, unauthenticated) = (profile.parse_request(request), DecisionContext::default());
        let template_context =
            TemplateContext::new(&unauthenticated, request, &parsed, self.parts.clock.now().wall);
        let methods = profile.allowed_methods(request);
        if methods.is_empty() {
            return into_http(profile.error_response(
                ErrorCode::NotFound,
                "There is no endpoint at this path.",
                &template_context,
            ));
        }
        let verb = if methods.len() == 1 { "is" } else { "are" };
        let allow = methods.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!("Only {allow} {verb} allowed at this path.");
        let mut response =
            into_http(profile.error_response(ErrorCode::MethodNotAllowed, &message, &template_context));
        if let Ok(allow) = HeaderValue::try_from(allow) {
            response.headers_mut().insert(http::header::ALLOW, allow);
        }
        response
    }

    async fn handle(&self, call: &EndpointCall<'_, '_, '_>, body_error: Option<BodyError>) -> HttpResponse {
        let started_at = self.parts.clock.now();
        let now = started_at.wall;
        let EndpointCall { profile, request, parsed, .. } = call;
        let unauthenticated = DecisionContext::default();
        let template_context = TemplateContext::new(&unauthenticated, request, parsed, now);
        if let Some(body_error) = body_error {
            return into_http(profile.error_response(
                ErrorCode::InvalidArgument,
                body_error.message(),
                &template_context,
            ));
        }
        if !self.parts.ready.load(Ordering::Relaxed) {
            return into_http(profile.error_response(
                ErrorCode::Unavailable,
                "The service is starting.",
                &template_context,
            ));
        }
        // Envoy has already sent a Check for this request and the gate has charged it, so the cost is 0 here.
        // Endpoints create keys and tokens: their rules are enforced even if the profile is in shadow mode.
        let access = CheckInput { cost: 0, strict: true, ..parsed.access.clone() };
        let verdict = match self.parts.gate.check(Some(&profile.policy), &access).await {
            Ok(verdict) => verdict,
            Err(error) => {
                let context = DecisionContext {
                    policy: Some(Arc::clone(&profile.policy)),
                    started_at,
                    ..DecisionContext::default()
                };
                self.emit(call, CheckOutcome::Error(&error), &context);
                return into_http(profile.error_response(
                    error_code(&error),
                    "The service could not decide about the request.",
                    &template_context,
                ));
            }
        };
        self.emit(call, CheckOutcome::of(&verdict.decision), &verdict.context);
        let template_context = TemplateContext::new(&verdict.context, request, parsed, now);
        match verdict.decision {
            Decision::Deny(denial) => into_http(denial_response(profile, &denial, &template_context)),
            // A public route is allowed without a tenant, but the RPC needs one.
            Decision::Allow(_) if profile.policy.tenant_required && access.tenant.is_none() => {
                into_http(denial_response(profile, &Denial::new(Reason::TenantRequired), &template_context))
            }
            Decision::Allow(_) => self.call_rpc(call, &template_context).await,
        }
    }

    fn emit(&self, call: &EndpointCall<'_, '_, '_>, outcome: CheckOutcome<'_>, context: &DecisionContext) {
        let (request_id, method) = (&*call.parsed.request_id, call.request.method);
        let entrypoint = Entrypoint::Http;
        self.parts.observer.on_check(&CheckEvent {
            entrypoint,
            outcome,
            context,
            request_id,
            method,
            metadata: &NoMetadata,
        });
    }

    async fn call_rpc(
        &self,
        call: &EndpointCall<'_, '_, '_>,
        template_context: &TemplateContext<'_>,
    ) -> HttpResponse {
        let EndpointCall { profile, endpoint, request, parsed } = call;
        let mut rpc_request = match profile.rpc_request(*endpoint, request, template_context) {
            Ok(rpc_request) => rpc_request,
            Err(problems) => {
                return into_http(profile.error_response(
                    ErrorCode::InvalidArgument,
                    &problems.join(" "),
                    template_context,
                ));
            }
        };
        let credential = match parsed.access.credential {
            PresentedCredential::Value(value) => Some(value),
            PresentedCredential::Missing
            | PresentedCredential::Ambiguous
            | PresentedCredential::Malformed
            | PresentedCredential::NotAKey
            | PresentedCredential::NotAJwt => None,
        };
        let caller = RpcCaller {
            profile: profile.name(),
            credential,
            request_id: &parsed.request_id,
            address: parsed.access.address,
        };
        if rpc_request.rpc.name == "Check" {
            rpc_request.message["credential"] = credential.unwrap_or_default().into();
            rpc_request.message["profile"] = profile.name().into();
            rpc_request.message["cost"] = 0.into();
            // An endpoint that names no path asks about the key alone: Envoy's Check has decided about the route.
            if rpc_request.message["path"].is_null() {
                rpc_request.message["scopes_only"] = true.into();
            }
        }
        match rpc::call(&self.parts.services, rpc_request.rpc, &rpc_request.message, &caller).await {
            Ok((response, _)) if rpc_request.rpc.name == "Check" && would_deny(&response) => {
                into_http(denial_response(profile, &Denial::new(reason_of(&response)), template_context))
            }
            Ok((response, items)) => into_http(profile.endpoint_response(
                *endpoint,
                &rpc_request,
                request,
                template_context,
                &response,
                &items,
            )),
            Err(error) => {
                let message = error.message_for(profile, *endpoint);
                let mut response = into_http(profile.error_response(error.code, &message, template_context));
                error.add_retry_after(response.headers_mut());
                response
            }
        }
    }
}

/// Returns true if a `CheckResponse` is a denial, enforced or in shadow mode.
fn would_deny(response: &Value) -> bool {
    response["decision"] != "DECISION_ALLOW" || !response["shadow"].is_null()
}

/// Returns the reason of a `CheckResponse` that is a denial, enforced or in shadow mode.
fn reason_of(response: &Value) -> Reason {
    let shadow = &response["shadow"];
    let name = if shadow.is_null() { &response["reason"] } else { &shadow["reason"] };
    let name = name.as_str().and_then(|name| name.strip_prefix("REASON_"));
    name.and_then(|name| name.parse().ok()).unwrap_or(Reason::InvalidCredential)
}

fn error_code(error: &SystemError) -> ErrorCode {
    match error {
        SystemError::Unavailable { .. } => ErrorCode::Unavailable,
        SystemError::Internal(text) => {
            tracing::error!(
                target: "latchkey::internal",
                "failed to decide about a request: {text}; it is rejected with an internal error"
            );
            ErrorCode::Internal
        }
    }
}

fn denial_response<'a>(
    profile: &'a Profile,
    denial: &Denial,
    template_context: &TemplateContext<'_>,
) -> EndpointResponse<'a> {
    let response = profile.deny_response(denial, template_context);
    EndpointResponse { status: response.status, headers: response.headers, body: response.body }
}

/// Converts a response of the profile to HTTP. The profile has already left out values that are not valid in a
/// header.
fn into_http(rendered: EndpointResponse<'_>) -> HttpResponse {
    let mut response = Response::new(Full::new(Bytes::from(rendered.body)));
    *response.status_mut() =
        StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in rendered.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    // These responses can contain keys and tokens, which must not be stored by a cache.
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
