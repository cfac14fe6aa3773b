//! Services of the contract that this version has nothing of yet: they are known by name, so that their
//! callers hear that, and not that there is no such thing.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

use crate::fate;

/// Stands in for a generated server.
pub(crate) struct Planned<S>(PhantomData<fn() -> S>);

impl<S> Planned<S> {
    /// Under the generated server's name.
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Clone for Planned<S> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<S: NamedService> NamedService for Planned<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Planned<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(fate::unbuilt(request.uri().path()).into_http()))
    }
}
