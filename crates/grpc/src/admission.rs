//! Tower service in front of every gRPC service. It rejects a call whose RPC is not in the table, or that arrives
//! before the replica is ready. The RPC's row is added to the call's extensions, where the authentication of the
//! caller finds it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use latchkey_core::observer::{CheckObserver, RpcEvent};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

use crate::deadline::CallerDeadline;
use crate::{rpc_table, status};

/// Service with admission in front of it.
#[derive(Clone)]
pub(crate) struct AdmissionService<S> {
    inner: S,
    state: AdmissionState,
}

/// State that all admission services share: readiness, and the observer of calls that end.
#[derive(Clone)]
pub(crate) struct AdmissionState {
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) observer: Arc<dyn CheckObserver>,
}

impl<S> AdmissionService<S> {
    /// Puts admission in front of a service.
    pub(crate) fn new(inner: S, state: &AdmissionState) -> Self {
        Self { inner, state: state.clone() }
    }
}

impl<S: NamedService> NamedService for AdmissionService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for AdmissionService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = AdmissionFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let status = match rpc_table::find(path) {
            None => status::unimplemented(),
            Some(_) if !self.state.ready.load(Ordering::Relaxed) => status::not_ready(),
            Some(entry) => {
                request.extensions_mut().insert(entry);
                // A Check has its own deadline and its own event, and must not have the cost of these.
                if entry.decides {
                    return AdmissionFuture::Admitted(self.inner.call(request), None);
                }
                if let Some(deadline) = CallerDeadline::of(request.headers()) {
                    request.extensions_mut().insert(deadline);
                }
                let rpc = InFlightRpc {
                    method: entry.path,
                    started_at: Instant::now(),
                    observer: Arc::clone(&self.state.observer),
                };
                return AdmissionFuture::Admitted(self.inner.call(request), Some(rpc));
            }
        };
        AdmissionFuture::Rejected(Some(status.into_http()))
    }
}

/// Future of a call that was admitted, or of one that was rejected at once.
pub(crate) enum AdmissionFuture<F> {
    Admitted(F, Option<InFlightRpc>),
    Rejected(Option<Response<Body>>),
}

/// Call whose end is reported to the observer.
pub(crate) struct InFlightRpc {
    method: &'static str,
    started_at: Instant,
    observer: Arc<dyn CheckObserver>,
}

impl InFlightRpc {
    /// Reports the end of the call with its code. The code is read from the response's headers: these RPCs are unary,
    /// and an error without a message has its status there.
    fn record_end(&self, response: &Response<Body>) {
        let code = Status::from_header_map(response.headers()).map_or(0, |status| status.code().into());
        self.observer.on_rpc(&RpcEvent { method: self.method, code, duration: self.started_at.elapsed() });
    }
}

impl<F> Future for AdmissionFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.get_mut() {
            Self::Admitted(inner, None) => Pin::new(inner).poll(cx),
            Self::Admitted(inner, Some(rpc)) => {
                let polled = Pin::new(inner).poll(cx);
                if let Poll::Ready(Ok(response)) = &polled {
                    rpc.record_end(response);
                }
                polled
            }
            Self::Rejected(response) => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}
