//! What stands before every service: a call must be in the table, and come when the service is
//! ready. Its row travels on with it, so that whoever asks for the caller knows who it may be.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

use crate::{calls, deadline, fate};

/// A service behind the door.
#[derive(Clone, Debug)]
pub(crate) struct Door<S> {
    inner: S,
    ready: Arc<AtomicBool>,
}

impl<S> Door<S> {
    /// Puts the door before a service; it opens when `ready` says so.
    pub(crate) fn before(inner: S, ready: &Arc<AtomicBool>) -> Self {
        Self { inner, ready: Arc::clone(ready) }
    }
}

impl<S: NamedService> NamedService for Door<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Door<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Passing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let status = match calls::find(path) {
            None => fate::unknown(),
            Some(_) if !self.ready.load(Ordering::Relaxed) => fate::not_ready(),
            Some(call) => {
                request.extensions_mut().insert(call);
                // A Check has its own bound, and every nanosecond of it counts.
                let managing = !call.path.contains("Check");
                let until = managing.then(|| deadline::gives_up(request.headers())).flatten();
                return Passing::In(self.inner.call(request), until);
            }
        };
        Passing::Out(Some(status.into_http()))
    }
}

/// A call that went in, or was answered at the door.
#[derive(Debug)]
pub(crate) enum Passing<F> {
    In(F, Option<Instant>),
    Out(Option<Response<Body>>),
}

impl<F> Future for Passing<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.get_mut() {
            Self::In(inner, until) => deadline::work(*until, || Pin::new(inner).poll(cx)),
            Self::Out(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
        }
    }
}
