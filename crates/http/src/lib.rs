//! The counter: HTTP calls that a product's document declares, answered by the contract's RPCs. The profile says
//! what a call means and how its answer looks; the gate says whether it may pass; the RPC does the work, behind
//! its own authorization. Nothing of these is decided here.

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
use crate::rpc::{RpcCaller, RpcError};

/// What the counter works with.
pub struct EndpointServiceParts<L> {
    /// Decides.
    pub gate: Arc<Gate<L>>,
    /// The profiles in force.
    pub catalog: Arc<Catalog>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether calls can be answered yet.
    pub ready: Arc<AtomicBool>,
    /// The services of the contract, as gRPC callers reach them.
    pub services: Routes,
    /// Who hears of every answer of the gate.
    pub observer: Arc<dyn CheckObserver>,
}

/// Answers a product's HTTP calls. Shared by every connection.
pub struct EndpointService<L> {
    parts: EndpointServiceParts<L>,
}

/// A response as it goes out.
pub type HttpResponse = Response<Full<Bytes>>;

/// A call on its way: the request, its profile, and what was seen of it.
struct EndpointCall<'a, 'q, 'r> {
    profile: &'a Profile,
    at: EndpointMatch<'a>,
    request: &'a Request<'q>,
    parsed: &'a ParsedRequest<'r>,
}

impl<L: Limiter> EndpointService<L> {
    /// A counter of these parts.
    #[must_use]
    pub fn new(parts: EndpointServiceParts<L>) -> Self {
        Self { parts }
    }

    /// Answers a request; none where no profile has an endpoint for it.
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
        let at = profile.endpoint(&request)?;
        let parsed = profile.parse_request(&request);
        let call = EndpointCall { profile: &profile, at, request: &request, parsed: &parsed };
        Some(self.handle(&call, body_error).await)
    }

    /// Where a product has endpoints, but none for this request: its own words for that.
    fn not_found(&self, profile: &Profile, request: &Request<'_>) -> HttpResponse {
        let (parsed, unauthenticated) = (profile.parse_request(request), DecisionContext::default());
        let template_context =
            TemplateContext::new(&unauthenticated, request, &parsed, self.parts.clock.now().wall);
        let methods = profile.allowed_methods(request);
        if methods.is_empty() {
            return into_http(profile.error_response(
                ErrorCode::NotFound,
                "There is nothing at this path.",
                &template_context,
            ));
        }
        let allow = methods.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!("This path takes {allow} alone.");
        let mut answer =
            into_http(profile.error_response(ErrorCode::MethodNotAllowed, &message, &template_context));
        if let Ok(allow) = HeaderValue::try_from(allow) {
            answer.headers_mut().insert(http::header::ALLOW, allow);
        }
        answer
    }

    async fn handle(&self, call: &EndpointCall<'_, '_, '_>, body_error: Option<BodyError>) -> HttpResponse {
        let began = self.parts.clock.now();
        let now = began.wall;
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
        // Envoy has asked about this request and counted it; here it is looked at once more, and costs nothing.
        // What we answer ourselves is never tried: keys and tokens are made by it.
        let access = CheckInput { cost: 0, strict: true, ..parsed.access.clone() };
        let verdict = match self.parts.gate.check(Some(&profile.policy), &access).await {
            Ok(verdict) => verdict,
            Err(trouble) => {
                let context = DecisionContext {
                    policy: Some(Arc::clone(&profile.policy)),
                    started_at: began,
                    ..DecisionContext::default()
                };
                self.emit(call, CheckOutcome::Error(&trouble), &context);
                return into_http(profile.error_response(
                    error_code(&trouble),
                    "No answer just now.",
                    &template_context,
                ));
            }
        };
        self.emit(call, CheckOutcome::of(&verdict.decision), &verdict.context);
        let template_context = TemplateContext::new(&verdict.context, request, parsed, now);
        match verdict.decision {
            Decision::Deny(denial) => into_http(denial_response(profile, &denial, &template_context)),
            // A public route passes without a tenant, which the RPC needs nonetheless.
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
        let EndpointCall { profile, at, request, parsed } = call;
        let mut rpc_request = match profile.rpc_request(*at, request, template_context) {
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
            | PresentedCredential::Malformed => None,
        };
        let caller = RpcCaller { credential, request_id: &parsed.request_id, address: parsed.access.address };
        if rpc_request.rpc.name == "Check" {
            rpc_request.message["credential"] = credential.unwrap_or_default().into();
            rpc_request.message["profile"] = profile.name().into();
            rpc_request.message["cost"] = 0.into();
        }
        match rpc::call(&self.parts.services, rpc_request.rpc, &rpc_request.message, &caller).await {
            Ok((answer, _)) if rpc_request.rpc.name == "Check" && would_deny(&answer) => {
                let reason_name =
                    if answer["shadow"].is_null() { &answer["reason"] } else { &answer["shadow"]["reason"] };
                let reason = reason_name.as_str().and_then(|name| name.strip_prefix("REASON_"));
                let reason = reason.and_then(|name| name.parse().ok()).unwrap_or(Reason::InvalidCredential);
                into_http(denial_response(profile, &Denial::new(reason), template_context))
            }
            Ok((answer, items)) => into_http(profile.endpoint_response(
                (*at, &rpc_request),
                request,
                template_context,
                (&answer, &items),
            )),
            Err(error) => {
                let message = message(profile, *at, &error);
                into_http(profile.error_response(error.code, &message, template_context))
            }
        }
    }
}

/// Whether the answer to a Check is a denial, enforced or not.
fn would_deny(answer: &Value) -> bool {
    answer["decision"] != "DECISION_ALLOW" || !answer["shadow"].is_null()
}

/// What went wrong, in the words of the request: fields by the names that its body has for them.
fn message(profile: &Profile, at: EndpointMatch<'_>, error: &RpcError) -> String {
    if error.fields.is_empty() {
        return error.message.clone();
    }
    let describe =
        |(field, what): &(String, String)| format!("{}: {what}", profile.request_field_name(at, field));
    error.fields.iter().map(describe).collect::<Vec<_>>().join("; ")
}

fn error_code(trouble: &SystemError) -> ErrorCode {
    match trouble {
        SystemError::Unavailable { .. } => ErrorCode::Unavailable,
        SystemError::Internal(text) => {
            tracing::error!(target: "latchkey::internal", "{text}");
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

/// The response as HTTP. What can't be a header's value was left out by the profile.
fn into_http(reply: EndpointResponse<'_>) -> HttpResponse {
    let mut answer = Response::new(Full::new(Bytes::from(reply.body)));
    *answer.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    // Keys and tokens are told in these answers.
    answer.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The value of a field of a message.
fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
