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

use crate::served_apis::ServedApis;

/// Who answers.
pub(crate) struct Router<L> {
    /// Checks.
    pub(crate) fast_path: CheckFastPath<L>,
    /// Everything.
    pub(crate) routes: Routes,
    /// Where everything else runs.
    pub(crate) main_runtime: Handle,
}

/// The front as one port offers it.
pub(crate) struct PortRouter<L> {
    pub(crate) router: Arc<Router<L>>,
    /// What the port answers.
    pub(crate) apis: ServedApis,
}

impl<L: Limiter + 'static> MakeService for PortRouter<L> {
    type Body = ResponseBody;
    type Service = ConnectionService<L>;

    fn make_service(&self, Peer { address: peer, certificate }: Peer) -> ConnectionService<L> {
        ConnectionContext { router: Arc::clone(&self.router), peer, certificate, apis: self.apis }.into()
    }
}

/// A connection's own way to the front.
pub(crate) struct ConnectionService<L>(Arc<ConnectionContext<L>>);

/// Who is connected, and to what.
struct ConnectionContext<L> {
    router: Arc<Router<L>>,
    peer: SocketAddr,
    /// The certificate that the client has proved.
    certificate: Option<ClientCertificate>,
    /// What the port answers.
    apis: ServedApis,
}

impl<L> From<ConnectionContext<L>> for ConnectionService<L> {
    fn from(context: ConnectionContext<L>) -> Self {
        Self(Arc::new(context))
    }
}

/// The response to a call. The work on it is large and gets its box on the first poll: then a connection's calls,
/// which are polled one after the other, take the same memory.
pub(crate) struct ResponseFuture<L> {
    /// The call, until the first poll.
    queued: Option<(Arc<ConnectionContext<L>>, Request<Incoming>)>,
    /// The work on it, from the first poll on.
    running: Option<BoxFuture<'static, Response<ResponseBody>>>,
}

impl<L: Limiter + 'static> Service<Request<Incoming>> for ConnectionService<L> {
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
        if let Some((context, request)) = self.queued.take() {
            self.running = Some(Box::pin(ConnectionContext::respond(context, request)));
        }
        match &mut self.running {
            Some(response) => response.as_mut().poll(cx).map(Ok),
            None => Poll::Pending,
        }
    }
}

impl<L: Limiter + 'static> ConnectionContext<L> {
    async fn respond(context: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let path = request.uri().path();
        if !context.apis.includes(path) {
            let unimplemented = tonic::Status::unimplemented("this is served on another port");
            return unimplemented.into_http::<Body>().map(ResponseBody::from);
        }
        let Some(method) = CheckMethod::from_path(path) else {
            return context.call_services(request.map(Body::new)).await;
        };
        match context.router.fast_path.respond(method, request).await {
            Ok(response) => response,
            Err(rewound) => context.call_services(rewound).await,
        }
    }

    /// Answers by the services.
    async fn call_services(&self, request: Request<Body>) -> Response<ResponseBody> {
        self.router.call_services(request, (self.peer, self.certificate.clone())).await
    }
}

impl<L: Limiter + 'static> Router<L> {
    /// Answers by the services, on the main runtime. Whoever asked may go away: then the work ends too.
    async fn call_services(
        &self,
        mut request: Request<Body>,
        (peer, certificate): (SocketAddr, Option<ClientCertificate>),
    ) -> Response<ResponseBody> {
        request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr: Some(peer) });
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate);
        }
        let mut routes = self.routes.clone();
        let work = self.main_runtime.spawn(async move { routes.call(request).await });
        match AbortOnDrop(work).await {
            Ok(Ok(response)) => response.map(ResponseBody::from),
            Ok(Err(never)) => match never {},
            // It panicked, or the process ends.
            Err(_) => tonic::Status::internal("internal error").into_http::<Body>().map(ResponseBody::from),
        }
    }
}

/// Work that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
