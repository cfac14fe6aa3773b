//! `latchkey.v1.CheckService`: the same gate for callers that speak our own API. A denial is an answer; an
//! error means that there is none.

mod answer;
mod question;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use latchkey_core::decision::Seen;
use latchkey_core::gate::Gate;
use latchkey_core::ports::Limiter;
use latchkey_core::time::Clock;
use latchkey_core::trouble::{Refusal, Trouble, Violation};
use latchkey_core::witness::{Answered, Door, Outcome, Witness};
use latchkey_profile::Catalog;
use latchkey_proto::v1;
use latchkey_proto::v1::check_service_server::CheckService;
use prost::Message as _;
use tonic::{Request, Response, Status};

use self::question::Question;
use crate::decision_event::{RequestHeaders, emit};
use crate::fate::{invalid, refused, sentence, troubled};
use crate::wire::framed::Framed;
use crate::{Services, deadline};

/// The most checks of one batch.
const MOST: usize = 1_000;

/// After so many checks, other calls get their turn.
const TURN: usize = 50;

/// Answers checks.
pub(crate) struct Checks<L> {
    gate: Arc<Gate<L>>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    witness: Arc<dyn Witness>,
}

impl<L: Limiter> Checks<L> {
    /// Creates a service that decides as these services do.
    pub(crate) fn new(services: &Services<L>) -> Self {
        let Services { gate, catalog, clock, witness, .. } = services;
        let (gate, catalog) = (Arc::clone(gate), Arc::clone(catalog));
        Self { gate, catalog, clock: Arc::clone(clock), witness: Arc::clone(witness) }
    }

    /// Responds to the bytes of a `CheckRequest`, in the time that the call's metadata leaves.
    pub(crate) async fn respond(&self, message: &[u8], metadata: &HeaderMap) -> Result<Framed, Status> {
        let asked = v1::CheckRequest::decode(message).map_err(|_| self.malformed(metadata))?;
        Ok(Framed::of(&self.one(&asked, metadata).await?))
    }

    async fn one(&self, asked: &v1::CheckRequest, metadata: &HeaderMap) -> Result<v1::CheckResponse, Status> {
        let question = self.read(asked, metadata).map_err(|wrong| invalid(&wrong))?;
        let limit = || deadline::left(metadata, deadline::LONGEST);
        self.decide(&question, metadata, limit).await.map_err(troubled)
    }

    async fn decide(
        &self,
        question: &Question<'_>,
        metadata: &HeaderMap,
        limit: impl FnOnce() -> Duration,
    ) -> Result<v1::CheckResponse, Trouble> {
        let policy = question.profile.as_ref().map(|profile| &profile.policy);
        let mut seen = Seen::default();
        let decided =
            deadline::within(limit, pin!(self.gate.check_into(policy, &question.access, &mut seen))).await;
        match decided {
            Ok(decision) => {
                self.emit(Some(question), metadata, Outcome::of(&decision), &seen);
                Ok(answer::of(decision, &mut seen, &question.request_id))
            }
            Err(trouble) => {
                let seen = Seen { policy: policy.cloned(), began: seen.began, ..Seen::default() };
                self.emit(Some(question), metadata, Outcome::Troubled(&trouble), &seen);
                Err(trouble)
            }
        }
    }

    fn read<'a>(
        &self,
        asked: &'a v1::CheckRequest,
        metadata: &HeaderMap,
    ) -> Result<Question<'a>, Vec<Violation>> {
        let read = Question::read(asked, &self.catalog);
        if read.is_err() {
            self.emit_malformed(metadata);
        }
        read
    }

    /// Returns the status of bytes that are no message, as tonic words it.
    fn malformed(&self, metadata: &HeaderMap) -> Status {
        self.emit_malformed(metadata);
        Status::internal("the message can't be read")
    }

    fn emit_malformed(&self, metadata: &HeaderMap) {
        let seen = Seen { began: self.clock.now(), ..Seen::default() };
        self.emit(None, metadata, Outcome::Unreadable, &seen);
    }

    /// Emits the one event of a Check.
    fn emit(&self, question: Option<&Question<'_>>, metadata: &HeaderMap, outcome: Outcome<'_>, seen: &Seen) {
        let (request_id, method) = question.map_or(("", ""), |q| (&*q.request_id, q.access.method));
        let sent = &RequestHeaders { metadata, headers: &[] };
        emit(&*self.witness, &Answered { door: Door::Native, outcome, seen, request_id, method, sent });
    }

    async fn each(
        &self,
        checks: &[v1::CheckRequest],
        metadata: &HeaderMap,
    ) -> Result<Vec<v1::CheckResponse>, Trouble> {
        let mut results = Vec::with_capacity(checks.len());
        for (n, check) in checks.iter().enumerate() {
            if n % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            results.push(match self.read(check, metadata) {
                Ok(question) => self.decide(&question, metadata, || deadline::LONGEST).await?,
                Err(wrong) => answer::malformed(sentence(&wrong), &check.request_id),
            });
        }
        Ok(results)
    }
}

#[tonic::async_trait]
impl<L: Limiter + 'static> CheckService for Checks<L> {
    async fn check(&self, call: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let answer = self.one(call.get_ref(), call.metadata().as_ref()).await?;
        Ok(Response::new(answer))
    }

    /// One after the other, so that each sees what those before it took. A check that can't be read fails
    /// alone; one that nobody can decide ends the batch, since the rest would wait for the same store.
    async fn batch_check(
        &self,
        call: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        let metadata = call.metadata().as_ref();
        let limit = || deadline::left(metadata, deadline::LONGEST_BATCH);
        let checks = &call.get_ref().checks;
        if checks.len() > MOST {
            let text = format!("must be at most 1,000, and are {}", checks.len());
            return Err(refused(&Refusal::field("checks", text)));
        }
        let results = deadline::within(limit, pin!(self.each(checks, metadata))).await.map_err(troubled)?;
        Ok(Response::new(v1::BatchCheckResponse { results }))
    }
}
