//! Tower layer that passes on only those calls that Latchkey allows. It protects any service whose requests are HTTP:
//! axum, tonic or hyper.

mod request;
mod response;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use latchkey_proto::v1::{CheckRequest, CheckResponse, Decision};
use tonic::{Code, Status};
use tower_layer::Layer;
use tower_service::Service;

use crate::Checker;

/// Callback that completes or changes the `CheckRequest` of an HTTP request.
pub type CustomizeRequest = dyn Fn(&Parts, &mut CheckRequest) + Send + Sync;

/// Handling of a call during an outage: Latchkey cannot be reached, or does not decide in time (`UNAVAILABLE` and
/// `DEADLINE_EXCEEDED`). After any other error, the call is rejected in both cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOutage {
    /// Rejects the call: 503, or the gRPC status `UNAVAILABLE`.
    #[default]
    FailClosed,
    /// Passes the call on without a Check and without a `Principal`. An attacker who can make Latchkey unavailable is
    /// then allowed everything.
    FailOpen,
}

/// Layer that protects a service.
///
/// It judges the path that the client sent. Where a router of axum 0.8 is nested, the guard may be a layer of either one: the
/// path has the prefix. A service of another framework that removes a prefix from the request's URI, or one of another version
/// of axum, needs the guard in front of that, or a callback that sets the path ([`Guard::customize_request`]).
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
    /// Creates a guard that sends its Checks with this checker.
    #[must_use]
    pub fn new(checker: Checker) -> Self {
        Self { checker, profile: String::new(), customize: None, on_outage: OnOutage::default() }
    }

    /// Sets the profile to decide by, instead of the profile of the credential's tenant.
    #[must_use]
    pub fn profile(self, name: &str) -> Self {
        Self { profile: name.to_owned(), ..self }
    }

    /// Sets a callback that adds what cannot be derived from the HTTP request: a resource, the client's address,
    /// scopes. A service whose scopes do not depend on the profile's routes sets `scopes_only`: its Checks then have no
    /// path.
    ///
    /// ```
    /// use latchkey_client::{Checker, Guard};
    ///
    /// fn guard(checker: Checker) -> Guard {
    ///     Guard::new(checker).customize_request(|parts, check| {
    ///         let writes = parts.method != "GET";
    ///         check.scopes = vec![if writes { "things.write" } else { "things.read" }.to_owned()];
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn customize_request(
        self,
        customize: impl Fn(&Parts, &mut CheckRequest) + Send + Sync + 'static,
    ) -> Self {
        Self { customize: Some(Arc::new(customize)), ..self }
    }

    /// Sets the handling of a call for which Latchkey makes no decision. The default is [`OnOutage::FailClosed`].
    #[must_use]
    pub fn on_outage(self, on_outage: OnOutage) -> Self {
        Self { on_outage, ..self }
    }

    /// Returns the Check of a request, or the denial of a request that cannot be described.
    fn check_request(&self, parts: &Parts) -> Result<CheckRequest, Box<CheckResponse>> {
        let mut check = request::from_parts(parts)?;
        check.profile.clone_from(&self.profile);
        if let Some(customize) = &self.customize {
            customize(parts, &mut check);
        }
        request::finish(check)
    }

    async fn check(&self, parts: &Parts) -> Result<CheckResponse, Status> {
        match self.check_request(parts) {
            Ok(check) => self.checker.check(check).await,
            Err(denied) => Ok(*denied),
        }
    }

    /// Returns whether a call without a decision is passed on.
    fn admits(&self, error: &Status) -> bool {
        self.on_outage == OnOutage::FailOpen
            && matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded)
    }

    /// Returns the request for the protected service, or the response that rejects it.
    async fn authorize<B, R: Default>(&self, request: Request<B>) -> Result<Request<B>, Response<R>> {
        let (mut parts, body) = request.into_parts();
        let grpc = response::is_grpc(&parts.headers);
        let result = self.check(&parts).await;
        request::remove_credentials(&mut parts);
        match result {
            Ok(allowed) if allowed.decision() == Decision::Allow => {
                if let Some(principal) = allowed.principal {
                    parts.extensions.insert(principal);
                }
                Ok(Request::from_parts(parts, body))
            }
            Ok(denied) => Err(response::denied(&denied, grpc)),
            Err(error) if self.admits(&error) => Ok(Request::from_parts(parts, body)),
            Err(_) => Err(response::unavailable(grpc)),
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = GuardedService<S>;

    fn layer(&self, inner: S) -> GuardedService<S> {
        GuardedService { inner, guard: self.clone() }
    }
}

/// Service that is protected by a [`Guard`].
#[derive(Clone, Debug)]
pub struct GuardedService<S> {
    inner: S,
    guard: Guard,
}

/// Keeps the name of the protected tonic service.
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
        // The service that `poll_ready` made ready serves this call; a clone, which is not ready yet, replaces it.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let guard = self.guard.clone();
        Box::pin(async move {
            match guard.authorize::<B, R>(request).await {
                Ok(request) => ready.call(request).await,
                Err(response) => Ok(response),
            }
        })
    }
}
