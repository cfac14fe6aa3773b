//! `latchkey.v1.CheckService`: the same gate for callers that speak our own API. A denial is an answer; an
//! error means that there is none.

mod answer;
mod question;

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::decision::Verdict;
use latchkey_core::gate::Gate;
use latchkey_core::ports::Limiter;
use latchkey_core::time::Clock;
use latchkey_core::trouble::{Refusal, Trouble};
use latchkey_profile::Catalog;
use latchkey_proto::v1;
use latchkey_proto::v1::check_service_server::CheckService;
use prost::Message as _;
use tonic::{Request, Response, Status};

use self::question::Question;
use crate::deadline;
use crate::fate::{invalid, refused, sentence, troubled};
use crate::trace::{self, Told};
use crate::wire::framed::Framed;

/// The most checks of one batch.
const MOST: usize = 1_000;

/// After so many checks, other calls get their turn.
const TURN: usize = 50;

/// Answers checks.
pub(crate) struct Checks<L> {
    gate: Arc<Gate<L>>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
}

impl<L: Limiter> Checks<L> {
    /// Judges by this gate and these profiles.
    pub(crate) fn new(gate: Arc<Gate<L>>, catalog: Arc<Catalog>, clock: Arc<dyn Clock>) -> Self {
        Self { gate, catalog, clock }
    }

    /// Answers the bytes of a `CheckRequest`, in this time at most.
    pub(crate) async fn answer(&self, message: &[u8], limit: Duration) -> Result<Framed, Status> {
        let asked = v1::CheckRequest::decode(message).map_err(|_| unreadable())?;
        let question = Question::read(&asked, &self.catalog).map_err(|wrong| invalid(&wrong))?;
        let answer = self.judge(&question, limit).await.map_err(troubled)?;
        Ok(Framed::of(&answer))
    }

    /// The same, where everything that it takes is in memory; none where something has to be waited for.
    pub(crate) fn answer_at_once(&self, message: &[u8]) -> Option<Result<Framed, Status>> {
        let Ok(asked) = v1::CheckRequest::decode(message) else { return Some(Err(unreadable())) };
        let question = match Question::read(&asked, &self.catalog) {
            Ok(question) => question,
            Err(wrong) => return Some(Err(invalid(&wrong))),
        };
        let policy = question.profile.as_ref().map(|profile| &profile.policy);
        let verdict = self.gate.check_at_once(policy, &question.access)?;
        Some(verdict.map(|verdict| Framed::of(&self.word(&question, verdict))).map_err(troubled))
    }

    async fn judge(&self, question: &Question<'_>, limit: Duration) -> Result<v1::CheckResponse, Trouble> {
        let policy = question.profile.as_ref().map(|profile| &profile.policy);
        let verdict = deadline::within(limit, self.gate.check(policy, &question.access)).await?;
        Ok(self.word(question, verdict))
    }

    fn word(&self, question: &Question<'_>, verdict: Verdict) -> v1::CheckResponse {
        let told =
            Told { decision: &verdict.decision, seen: &verdict.seen, request_id: &question.request_id };
        trace::native(&told, question.access.method);
        answer::of(verdict, &question.request_id, self.clock.now().wall)
    }

    async fn each(&self, checks: &[v1::CheckRequest]) -> Result<Vec<v1::CheckResponse>, Trouble> {
        let mut results = Vec::with_capacity(checks.len());
        for (n, check) in checks.iter().enumerate() {
            if n % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            results.push(match Question::read(check, &self.catalog) {
                Ok(question) => self.judge(&question, deadline::LONGEST).await?,
                Err(wrong) => answer::malformed(sentence(&wrong), &check.request_id),
            });
        }
        Ok(results)
    }
}

/// As tonic says it.
fn unreadable() -> Status {
    Status::internal("the message can't be read")
}

#[tonic::async_trait]
impl<L: Limiter + 'static> CheckService for Checks<L> {
    async fn check(&self, call: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let limit = deadline::left(call.metadata().as_ref(), deadline::LONGEST);
        let question = Question::read(call.get_ref(), &self.catalog).map_err(|wrong| invalid(&wrong))?;
        let answer = self.judge(&question, limit).await.map_err(troubled)?;
        Ok(Response::new(answer))
    }

    /// One after the other, so that each sees what those before it took. A check that can't be read fails
    /// alone; one that nobody can decide ends the batch, since the rest would wait for the same store.
    async fn batch_check(
        &self,
        call: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        let limit = deadline::left(call.metadata().as_ref(), deadline::LONGEST_BATCH);
        let checks = &call.get_ref().checks;
        if checks.len() > MOST {
            let text = format!("must be at most 1,000, and are {}", checks.len());
            return Err(refused(&Refusal::field("checks", text)));
        }
        let results = deadline::within(limit, self.each(checks)).await.map_err(troubled)?;
        Ok(Response::new(v1::BatchCheckResponse { results }))
    }
}
