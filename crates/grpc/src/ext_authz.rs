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

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use latchkey_core::decision::{Decision, Denial, Seen, Verdict};
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
use crate::trace::{Carried, tell};
use crate::wire::framed::Framed;
use crate::{Services, calls, deadline, fate};

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
    witness: Arc<dyn Witness>,
}

/// A question that was read, and what came with it.
struct Heard<'a, 'q, 'r> {
    profile: &'a Profile,
    question: &'a Question<'q>,
    reading: &'a Reading<'r>,
    metadata: &'a HeaderMap,
}

impl<L: Limiter> Authorization<L> {
    /// Judges as this judge does.
    pub(crate) fn new(judge: Judge<L>) -> Self {
        Self { judge: Arc::new(judge) }
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
        let judge = Arc::clone(&self.judge);
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw).max_decoding_message_size(LARGEST);
            let response = grpc.unary(Once(Arc::clone(&judge)), request).await;
            Ok(if is_too_large(&response) { carry(judge.unreadable(&HeaderMap::new())) } else { response })
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
            let metadata = request.metadata().as_ref();
            let answer = judge.answer(request.get_ref(), metadata).await;
            answer.map(tonic::Response::new).map_err(fate::troubled)
        })
    }
}

impl<L: Limiter> Judge<L> {
    /// Judges as these services do.
    pub(crate) fn beside(services: &Services<L>) -> Self {
        let Services { gate, catalog, clock, witness, .. } = services;
        let (gate, catalog) = (Arc::clone(gate), Arc::clone(catalog));
        Self { gate, catalog, clock: Arc::clone(clock), witness: Arc::clone(witness) }
    }

    /// Answers the bytes of a `CheckRequest`, in the time that the call's metadata leaves.
    pub(crate) async fn answer(&self, message: &[u8], metadata: &HeaderMap) -> Result<Framed, Trouble> {
        let (lowered, mut question) = (Lowered::new(), Question::default());
        if question.read(message, &lowered).is_err() {
            return Ok(self.unreadable(metadata));
        }
        let Some(profile) = self.catalog.choose(&question.request) else {
            return Ok(self.nobodys(&question, metadata));
        };
        let reading = profile.read(&question.request);
        let heard = Heard { profile: &profile, question: &question, reading: &reading, metadata };
        if !question.http {
            return Ok(self.nothing_asked(&heard));
        }
        let began = self.clock.now();
        let check = self.gate.check(Some(&profile.policy), &reading.access);
        let verdict = deadline::within(deadline::left(metadata, deadline::LONGEST), check).await;
        match verdict {
            Ok(Verdict { decision, seen }) => Ok(self.word(&heard, &decision, &seen)),
            Err(trouble) => Err(self.troubled(&heard, trouble, began)),
        }
    }

    /// The same, where everything that it takes is in memory; none where something has to be waited for.
    pub(crate) fn answer_at_once(
        &self,
        message: &[u8],
        metadata: &HeaderMap,
    ) -> Option<Result<Framed, Trouble>> {
        let (lowered, mut question) = (Lowered::new(), Question::default());
        if question.read(message, &lowered).is_err() {
            return Some(Ok(self.unreadable(metadata)));
        }
        let Some(profile) = self.catalog.choose(&question.request) else {
            return Some(Ok(self.nobodys(&question, metadata)));
        };
        let reading = profile.read(&question.request);
        let heard = Heard { profile: &profile, question: &question, reading: &reading, metadata };
        if !question.http {
            return Some(Ok(self.nothing_asked(&heard)));
        }
        let mut seen = Seen::default();
        Some(match self.gate.check_at_once(Some(&profile.policy), &reading.access, &mut seen)? {
            Ok(decision) => Ok(self.word(&heard, &decision, &seen)),
            Err(trouble) => Err(self.troubled(&heard, trouble, self.clock.now())),
        })
    }

    /// Words a decision as the profile does.
    fn word(&self, heard: &Heard<'_, '_, '_>, decision: &Decision, seen: &Seen) -> Framed {
        let Heard { profile, question, reading, metadata } = heard;
        let request = &question.request;
        let facts = Facts::new(seen, request, reading, seen.began.wall);
        let carried = Carried { metadata, headers: &request.headers };
        let answered = Answered {
            door: Door::Envoy,
            outcome: Outcome::of(decision),
            seen,
            request_id: &reading.request_id,
            method: request.method,
            sent: &carried,
        };
        let notes = Notes { answered, environment: facts.environment };
        let framed = match decision {
            Decision::Allow(permit) => answer::allowed(permit, &profile.allow(&facts), &notes),
            Decision::Deny(denial) => answer::denied(denial, &profile.deny(denial, &facts), &notes),
        };
        tell(&*self.witness, &answered);
        framed
    }

    /// Tells that nobody could decide.
    fn troubled(&self, heard: &Heard<'_, '_, '_>, trouble: Trouble, began: Moment) -> Trouble {
        let Heard { profile, question, reading, metadata } = heard;
        let seen = Seen { policy: Some(Arc::clone(&profile.policy)), began, ..Seen::default() };
        let answered = Answered {
            door: Door::Envoy,
            outcome: Outcome::Troubled(&trouble),
            seen: &seen,
            request_id: &reading.request_id,
            method: question.request.method,
            sent: &Carried { metadata, headers: &question.request.headers },
        };
        tell(&*self.witness, &answered);
        trouble
    }

    /// The answer where no profile is known to judge by.
    fn nobodys(&self, question: &Question<'_>, metadata: &HeaderMap) -> Framed {
        let denial = Denial::plain(Reason::RouteNotAllowed);
        let request_id = self.catalog.request_id(&question.request);
        let refused = default_denial(&denial, &request_id);
        let answered = Answered {
            door: Door::Envoy,
            outcome: Outcome::Denied(&denial),
            seen: &Seen { began: self.clock.now(), ..Seen::default() },
            request_id: &request_id,
            method: question.request.method,
            sent: &Carried { metadata, headers: &question.request.headers },
        };
        tell(&*self.witness, &answered);
        answer::denied(&denial, &refused, &Notes { answered, environment: None })
    }

    /// The answer to bytes that are no question, or too many.
    fn unreadable(&self, metadata: &HeaderMap) -> Framed {
        let seen = Seen { began: self.clock.now(), ..Seen::default() };
        tell(
            &*self.witness,
            &Answered {
                door: Door::Envoy,
                outcome: Outcome::Unreadable,
                seen: &seen,
                request_id: "",
                method: "",
                sent: &Carried { metadata, headers: &[] },
            },
        );
        answer::unreadable()
    }

    /// What is said to a message without a request in it.
    fn nothing_asked(&self, heard: &Heard<'_, '_, '_>) -> Framed {
        let policy = Some(Arc::clone(&heard.profile.policy));
        let seen = Seen { policy, began: self.clock.now(), ..Seen::default() };
        self.word(heard, &Decision::Deny(Denial::plain(Reason::MissingCredential)), &seen)
    }
}
