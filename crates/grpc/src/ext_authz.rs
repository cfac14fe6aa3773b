//! `envoy.service.auth.v3.Authorization`: Envoy's Check. tonic transports the call; the messages are read and written
//! by hand ([`raw_codec`](crate::raw_codec) explains why).
//!
//! An error allows the request if Envoy is set to `failure_mode_allow`. So everything that a client can cause with
//! the content of its request is a denial; an error means that no decision could be made.

mod last_wins;
mod metadata;
mod request;
mod response;
mod schemas;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use latchkey_core::decision::{Decision, DecisionContext, Denial};
use latchkey_core::error::SystemError;
use latchkey_core::gate::Gate;
use latchkey_core::observer::{CheckEvent, CheckObserver, CheckOutcome, Entrypoint};
use latchkey_core::ports::Limiter;
use latchkey_core::reason::Reason;
use latchkey_core::time::{Clock, Moment};
use latchkey_profile::{Catalog, ParsedRequest, Profile, TemplateContext, default_denial};
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tower_service::Service;

use self::metadata::MetadataInput;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::request::comparison;
use self::request::{CheckRequestView, LowercaseNames};
use crate::decision_event::{RequestHeaders, emit};
use crate::raw_codec::{BoxFuture, RawCodec, frame_to_http, is_too_large};
use crate::wire::frame::GrpcFrame;
use crate::{Services, deadline, rpc_table, status};

/// Largest size of a `CheckRequest`. Envoy accepts 60 KiB of headers by default, most of which can be a path that the
/// message has twice, and sends bodies of at most 64 KiB with the configuration of `latchkey envoy-config`.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Service for Envoy's Check.
pub(crate) struct Authorization<L> {
    handler: Arc<CheckHandler<L>>,
}

/// Handler of one call, in the form that tonic needs.
struct UnaryCheck<L>(Arc<CheckHandler<L>>);

/// Handler of Envoy's Checks.
pub(crate) struct CheckHandler<L> {
    gate: Arc<Gate<L>>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    observer: Arc<dyn CheckObserver>,
}

/// Check after parsing.
struct ParsedCheck<'a, 'q, 'r> {
    profile: &'a Profile,
    view: &'a CheckRequestView<'q>,
    parsed: &'a ParsedRequest<'r>,
    metadata: &'a HeaderMap,
}

impl<L: Limiter> Authorization<L> {
    /// Creates a service that uses this handler.
    pub(crate) fn new(handler: CheckHandler<L>) -> Self {
        Self { handler: Arc::new(handler) }
    }
}

impl<L> Clone for Authorization<L> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler) }
    }
}

impl<L> NamedService for Authorization<L> {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl<L: Limiter + 'static> Service<Request<Body>> for Authorization<L> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != rpc_table::ENVOY_CHECK {
            return Box::pin(std::future::ready(Ok(status::unimplemented().into_http())));
        }
        let handler = Arc::clone(&self.handler);
        Box::pin(async move {
            let mut grpc = Grpc::new(RawCodec).max_decoding_message_size(MAX_MESSAGE_BYTES);
            let response = grpc.unary(UnaryCheck(Arc::clone(&handler)), request).await;
            Ok(if is_too_large(&response) {
                frame_to_http(handler.respond_malformed(&HeaderMap::new()))
            } else {
                response
            })
        })
    }
}

impl<L: Limiter + 'static> UnaryService<Bytes> for UnaryCheck<L> {
    type Response = GrpcFrame;
    type Future = BoxFuture<Result<tonic::Response<GrpcFrame>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move {
            let metadata = request.metadata().as_ref();
            let result = handler.respond(request.get_ref(), metadata).await;
            result.map(tonic::Response::new).map_err(status::system_error_to_status)
        })
    }
}

impl<L: Limiter> CheckHandler<L> {
    /// Creates a handler that decides as these services do.
    pub(crate) fn new(services: &Services<L>) -> Self {
        let Services { gate, catalog, clock, check_deadline, observer, .. } = services;
        let (gate, catalog) = (Arc::clone(gate), Arc::clone(catalog));
        let (clock, observer) = (Arc::clone(clock), Arc::clone(observer));
        Self { gate, catalog, clock, deadline: *check_deadline, observer }
    }

