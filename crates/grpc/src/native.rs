//! `latchkey.v1.CheckService`: Checks of callers that use Latchkey's own API. A denial is a response with the status
//! OK; an error means that no decision could be made.
//!
//! A caller may admit requests while no decision can be made. So everything that a client can cause with the content of
//! its request is a denial, as in Envoy's Check: fields that are too long, bytes that are no text, a message that is too
//! large.

mod batch;
mod request;
mod response;
mod service;

pub(crate) use self::service::NativeChecks;

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use latchkey_core::decision::{Decision, DecisionContext};
use latchkey_core::error::SystemError;
use latchkey_core::gate::Gate;
use latchkey_core::observer::{CheckEvent, CheckObserver, CheckOutcome, Entrypoint};
use latchkey_core::ports::Limiter;
use latchkey_core::time::Clock;
use latchkey_profile::Catalog;
use latchkey_proto::v1;
use prost::Message as _;
use zeroize::Zeroize as _;

use self::request::CheckRequestView;
use crate::decision_event::{RequestHeaders, emit};
use crate::status::summarize_violations;
use crate::wire::frame::GrpcFrame;
use crate::{Services, deadline};

/// Decoded request, whose copy of the credential is wiped afterwards.
struct WipedRequest(v1::CheckRequest);

impl Drop for WipedRequest {
    fn drop(&mut self) {
        self.0.credential.zeroize();
    }
}

/// Handler of native Checks.
pub(crate) struct NativeCheckHandler<L> {
    gate: Arc<Gate<L>>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    observer: Arc<dyn CheckObserver>,
}

impl<L: Limiter> NativeCheckHandler<L> {
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
        let limit = || deadline::timeout_for(metadata, self.deadline);
        self.check(message, metadata, limit, |response| GrpcFrame::encode(&response)).await
    }

    /// Responds to a message that is too large to be read.
    fn respond_too_large(&self, metadata: &HeaderMap) -> GrpcFrame {
        GrpcFrame::encode(&self.malformed("the message is too large".to_owned(), None, metadata))
    }

    /// Decides one encoded Check, and returns the result of `finish` for the response, which is too large to be
    /// moved.
    async fn check<T>(
        &self,
        message: &[u8],
        metadata: &HeaderMap,
        limit: impl FnOnce() -> Duration,
        finish: impl FnOnce(v1::CheckResponse) -> T,
    ) -> Result<T, SystemError> {
        let Ok(message) = v1::CheckRequest::decode(message).map(WipedRequest) else {
            let text = "the message could not be decoded".to_owned();
            return Ok(finish(self.malformed(text, None, metadata)));
        };
        let message = &message.0;
        let view = match CheckRequestView::read(message, &self.catalog) {
            Ok(view) => view,
            Err(violations) => {
                let text = summarize_violations(&violations);
                return Ok(finish(self.malformed(text, Some(message), metadata)));
            }
        };
        let mut context = DecisionContext::default();
        let (decision, request_id) = self.decide(&view, metadata, limit, &mut context).await?;
        Ok(finish(response::from_decision(decision, &mut context, &request_id, &view.access.path)))
    }

    /// Returns the decision and the identifier of the request. A generated identifier has the prefix of the profile that
    /// the request was judged by, which can be that of the credential's tenant.
    async fn decide<'v>(
        &self,
        view: &CheckRequestView<'v>,
        metadata: &HeaderMap,
        limit: impl FnOnce() -> Duration,
        context: &mut DecisionContext,
    ) -> Result<(Decision, Cow<'v, str>), SystemError> {
        let policy = view.profile.as_ref().map(|profile| &profile.policy);
        let decided =
            deadline::with_timeout(limit, pin!(self.gate.check_into(policy, &view.access, context))).await;
        let request_id = match view.request_id {
            Some(sent) => Cow::Borrowed(sent),
            None => Cow::Owned(self.catalog.new_request_id(policy.or(context.policy.as_ref()).map(|p| &**p))),
        };
        let request = (&*request_id, view.access.method);
        match &decided {
            Ok(Decision::Deny(_)) if context.malformed => {
                self.emit(request, metadata, CheckOutcome::Malformed, context);
            }
            Ok(decision) => self.emit(request, metadata, CheckOutcome::of(decision), context),
            Err(error) => {
                let context = DecisionContext {
                    policy: policy.cloned(),
                    started_at: context.started_at,
                    ..DecisionContext::default()
                };
                self.emit(request, metadata, CheckOutcome::Error(error), &context);
            }
        }
        decided.map(|decision| (decision, request_id))
    }

    /// Denies a check that cannot be read, and emits its event.
    fn malformed(
        &self,
        text: String,
        request: Option<&v1::CheckRequest>,
        metadata: &HeaderMap,
    ) -> v1::CheckResponse {
        let context = DecisionContext { started_at: self.clock.now(), ..DecisionContext::default() };
        self.emit(("", ""), metadata, CheckOutcome::Malformed, &context);
        if let Some(sent) = request.and_then(request::valid_request_id) {
            return response::malformed(text, sent);
        }
        let profile = request.and_then(|request| self.catalog.named(&request.profile));
        let policy = profile.as_ref().map(|profile| &*profile.policy);
        response::malformed(text, &self.catalog.new_request_id(policy))
    }

    /// Emits the event of a Check with this identifier and method.
    fn emit(
        &self,
        (request_id, method): (&str, &str),
        metadata: &HeaderMap,
        outcome: CheckOutcome<'_>,
        context: &DecisionContext,
    ) {
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
}
