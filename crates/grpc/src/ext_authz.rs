//! `envoy.service.auth.v3.Authorization`: Envoy's question to the gate, and the gate's decision to Envoy.
//! tonic carries the call; what is in it is read and written by hand ([`codec`] says why). An error here
//! would let the request pass wherever Envoy is set to `failure_mode_allow`, so whatever a client can bring
//! about by shaping its request is answered with a denial; an error means that nobody could decide.

mod answer;
mod codec;
mod last_wins;
mod metadata;
mod question;
mod shapes;

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use latchkey_core::decision::{Decision, Denial, Seen};
use latchkey_core::gate::Gate;
use latchkey_core::ports::Limiter;
use latchkey_core::reason::Reason;
use latchkey_core::time::{Clock, Moment};
use latchkey_core::trouble::Trouble;
use latchkey_core::witness::{Answered, Door, Outcome, Witness};
use latchkey_profile::{Catalog, Facts, Profile, Reading, default_denial};
use tonic::body::Body;
use tonic::codec::{EncodeBody, SingleMessageCompressionOverride};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tower_service::Service;

use self::codec::Raw;
use self::metadata::Notes;
use self::question::{Lowered, Question};
use crate::decision_event::{RequestHeaders, emit};
use crate::wire::framed::Framed;
use crate::{Services, calls, deadline, fate};

/// The largest question: four times what Envoy sends for the largest headers that most servers take.
pub(crate) const LARGEST: usize = 64 * 1024;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Answers Envoy.
pub(crate) struct Authorization<L> {
    handler: Arc<CheckHandler<L>>,
}

/// Answers one call, for tonic.
struct Once<L>(Arc<CheckHandler<L>>);

/// Responds to the Checks of Envoy.
pub(crate) struct CheckHandler<L> {
    gate: Arc<Gate<L>>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    witness: Arc<dyn Witness>,
}

/// A Check after parsing.
struct ParsedCheck<'a, 'q, 'r> {
    profile: &'a Profile,
    question: &'a Question<'q>,
    reading: &'a Reading<'r>,
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
    type Future = Boxed<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != calls::AUTHORIZE {
            return Box::pin(std::future::ready(Ok(fate::unknown().into_http())));
        }
        let handler = Arc::clone(&self.handler);
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw).max_decoding_message_size(LARGEST);
            let response = grpc.unary(Once(Arc::clone(&handler)), request).await;
            Ok(if is_too_large(&response) {
                carry(handler.respond_malformed(&HeaderMap::new()))
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
fn carry(answer: Framed) -> Response<Body> {
    let messages = tokio_stream::once(Ok(answer));
    let whole = SingleMessageCompressionOverride::Disable;
    let mut response = Response::new(Body::new(EncodeBody::new_server(Raw, messages, None, whole, None)));
    let grpc = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    response
}

impl<L: Limiter + 'static> UnaryService<Bytes> for Once<L> {
    type Response = Framed;
    type Future = Boxed<Result<tonic::Response<Framed>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move {
            let metadata = request.metadata().as_ref();
            let answer = handler.respond(request.get_ref(), metadata).await;
            answer.map(tonic::Response::new).map_err(fate::troubled)
        })
    }
}

impl<L: Limiter> CheckHandler<L> {
    /// Creates a handler that decides as these services do.
    pub(crate) fn new(services: &Services<L>) -> Self {
        let Services { gate, catalog, clock, witness, .. } = services;
        let (gate, catalog) = (Arc::clone(gate), Arc::clone(catalog));
        Self { gate, catalog, clock: Arc::clone(clock), witness: Arc::clone(witness) }
    }