    /// Responds to an encoded `CheckRequest` within the deadline of a Check, or the caller's `grpc-timeout` if that is
    /// shorter.
    pub(crate) async fn respond(
        &self,
        message: &[u8],
        metadata: &HeaderMap,
    ) -> Result<GrpcFrame, SystemError> {
        let (lowercase_names, mut view) = (LowercaseNames::new(), CheckRequestView::default());
        if view.read(message, &lowercase_names).is_err() {
            return Ok(self.respond_malformed(metadata));
        }
        let Some(profile) = self.catalog.choose(&view.request) else {
            return Ok(self.respond_no_profile(&view, metadata));
        };
        let parsed = profile.parse_request(&view.request);
        let check = ParsedCheck { profile: &profile, view: &view, parsed: &parsed, metadata };
        if !view.http {
            return Ok(self.respond_empty_request(&check));
        }
        let mut context = DecisionContext::default();
        let limit = || deadline::timeout_for(metadata, self.deadline);
        let policy = Some(&profile.policy);
        let decided =
            deadline::with_timeout(limit, pin!(self.gate.check_into(policy, &parsed.access, &mut context)))
                .await;
        match decided {
            Ok(decision) => Ok(self.render(&check, &decision, &context)),
            Err(error) => Err(self.fail(&check, error, context.started_at)),
        }
    }

    /// Emits the event of a Check after `render` has created the response from it.
    fn emit<T>(&self, event: CheckEvent<'_>, render: impl FnOnce(CheckEvent<'_>) -> T) -> T {
        let rendered = render(event);
        emit(&*self.observer, &event);
        rendered
    }

    /// Renders a decision as the profile says.
    fn render(
        &self,
        check: &ParsedCheck<'_, '_, '_>,
        decision: &Decision,
        context: &DecisionContext,
    ) -> GrpcFrame {
        let ParsedCheck { profile, view, parsed, metadata } = check;
        let template_context = TemplateContext::new(context, &view.request, parsed, context.started_at.wall);
        let headers = RequestHeaders { metadata, headers: &view.request.headers };
        let event =
            event(CheckOutcome::of(decision), context, &parsed.request_id, view.request.method, &headers);
        self.emit(event, |event| {
            let metadata_input = MetadataInput { event, environment: template_context.environment };
            match decision {
                Decision::Allow(permit) => {
                    response::allowed(permit, &profile.allow_response(&template_context), &metadata_input)
                }
                Decision::Deny(denial) => response::denied(
                    denial,
                    &profile.deny_response(denial, &template_context),
                    &metadata_input,
                    response::is_grpc(&view.request.headers),
                ),
            }
        })
    }

    /// Returns the error of a Check that could not be decided.
    fn fail(&self, check: &ParsedCheck<'_, '_, '_>, error: SystemError, started_at: Moment) -> SystemError {
        let ParsedCheck { profile, view, parsed, metadata } = check;
        let context = DecisionContext {
            policy: Some(Arc::clone(&profile.policy)),
            started_at,
            ..DecisionContext::default()
        };
        let headers = RequestHeaders { metadata, headers: &view.request.headers };
        let (outcome, method) = (CheckOutcome::Error(&error), view.request.method);
        self.emit(event(outcome, &context, &parsed.request_id, method, &headers), |_| ());
        error
    }

    /// Denies a request that no profile applies to.
    fn respond_no_profile(&self, view: &CheckRequestView<'_>, metadata: &HeaderMap) -> GrpcFrame {
        let denial = self.catalog.denial_without_profile(&view.request);
        let request_id = self.catalog.request_id(&view.request);
        let response = default_denial(&denial, &request_id);
        let context = DecisionContext { started_at: self.clock.now(), ..DecisionContext::default() };
        let headers = RequestHeaders { metadata, headers: &view.request.headers };
        let (outcome, method) = (CheckOutcome::Denied(&denial), view.request.method);
        self.emit(event(outcome, &context, &request_id, method, &headers), |event| {
            let metadata_input = MetadataInput { event, environment: None };
            response::denied(&denial, &response, &metadata_input, response::is_grpc(&view.request.headers))
        })
    }

    /// Denies a message that is not a `CheckRequest`, or is too large.
    fn respond_malformed(&self, metadata: &HeaderMap) -> GrpcFrame {
        let context = DecisionContext { started_at: self.clock.now(), ..DecisionContext::default() };
        let headers = RequestHeaders { metadata, headers: &[] };
        self.emit(event(CheckOutcome::Malformed, &context, "", "", &headers), |_| response::malformed())
    }

    /// Denies a `CheckRequest` that contains no HTTP request.
    fn respond_empty_request(&self, check: &ParsedCheck<'_, '_, '_>) -> GrpcFrame {
        let policy = Some(Arc::clone(&check.profile.policy));
        let context = DecisionContext { policy, started_at: self.clock.now(), ..DecisionContext::default() };
        self.render(check, &Decision::Deny(Denial::new(Reason::MissingCredential)), &context)
    }
}

/// Returns the event of a Check.
fn event<'a>(
    outcome: CheckOutcome<'a>,
    context: &'a DecisionContext,
    request_id: &'a str,
    method: &'a str,
    metadata: &'a RequestHeaders<'a>,
) -> CheckEvent<'a> {
    CheckEvent { entrypoint: Entrypoint::ExtAuthz, outcome, context, request_id, method, metadata }
}
