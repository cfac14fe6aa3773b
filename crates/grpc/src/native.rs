//! `latchkey.v1.CheckService`: Checks of callers that use Latchkey's own API. A denial is a response with the status
//! OK; an error means that no decision could be made.

mod request;
mod response;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use latchkey_core::decision::{Decision, DecisionContext};
use latchkey_core::error::{FieldViolation, RequestError, SystemError};
use latchkey_core::gate::Gate;
use latchkey_core::observer::{CheckEvent, CheckObserver, CheckOutcome, Entrypoint};
use latchkey_core::ports::Limiter;
use latchkey_core::time::Clock;
use latchkey_profile::Catalog;
use latchkey_proto::v1;
use latchkey_proto::v1::check_service_server::CheckService;
use prost::Message as _;
use tonic::{Request, Response, Status};

use self::request::CheckRequestView;
use crate::decision_event::{RequestHeaders, emit};
use crate::status::{
    request_error_to_status, summarize_violations, system_error_to_status, violations_to_status,
};
use crate::wire::frame::GrpcFrame;
use crate::{Services, deadline};

/// Largest number of checks in a batch.
const MAX_BATCH_CHECKS: usize = 1_000;

/// Number of checks of a batch after which other calls on the worker get their turn.
const YIELD_INTERVAL: usize = 50;

/// Handler of native Checks.
pub(crate) struct NativeCheckHandler<L> {
    gate: Arc<Gate<L>>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn CheckObserver>,
}

impl<L: Limiter> NativeCheckHandler<L> {
    /// Creates a handler that decides as these services do.
    pub(crate) fn new(services: &Services<L>) -> Self {
        let Services { gate, catalog, clock, observer, .. } = services;
        let (gate, catalog) = (Arc::clone(gate), Arc::clone(catalog));
        Self { gate, catalog, clock: Arc::clone(clock), observer: Arc::clone(observer) }
    }

    /// Responds to an encoded `CheckRequest` within `MAX_CHECK_DURATION`, or the caller's `grpc-timeout` if that is
    /// shorter.
    pub(crate) async fn respond(&self, message: &[u8], metadata: &HeaderMap) -> Result<GrpcFrame, Status> {
        let Ok(message) = v1::CheckRequest::decode(message) else { return Err(self.malformed(metadata)) };
        self.check_one(&message, metadata, |response| GrpcFrame::encode(&response)).await
    }

    /// Decides one Check, and returns what `finish` makes of the response, which is too large to be moved about.
    async fn check_one<T>(
        &self,
        message: &v1::CheckRequest,
        metadata: &HeaderMap,
        finish: impl FnOnce(v1::CheckResponse) -> T,
    ) -> Result<T, Status> {
        let view = match self.parse(message, metadata) {
            Ok(view) => view,
            Err(violations) => return Err(violations_to_status(&violations)),
        };
        let mut context = DecisionContext::default();
        let limit = || deadline::timeout_for(metadata, deadline::MAX_CHECK_DURATION);
        match self.decide(&view, metadata, limit, &mut context).await {
            Ok(decision) => Ok(finish(response::from_decision(decision, &mut context, &view.request_id))),
            Err(error) => Err(system_error_to_status(error)),
        }
    }

    async fn decide(
        &self,
        view: &CheckRequestView<'_>,
        metadata: &HeaderMap,
        limit: impl FnOnce() -> Duration,
        context: &mut DecisionContext,
    ) -> Result<Decision, SystemError> {
        let policy = view.profile.as_ref().map(|profile| &profile.policy);
        let decided =
            deadline::with_timeout(limit, pin!(self.gate.check_into(policy, &view.access, context))).await;
        match &decided {
            Ok(decision) => self.emit(Some(view), metadata, CheckOutcome::of(decision), context),
            Err(error) => {
                let context = DecisionContext {
                    policy: policy.cloned(),
                    started_at: context.started_at,
                    ..DecisionContext::default()
                };
                self.emit(Some(view), metadata, CheckOutcome::Error(error), &context);
            }
        }
        decided
    }

    fn parse<'a>(
        &self,
        message: &'a v1::CheckRequest,
        metadata: &HeaderMap,
    ) -> Result<CheckRequestView<'a>, Vec<FieldViolation>> {
        let parsed = CheckRequestView::read(message, &self.catalog);
        if parsed.is_err() {
            self.emit_malformed(metadata);
        }
        parsed
    }

    /// Returns the status for bytes that are not a message, with the code that tonic uses for them.
    fn malformed(&self, metadata: &HeaderMap) -> Status {
        self.emit_malformed(metadata);
        Status::internal("the message could not be decoded")
    }

    fn emit_malformed(&self, metadata: &HeaderMap) {
        let context = DecisionContext { started_at: self.clock.now(), ..DecisionContext::default() };
        self.emit(None, metadata, CheckOutcome::Malformed, &context);
    }

    /// Emits the event of a Check.
    fn emit(
        &self,
        view: Option<&CheckRequestView<'_>>,
        metadata: &HeaderMap,
        outcome: CheckOutcome<'_>,
        context: &DecisionContext,
    ) {
        let (request_id, method) = view.map_or(("", ""), |view| (&*view.request_id, view.access.method));
        let headers = &RequestHeaders { metadata, headers: &[] };
        emit(
            &*self.observer,
            &CheckEvent {
                entrypoint: Entrypoint::Native,
                outcome,
                context,
                request_id,
                method,
                metadata: headers,
            },
        );
    }

    async fn check_each(
        &self,
        checks: &[v1::CheckRequest],
        metadata: &HeaderMap,
    ) -> Result<Vec<v1::CheckResponse>, SystemError> {
        let mut results = Vec::with_capacity(checks.len());
        for (n, check) in checks.iter().enumerate() {
            if n % YIELD_INTERVAL == YIELD_INTERVAL - 1 {
                tokio::task::yield_now().await;
            }
            results.push(match self.parse(check, metadata) {
                Ok(view) => {
                    let mut context = DecisionContext::default();
                    let limit = || deadline::MAX_CHECK_DURATION;
                    let decision = self.decide(&view, metadata, limit, &mut context).await?;
                    response::from_decision(decision, &mut context, &view.request_id)
                }
                Err(violations) => response::malformed(summarize_violations(&violations), &check.request_id),
            });
        }
        Ok(results)
    }
}

#[tonic::async_trait]
impl<L: Limiter + 'static> CheckService for NativeCheckHandler<L> {
    async fn check(&self, call: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        self.check_one(call.get_ref(), call.metadata().as_ref(), Response::new).await
    }

    /// Evaluates the checks one after the other, so that each sees what the earlier ones were charged. An invalid
    /// check fails alone. A check that could not be decided ends the batch, because the rest would wait for the same
    /// store.
    async fn batch_check(
        &self,
        call: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        let metadata = call.metadata().as_ref();
        let limit = || deadline::timeout_for(metadata, deadline::MAX_BATCH_DURATION);
        let checks = &call.get_ref().checks;
        if checks.len() > MAX_BATCH_CHECKS {
            let text = format!("must have at most {MAX_BATCH_CHECKS} entries, and has {}", checks.len());
            return Err(request_error_to_status(&RequestError::field("checks", text)));
        }
        let results = deadline::with_timeout(limit, pin!(self.check_each(checks, metadata)))
            .await
            .map_err(system_error_to_status)?;
        Ok(Response::new(v1::BatchCheckResponse { results }))
    }
}
