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
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use latchkey_core::decision::{Decision, Denial, Seen, Verdict};
use latchkey_core::gate::Gate;
use latchkey_core::ports::Limiter;
use latchkey_core::reason::Reason;
use latchkey_core::time::Clock;
use latchkey_core::trouble::Trouble;
use latchkey_profile::{Catalog, Facts, Profile, Reading, default_denial};
use tonic::body::Body;
use tonic::codec::{EncodeBody, SingleMessageCompressionOverride};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tower_service::Service;

use self::codec::Raw;
use self::metadata::Notes;
use self::question::{Lowered, Question};
use crate::trace::Told;
use crate::wire::framed::Framed;
use crate::{calls, deadline, fate, trace};

/// The largest question: four times what Envoy sends for the largest headers that most servers take.
pub(crate) const LARGEST: usize = 64 * 1024;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Answers Envoy.
pub(crate) struct Authorization<L> {
    judge: Arc<Judge<L>>,
}

/// Answers one call, for tonic.
struct Once<L>(Arc<Judge<L>>);

/// Judges what Envoy asks.
pub(crate) struct Judge<L> {
    gate: Arc<Gate<L>>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
}

impl<L: Limiter> Authorization<L> {
    /// Judges by this gate and these profiles.
    pub(crate) fn new(gate: Arc<Gate<L>>, catalog: Arc<Catalog>, clock: Arc<dyn Clock>) -> Self {
        Self { judge: Arc::new(Judge::new(gate, catalog, clock)) }
    }
}

impl<L> Clone for Authorization<L> {
    fn clone(&self) -> Self {
        Self { judge: Arc::clone(&self.judge) }
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
        let judge = Once(Arc::clone(&self.judge));
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw).max_decoding_message_size(LARGEST);
            let response = grpc.unary(judge, request).await;
            Ok(if is_too_large(&response) { carry(answer::unreadable()) } else { response })
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
        let judge = Arc::clone(&self.0);
        Box::pin(async move {
            let limit = deadline::left(request.metadata().as_ref(), deadline::LONGEST);
            let answer = judge.answer(request.get_ref(), limit).await;
            answer.map(tonic::Response::new).map_err(fate::troubled)
        })
    }
}

impl<L: Limiter> Judge<L> {
    /// Judges by this gate and these profiles.
    pub(crate) fn new(gate: Arc<Gate<L>>, catalog: Arc<Catalog>, clock: Arc<dyn Clock>) -> Self {
        Self { gate, catalog, clock }
    }

    /// Answers the bytes of a `CheckRequest`, in this time at most.
    pub(crate) async fn answer(&self, message: &[u8], limit: Duration) -> Result<Framed, Trouble> {
        let lowered = Lowered::new();
        let Ok(question) = Question::read(message, &lowered) else { return Ok(answer::unreadable()) };
        let Some(profile) = self.catalog.choose(&question.request) else {
            return Ok(self.nobodys(&question));
        };
        let reading = profile.read(&question.request);
        let verdict = if question.http {
            let check = self.gate.check(Some(&profile.policy), &reading.access);
            deadline::within(limit, check).await?
        } else {
            nothing_asked(&profile)
        };
        Ok(self.word(&profile, &question, &reading, &verdict))
    }

    /// The same, where everything that it takes is in memory; none where something has to be waited for.
    pub(crate) fn answer_at_once(&self, message: &[u8]) -> Option<Result<Framed, Trouble>> {
        let lowered = Lowered::new();
        let Ok(question) = Question::read(message, &lowered) else { return Some(Ok(answer::unreadable())) };
        let Some(profile) = self.catalog.choose(&question.request) else {
            return Some(Ok(self.nobodys(&question)));
        };
        let reading = profile.read(&question.request);
        let verdict = if question.http {
            self.gate.check_at_once(Some(&profile.policy), &reading.access)?
        } else {
            Ok(nothing_asked(&profile))
        };
        Some(verdict.map(|verdict| self.word(&profile, &question, &reading, &verdict)))
    }

    /// Words a verdict as the profile does.
    fn word(
        &self,
        profile: &Profile,
        question: &Question<'_>,
        reading: &Reading<'_>,
        verdict: &Verdict,
    ) -> Framed {
        let (Verdict { decision, seen }, request) = (verdict, &question.request);
        let facts = Facts::new(seen, request, reading, self.clock.now().wall);
        let told = Told { decision, seen, request_id: &reading.request_id };
        trace::decision(&told, request);
        let notes = Notes { told, environment: facts.environment };
        match decision {
            Decision::Allow(permit) => answer::allowed(permit, &profile.allow(&facts), &notes),
            Decision::Deny(denial) => answer::denied(denial, &profile.deny(denial, &facts), &notes),
        }
    }

    /// The answer where no profile is known to judge by.
    fn nobodys(&self, question: &Question<'_>) -> Framed {
        let denial = Denial::plain(Reason::RouteNotAllowed);
        let request_id = self.catalog.request_id(&question.request);
        let refused = default_denial(&denial, &request_id);
        let (decision, seen) = (Decision::Deny(denial.clone()), Seen::default());
        let told = Told { decision: &decision, seen: &seen, request_id: &request_id };
        trace::decision(&told, &question.request);
        answer::denied(&denial, &refused, &Notes { told, environment: None })
    }
}

/// What is said to a message without a request in it.
fn nothing_asked(profile: &Profile) -> Verdict {
    let seen = Seen { policy: Some(profile.policy.clone()), ..Seen::default() };
    Verdict { decision: Decision::Deny(Denial::plain(Reason::MissingCredential)), seen }
}
