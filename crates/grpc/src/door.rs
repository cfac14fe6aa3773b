//! What stands before every service: a call must be in the table, and come when the service is
//! ready. Its row travels on with it, so that whoever asks for the caller knows who it may be.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use latchkey_core::witness::{Served, Witness};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

use crate::deadline::CallerDeadline;
use crate::{calls, fate};

/// A service behind the door.
#[derive(Clone)]
pub(crate) struct Door<S> {
    inner: S,
    porch: Porch,
}

/// What every door looks at: whether calls are taken, and who hears of those that end.
#[derive(Clone)]
pub(crate) struct Porch {
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) witness: Arc<dyn Witness>,
}

impl<S> Door<S> {
    /// Puts the door before a service; it opens when the porch says so.
    pub(crate) fn before(inner: S, porch: &Porch) -> Self {
        Self { inner, porch: porch.clone() }
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
            Some(_) if !self.porch.ready.load(Ordering::Relaxed) => fate::not_ready(),
            Some(call) => {
                request.extensions_mut().insert(call);
                // A Check has its own bound, and every nanosecond of it counts.
                if call.decides {
                    return Passing::In(self.inner.call(request), None);
                }
                if let Some(deadline) = CallerDeadline::of(request.headers()) {
                    request.extensions_mut().insert(deadline);
                }
                let watched = Watched {
                    method: call.path,
                    began: Instant::now(),
                    witness: Arc::clone(&self.porch.witness),
                };
                return Passing::In(self.inner.call(request), Some(watched));
            }
        };
        Passing::Out(Some(status.into_http()))
    }
}

/// A call that went in, or was answered at the door.
pub(crate) enum Passing<F> {
    In(F, Option<Watched>),
    Out(Option<Response<Body>>),
}

/// A call whose end somebody hears of.
pub(crate) struct Watched {
    method: &'static str,
    began: Instant,
    witness: Arc<dyn Witness>,
}

impl Watched {
    /// An error without a message is told in the head of its answer, and these calls have no other errors.
    fn ended(&self, answer: &Response<Body>) {
        let code = Status::from_header_map(answer.headers()).map_or(0, |status| status.code().into());
        self.witness.served(&Served { method: self.method, code, took: self.began.elapsed() });
    }
}

impl<F> Future for Passing<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.get_mut() {
            Self::In(inner, None) => Pin::new(inner).poll(cx),
            Self::In(inner, Some(watched)) => {
                let polled = Pin::new(inner).poll(cx);
                if let Poll::Ready(Ok(answer)) = &polled {
                    watched.ended(answer);
                }
                polled
            }
            Self::Out(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
        }
    }
}
