//! What stands before every service: a call must be in the table, and come when the service is
//! ready. Its row travels on with it, so that whoever asks for the caller knows who it may be.

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

/// A service behind the door.
#[derive(Clone)]
pub(crate) struct AdmissionService<S> {
    inner: S,
    state: AdmissionState,
}

/// What every door looks at: whether calls are taken, and who hears of those that end.
#[derive(Clone)]
pub(crate) struct AdmissionState {
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) observer: Arc<dyn CheckObserver>,
}

impl<S> AdmissionService<S> {
    /// Puts the door before a service; it opens when the porch says so.
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
            Some(call) => {
                request.extensions_mut().insert(call);
                // A Check has its own bound, and every nanosecond of it counts.
                if call.decides {
                    return AdmissionFuture::Admitted(self.inner.call(request), None);
                }
                if let Some(deadline) = CallerDeadline::of(request.headers()) {
                    request.extensions_mut().insert(deadline);
                }
                let rpc = InFlightRpc {
                    method: call.path,
                    began: Instant::now(),
                    observer: Arc::clone(&self.state.observer),
                };
                return AdmissionFuture::Admitted(self.inner.call(request), Some(rpc));
            }
        };
        AdmissionFuture::Rejected(Some(status.into_http()))
    }
}

/// A call that went in, or was answered at the door.
pub(crate) enum AdmissionFuture<F> {
    Admitted(F, Option<InFlightRpc>),
    Rejected(Option<Response<Body>>),
}

/// A call whose end somebody hears of.
pub(crate) struct InFlightRpc {
    method: &'static str,
    began: Instant,
    observer: Arc<dyn CheckObserver>,
}

impl InFlightRpc {
    /// An error without a message is told in the head of its answer, and these calls have no other errors.
    fn record_end(&self, response: &Response<Body>) {
        let code = Status::from_header_map(response.headers()).map_or(0, |status| status.code().into());
        self.observer.on_rpc(&RpcEvent { method: self.method, code, duration: self.began.elapsed() });
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