    /// Responds to the bytes of a `CheckRequest`, in the time that the call's metadata leaves.
    pub(crate) async fn respond(&self, message: &[u8], metadata: &HeaderMap) -> Result<Framed, Trouble> {
        let (lowered, mut question) = (Lowered::new(), Question::default());
        if question.read(message, &lowered).is_err() {
            return Ok(self.respond_malformed(metadata));
        }
        let Some(profile) = self.catalog.choose(&question.request) else {
            return Ok(self.respond_no_profile(&question, metadata));
        };
        let reading = profile.read(&question.request);
        let parsed = ParsedCheck { profile: &profile, question: &question, reading: &reading, metadata };
        if !question.http {
            return Ok(self.respond_empty_request(&parsed));
        }
        let mut seen = Seen::default();
        let limit = || deadline::left(metadata, deadline::LONGEST);
        let policy = Some(&profile.policy);
        let decided =
            deadline::within(limit, pin!(self.gate.check_into(policy, &reading.access, &mut seen))).await;
        match decided {
            Ok(decision) => Ok(self.render(&parsed, &decision, &seen)),
            Err(trouble) => Err(self.fail(&parsed, trouble, seen.began)),
        }
    }

    /// Emits the one event of a Check, when `render` has made its response of it.
    fn emit<T>(&self, event: Answered<'_>, render: impl FnOnce(Answered<'_>) -> T) -> T {
        let rendered = render(event);
        emit(&*self.witness, &event);
        rendered
    }

    /// Renders a decision as the profile says.
    fn render(&self, parsed: &ParsedCheck<'_, '_, '_>, decision: &Decision, seen: &Seen) -> Framed {
        let ParsedCheck { profile, question, reading, metadata } = parsed;
        let facts = Facts::new(seen, &question.request, reading, seen.began.wall);
        let sent = RequestHeaders { metadata, headers: &question.request.headers };
        let event = event(Outcome::of(decision), seen, (&reading.request_id, question.request.method), &sent);
        self.emit(event, |answered| {
            let notes = Notes { answered, environment: facts.environment };
            match decision {
                Decision::Allow(permit) => answer::allowed(permit, &profile.allow(&facts), &notes),
                Decision::Deny(denial) => answer::denied(denial, &profile.deny(denial, &facts), &notes),
            }
        })
    }

    /// Returns the error of a Check that could not be decided.
    fn fail(&self, parsed: &ParsedCheck<'_, '_, '_>, trouble: Trouble, began: Moment) -> Trouble {
        let ParsedCheck { profile, question, reading, metadata } = parsed;
        let seen = Seen { policy: Some(Arc::clone(&profile.policy)), began, ..Seen::default() };
        let sent = RequestHeaders { metadata, headers: &question.request.headers };
        let request = (&*reading.request_id, question.request.method);
        self.emit(event(Outcome::Troubled(&trouble), &seen, request, &sent), |_| ());
        trouble
    }

    /// Denies a request that no profile applies to.
    fn respond_no_profile(&self, question: &Question<'_>, metadata: &HeaderMap) -> Framed {
        let denial = Denial::plain(Reason::RouteNotAllowed);
        let request_id = self.catalog.request_id(&question.request);
        let refused = default_denial(&denial, &request_id);
        let seen = Seen { began: self.clock.now(), ..Seen::default() };
        let sent = RequestHeaders { metadata, headers: &question.request.headers };
        let request = (&*request_id, question.request.method);
        self.emit(event(Outcome::Denied(&denial), &seen, request, &sent), |answered| {
            answer::denied(&denial, &refused, &Notes { answered, environment: None })
        })
    }

    /// Denies a message that is no `CheckRequest`, or is too large.
    fn respond_malformed(&self, metadata: &HeaderMap) -> Framed {
        let seen = Seen { began: self.clock.now(), ..Seen::default() };
        let sent = RequestHeaders { metadata, headers: &[] };
        self.emit(event(Outcome::Unreadable, &seen, ("", ""), &sent), |_| answer::unreadable())
    }

    /// Denies a `CheckRequest` without an HTTP request in it.
    fn respond_empty_request(&self, parsed: &ParsedCheck<'_, '_, '_>) -> Framed {
        let policy = Some(Arc::clone(&parsed.profile.policy));
        let seen = Seen { policy, began: self.clock.now(), ..Seen::default() };
        self.render(parsed, &Decision::Deny(Denial::plain(Reason::MissingCredential)), &seen)
    }
}

/// The event of a response to a request with this identifier and method.
fn event<'a>(
    outcome: Outcome<'a>,
    seen: &'a Seen,
    (request_id, method): (&'a str, &'a str),
    sent: &'a RequestHeaders<'a>,
) -> Answered<'a> {
    Answered { door: Door::Envoy, outcome, seen, request_id, method, sent }
}
