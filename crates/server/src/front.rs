//! What answers a call of a connection: the fast path, where it is a Check, and else the services behind it, on
//! the main runtime.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use latchkey_core::ports::Limiter;
use latchkey_core::principal::ClientCertificate;
use latchkey_grpc::{CheckFastPath, CheckMethod, ResponseBody};
use latchkey_transport::{MakeService, Peer};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tower_service::Service as _;

use crate::offers::Offers;

/// Who answers.
pub(crate) struct Front<L> {
    /// Checks.
    pub(crate) fast_path: CheckFastPath<L>,
    /// Everything.
    pub(crate) routes: Routes,
    /// Where everything else runs.
    pub(crate) main: Handle,
}

/// The front as one port offers it.
pub(crate) struct PortFront<L> {
    pub(crate) front: Arc<Front<L>>,
    /// What the port answers.
    pub(crate) offers: Offers,
}

impl<L: Limiter + 'static> MakeService for PortFront<L> {
    type Body = ResponseBody;
    type Service = Visitor<L>;

    fn make_service(&self, Peer { address: peer, certificate }: Peer) -> Visitor<L> {
        About { front: Arc::clone(&self.front), peer, certificate, offers: self.offers }.into()
    }
}

/// A connection's own way to the front.
pub(crate) struct Visitor<L>(Arc<About<L>>);

/// Who is connected, and to what.
struct About<L> {
    front: Arc<Front<L>>,
    peer: SocketAddr,
    /// The certificate that the client has proved.
    certificate: Option<ClientCertificate>,
    /// What the port answers.
    offers: Offers,
}

impl<L> From<About<L>> for Visitor<L> {
    fn from(about: About<L>) -> Self {
        Self(Arc::new(about))
    }
}

/// The response to a call. The work on it is large and gets its box on the first poll: then a connection's calls,
/// which are polled one after the other, take the same memory.
pub(crate) struct ResponseFuture<L> {
    /// The call, until the first poll.
    queued: Option<(Arc<About<L>>, Request<Incoming>)>,
    /// The work on it, from the first poll on.
    running: Option<BoxFuture<'static, Response<ResponseBody>>>,
}

impl<L: Limiter + 'static> Service<Request<Incoming>> for Visitor<L> {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture<L>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        ResponseFuture { queued: Some((Arc::clone(&self.0), request)), running: None }
    }
}

impl<L: Limiter + 'static> Future for ResponseFuture<L> {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some((about, request)) = self.queued.take() {
            self.running = Some(Box::pin(About::respond(about, request)));
        }
        match &mut self.running {
            Some(response) => response.as_mut().poll(cx).map(Ok),
            None => Poll::Pending,
        }
    }
}

impl<L: Limiter + 'static> About<L> {
    async fn respond(about: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let path = request.uri().path();
        if !about.offers.includes(path) {
            let elsewhere = tonic::Status::unimplemented("this is served on another port");
            return elsewhere.into_http::<Body>().map(ResponseBody::from);
        }
        let Some(method) = CheckMethod::from_path(path) else {
            return about.behind(request.map(Body::new)).await;
        };
        match about.front.fast_path.respond(method, request).await {
            Ok(response) => response,
            Err(rewound) => about.behind(rewound).await,
        }
    }

    /// Answers by the services.
    async fn behind(&self, request: Request<Body>) -> Response<ResponseBody> {
        self.front.behind(request, (self.peer, self.certificate.clone())).await
    }
}

impl<L: Limiter + 'static> Front<L> {
    /// Answers by the services, on the main runtime. Whoever asked may go away: then the work ends too.
    async fn behind(
        &self,
        mut request: Request<Body>,
        (peer, certificate): (SocketAddr, Option<ClientCertificate>),
    ) -> Response<ResponseBody> {
        request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr: Some(peer) });
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate);
        }
        let mut routes = self.routes.clone();
        let work = self.main.spawn(async move { routes.call(request).await });
        match Work(work).await {
            Ok(Ok(response)) => response.map(ResponseBody::from),
            Ok(Err(never)) => match never {},
            // It panicked, or the process ends.
            Err(_) => tonic::Status::internal("internal error").into_http::<Body>().map(ResponseBody::from),
        }
    }
}

/// Work that ends when nobody waits for it any more.
struct Work<T>(JoinHandle<T>);

impl<T> Future for Work<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
