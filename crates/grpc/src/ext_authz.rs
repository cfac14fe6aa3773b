//! `envoy.service.auth.v3.Authorization`: Envoy's question to the gate, and the gate's decision to Envoy.
//! tonic carries the call; what is in it is read and written by hand ([`codec`] says why). An error here
//! would let the request pass wherever Envoy is set to `failure_mode_allow`, so whatever a client can bring
//! about by shaping its request is answered with a denial; an error means that nobody could decide.

mod codec;
mod last_wins;
mod metadata;
mod request;
mod response;
mod schemas;

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

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
use tonic::body::Body;
use tonic::codec::{EncodeBody, SingleMessageCompressionOverride};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tower_service::Service;

use self::codec::RawCodec;
use self::metadata::MetadataInput;
use self::request::{CheckRequestView, LowercaseNames};
use crate::decision_event::{RequestHeaders, emit};
use crate::wire::frame::GrpcFrame;
use crate::{Services, deadline, rpc_table, status};

/// The largest question: four times what Envoy sends for the largest headers that most servers take.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 * 1024;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Answers Envoy.
pub(crate) struct Authorization<L> {
    handler: Arc<CheckHandler<L>>,
}

/// Answers one call, for tonic.
struct UnaryCheck<L>(Arc<CheckHandler<L>>);

/// Responds to the Checks of Envoy.
pub(crate) struct CheckHandler<L> {
    gate: Arc<Gate<L>>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn CheckObserver>,
}

/// A Check after parsing.
struct ParsedCheck<'a, 'q, 'r> {
    profile: &'a Profile,
    view: &'a CheckRequestView<'q>,
    parsed: &'a ParsedRequest<'r>,
    metadata: &'a HeaderMap,
}

impl<L: Limiter> Authorization<L> {
    /// Judges as this judge does.
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

/// Whether tonic refused a message for its size: nothing here says `OUT_OF_RANGE`.
fn is_too_large(response: &Response<Body>) -> bool {
    Status::from_header_map(response.headers()).is_some_and(|status| status.code() == Code::OutOfRange)
}

/// An answer to a question that wasn't read.
fn frame_to_http(answer: GrpcFrame) -> Response<Body> {
    let messages = tokio_stream::once(Ok(answer));
    let whole = SingleMessageCompressionOverride::Disable;
    let mut response =
        Response::new(Body::new(EncodeBody::new_server(RawCodec, messages, None, whole, None)));
    let grpc = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    response
}

impl<L: Limiter + 'static> UnaryService<Bytes> for UnaryCheck<L> {
    type Response = GrpcFrame;
    type Future = BoxFuture<Result<tonic::Response<GrpcFrame>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move {
            let metadata = request.metadata().as_ref();
            let answer = handler.respond(request.get_ref(), metadata).await;
            answer.map(tonic::Response::new).map_err(status::system_error_to_status)
        })
    }
}

impl<L: Limiter> CheckHandler<L> {
    /// Creates a handler that decides as these services do.
    pub(crate) fn new(services: &Services<L>) -> Self {
        let Services { gate, catalog, clock, observer, .. } = services;
        let (gate, catalog) = (Arc::clone(gate), Arc::clone(catalog));
        Self { gate, catalog, clock: Arc::clone(clock), observer: Arc::clone(observer) }
    }

    /// Responds to the bytes of a `CheckRequest`, in the time that the call's metadata leaves.
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
        let limit = || deadline::timeout_for(metadata, deadline::MAX_CHECK_DURATION);
        let policy = Some(&profile.policy);
        let decided =
            deadline::with_timeout(limit, pin!(self.gate.check_into(policy, &parsed.access, &mut context)))
                .await;
        match decided {
            Ok(decision) => Ok(self.render(&check, &decision, &context)),
            Err(error) => Err(self.fail(&check, error, context.started_at)),
        }
    }

    /// Emits the one event of a Check, when `render` has made its response of it.
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
        let sent = RequestHeaders { metadata, headers: &view.request.headers };
        let event =
            event(CheckOutcome::of(decision), context, (&parsed.request_id, view.request.method), &sent);
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
                ),
            }
        })
    }

    /// Returns the error of a Check that could not be decided.
    fn fail(&self, check: &ParsedCheck<'_, '_, '_>, trouble: SystemError, began: Moment) -> SystemError {
        let ParsedCheck { profile, view, parsed, metadata } = check;
        let context = DecisionContext {
            policy: Some(Arc::clone(&profile.policy)),
            started_at: began,
            ..DecisionContext::default()
        };
        let sent = RequestHeaders { metadata, headers: &view.request.headers };
        let request = (&*parsed.request_id, view.request.method);
        self.emit(event(CheckOutcome::Error(&trouble), &context, request, &sent), |_| ());
        trouble
    }

    /// Denies a request that no profile applies to.
    fn respond_no_profile(&self, view: &CheckRequestView<'_>, metadata: &HeaderMap) -> GrpcFrame {
        let denial = Denial::new(Reason::RouteNotAllowed);
        let request_id = self.catalog.request_id(&view.request);
        let response = default_denial(&denial, &request_id);
        let context = DecisionContext { started_at: self.clock.now(), ..DecisionContext::default() };
        let sent = RequestHeaders { metadata, headers: &view.request.headers };
        let request = (&*request_id, view.request.method);
        self.emit(event(CheckOutcome::Denied(&denial), &context, request, &sent), |event| {
            response::denied(&denial, &response, &MetadataInput { event, environment: None })
        })
    }

    /// Denies a message that is no `CheckRequest`, or is too large.
    fn respond_malformed(&self, metadata: &HeaderMap) -> GrpcFrame {
        let context = DecisionContext { started_at: self.clock.now(), ..DecisionContext::default() };
        let sent = RequestHeaders { metadata, headers: &[] };
        self.emit(event(CheckOutcome::Malformed, &context, ("", ""), &sent), |_| response::malformed())
    }

    /// Denies a `CheckRequest` without an HTTP request in it.
    fn respond_empty_request(&self, check: &ParsedCheck<'_, '_, '_>) -> GrpcFrame {
        let policy = Some(Arc::clone(&check.profile.policy));
        let context = DecisionContext { policy, started_at: self.clock.now(), ..DecisionContext::default() };
        self.render(check, &Decision::Deny(Denial::new(Reason::MissingCredential)), &context)
    }
}

/// The event of a response to a request with this identifier and method.
fn event<'a>(
    outcome: CheckOutcome<'a>,
    context: &'a DecisionContext,
    (request_id, method): (&'a str, &'a str),
    sent: &'a RequestHeaders<'a>,
) -> CheckEvent<'a> {
    CheckEvent { entrypoint: Entrypoint::ExtAuthz, outcome, context, request_id, method, metadata: sent }
}
