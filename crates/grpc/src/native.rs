//! `latchkey.v1.CheckService`: the same gate for callers that speak our own API. A denial is an answer; an
//! error means that there is none.

mod answer;
mod question;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use latchkey_core::decision::{Decision, Seen, Verdict};
use latchkey_core::gate::Gate;
use latchkey_core::ports::Limiter;
use latchkey_core::time::{Clock, Moment};
use latchkey_core::trouble::{Refusal, Trouble, Violation};
use latchkey_core::witness::{Answered, Door, Outcome, Witness};
use latchkey_profile::Catalog;
use latchkey_proto::v1;
use latchkey_proto::v1::check_service_server::CheckService;
use prost::Message as _;
use tonic::{Request, Response, Status};

use self::question::Question;
use crate::fate::{invalid, refused, sentence, troubled};
use crate::trace::{Carried, tell};
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
    /// Judges as these services do.
    pub(crate) fn beside(services: &Services<L>) -> Self {
        let Services { gate, catalog, clock, witness, .. } = services;
        let (gate, catalog) = (Arc::clone(gate), Arc::clone(catalog));
        Self { gate, catalog, clock: Arc::clone(clock), witness: Arc::clone(witness) }
    }

    /// Answers the bytes of a `CheckRequest`, in the time that the call's metadata leaves.
    pub(crate) async fn answer(&self, message: &[u8], metadata: &HeaderMap) -> Result<Framed, Status> {
        let asked = v1::CheckRequest::decode(message).map_err(|_| self.no_message(metadata))?;
        Ok(Framed::of(&self.one(&asked, metadata).await?))
    }

    /// The same, where everything that it takes is in memory; none where something has to be waited for.
    pub(crate) fn answer_at_once(
        &self,
        message: &[u8],
        metadata: &HeaderMap,
    ) -> Option<Result<Framed, Status>> {
        let Ok(asked) = v1::CheckRequest::decode(message) else {
            return Some(Err(self.no_message(metadata)));
        };
        let question = match self.read(&asked, metadata) {
            Ok(question) => question,
            Err(wrong) => return Some(Err(invalid(&wrong))),
        };
        let policy = question.profile.as_ref().map(|profile| &profile.policy);
        let mut seen = Seen::default();
        Some(match self.gate.check_at_once(policy, &question.access, &mut seen)? {
            Ok(decision) => Ok(Framed::of(&self.word(&question, metadata, decision, &mut seen))),
            Err(trouble) => Err(troubled(self.troubled(&question, metadata, trouble, self.clock.now()))),
        })
    }

    async fn one(&self, asked: &v1::CheckRequest, metadata: &HeaderMap) -> Result<v1::CheckResponse, Status> {
        let question = self.read(asked, metadata).map_err(|wrong| invalid(&wrong))?;
        let limit = deadline::left(metadata, deadline::LONGEST);
        self.judge(&question, metadata, limit).await.map_err(troubled)
    }

    async fn judge(
        &self,
        question: &Question<'_>,
        metadata: &HeaderMap,
        limit: Duration,
    ) -> Result<v1::CheckResponse, Trouble> {
        let policy = question.profile.as_ref().map(|profile| &profile.policy);
        let began = self.clock.now();
        match deadline::within(limit, self.gate.check(policy, &question.access)).await {
            Ok(Verdict { decision, mut seen }) => Ok(self.word(question, metadata, decision, &mut seen)),
            Err(trouble) => Err(self.troubled(question, metadata, trouble, began)),
        }
    }

    fn word(
        &self,
        question: &Question<'_>,
        metadata: &HeaderMap,
        decision: Decision,
        seen: &mut Seen,
    ) -> v1::CheckResponse {
        self.tell(Some(question), metadata, Outcome::of(&decision), seen);
        answer::of(decision, seen, &question.request_id)
    }

    /// Tells that nobody could decide.
    fn troubled(
        &self,
        question: &Question<'_>,
        metadata: &HeaderMap,
        trouble: Trouble,
        began: Moment,
    ) -> Trouble {
        let policy = question.profile.as_ref().map(|profile| Arc::clone(&profile.policy));
        let seen = Seen { policy, began, ..Seen::default() };
        self.tell(Some(question), metadata, Outcome::Troubled(&trouble), &seen);
        trouble
    }

    fn read<'a>(
        &self,
        asked: &'a v1::CheckRequest,
        metadata: &HeaderMap,
    ) -> Result<Question<'a>, Vec<Violation>> {
        let read = Question::read(asked, &self.catalog);
        if read.is_err() {
            self.unreadable(metadata);
        }
        read
    }

    fn unreadable(&self, metadata: &HeaderMap) {
        let seen = Seen { began: self.clock.now(), ..Seen::default() };
        self.tell(None, metadata, Outcome::Unreadable, &seen);
    }

    /// As tonic says it.
    fn no_message(&self, metadata: &HeaderMap) -> Status {
        self.unreadable(metadata);
        Status::internal("the message can't be read")
    }

    fn tell(&self, question: Option<&Question<'_>>, metadata: &HeaderMap, outcome: Outcome<'_>, seen: &Seen) {
        let (request_id, method) = question.map_or(("", ""), |q| (&*q.request_id, q.access.method));
        let sent = &Carried { metadata, headers: &[] };
        tell(&*self.witness, &Answered { door: Door::Native, outcome, seen, request_id, method, sent });
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
                Ok(question) => self.judge(&question, metadata, deadline::LONGEST).await?,
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
        let limit = deadline::left(metadata, deadline::LONGEST_BATCH);
        let checks = &call.get_ref().checks;
        if checks.len() > MOST {
            let text = format!("must be at most 1,000, and are {}", checks.len());
            return Err(refused(&Refusal::field("checks", text)));
        }
        let results = deadline::within(limit, self.each(checks, metadata)).await.map_err(troubled)?;
        Ok(Response::new(v1::BatchCheckResponse { results }))
    }
}
