//! A tower layer that lets no call through that Latchkey hasn't let pass. It goes before any service whose requests
//! are HTTP: axum's, tonic's, hyper's.

mod request;
mod response;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use latchkey_proto::v1::{CheckRequest, CheckResponse, Decision};
use tonic::Status;
use tower_layer::Layer;
use tower_service::Service;

use crate::Checker;

/// Completes or changes the request that is made of a request.
pub type CustomizeRequest = dyn Fn(&Parts, &mut CheckRequest) + Send + Sync;

/// What becomes of a call when Latchkey gives no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOutage {
    /// It is refused: 503, UNAVAILABLE.
    #[default]
    FailClosed,
    /// It passes, unasked and without a `Principal`. Whoever can keep Latchkey from answering is let in by this.
    FailOpen,
}

/// The layer.
#[derive(Clone)]
pub struct Guard {
    checker: Checker,
    profile: String,
    customize: Option<Arc<CustomizeRequest>>,
    on_outage: OnOutage,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("profile", &self.profile)
            .field("on_outage", &self.on_outage)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// Asks by this checker.
    #[must_use]
    pub fn new(checker: Checker) -> Self {
        Self { checker, profile: String::new(), customize: None, on_outage: OnOutage::default() }
    }

    /// Judges by this profile, instead of by that of the credential's tenant.
    #[must_use]
    pub fn profile(self, name: &str) -> Self {
        Self { profile: name.to_owned(), ..self }
    }

    /// Adds to the request what the request alone doesn't say: a resource, the client's address, scopes.
    #[must_use]
    pub fn customize_request(
        self,
        customize: impl Fn(&Parts, &mut CheckRequest) + Send + Sync + 'static,
    ) -> Self {
        Self { customize: Some(Arc::new(customize)), ..self }
    }

    /// What becomes of a call when Latchkey gives no answer.
    #[must_use]
    pub fn on_outage(self, on_outage: OnOutage) -> Self {
        Self { on_outage, ..self }
    }

    /// The answer to a request; none where it can't be asked about as it is.
    async fn check(&self, parts: &Parts) -> Result<Option<CheckResponse>, Status> {
        let Some(mut request) = request::of(parts) else { return Ok(None) };
        request.profile.clone_from(&self.profile);
        if let Some(customize) = &self.customize {
            customize(parts, &mut request);
        }
        self.checker.check(request).await.map(Some)
    }

    /// The request as it may go on, or the response that it gets instead.
    async fn authorize<B, R: Default>(&self, request: Request<B>) -> Result<Request<B>, Response<R>> {
        let (mut parts, body) = request.into_parts();
        let grpc = response::speaks_grpc(&parts.headers);
        let judged = self.check(&parts).await;
        request::take_out(&mut parts);
        match judged {
            Ok(Some(allowed)) if allowed.decision() == Decision::Allow => {
                if let Some(who) = allowed.principal {
                    parts.extensions.insert(who);
                }
                Ok(Request::from_parts(parts, body))
            }
            Ok(denied) => Err(response::denied(denied.as_ref(), grpc)),
            Err(_) if self.on_outage == OnOutage::FailOpen => Ok(Request::from_parts(parts, body)),
            Err(status) => Err(response::unanswered(&status, grpc)),
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = GuardedService<S>;

    fn layer(&self, inner: S) -> GuardedService<S> {
        GuardedService { inner, guard: self.clone() }
    }
}

/// A service behind the guard.
#[derive(Clone, Debug)]
pub struct GuardedService<S> {
    inner: S,
    guard: Guard,
}

/// A tonic service goes by the name of the one behind.
impl<S: tonic::server::NamedService> tonic::server::NamedService for GuardedService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<Request<B>> for GuardedService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default + Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes with the call; a fresh one stays.
        let fresh = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, fresh);
        let guard = self.guard.clone();
        Box::pin(async move {
            match guard.authorize::<B, R>(request).await {
                Ok(request) => ready.call(request).await,
                Err(response) => Ok(response),
            }
        })
    }
}
