//! Router of gRPC calls: a Check goes to the fast path, all other calls go to the services on the main runtime.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use latchkey_config::CheckAuth;
use latchkey_core::ports::Limiter;
use latchkey_core::principal::ClientCertificate;
use latchkey_grpc::{CheckFastPath, CheckMethod, ResponseBody, rpc_table};
use latchkey_transport::{MakeService, Peer, PeerAddress, ResponseKind, response_is_ready};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tower_service::Service as _;

use crate::check_callers::check_caller;
use crate::compression;
use crate::endless_streams::{ConnectionStreams, EndlessStream, is_endless, too_many_streams};
use crate::message_body::MessageBody;
use crate::pending_calls::{PendingCall, PendingCalls};
use crate::served_apis::ServedApis;

/// Routes of the gRPC ports.
pub(crate) struct Router<L> {
    /// Fast path for Check.
    pub(crate) fast_path: CheckFastPath<L>,
    /// All services.
    pub(crate) routes: Routes,
    /// Runtime on which the services run.
    pub(crate) main_runtime: Handle,
    /// Calls that wait.
    pub(crate) pending: &'static PendingCalls,
    /// Callers of Check.
    pub(crate) check_auth: CheckAuth,
}

/// Router for one port.
pub(crate) struct PortRouter<L> {
    pub(crate) router: Arc<Router<L>>,
    /// APIs that the port serves.
    pub(crate) apis: ServedApis,
}

impl<L: Limiter + 'static> MakeService for PortRouter<L> {
    type Body = ResponseBody;
    type Service = ConnectionService<L>;

    fn make_service(&self, Peer { address: peer, certificate }: Peer) -> ConnectionService<L> {
        let (router, streams) = (Arc::clone(&self.router), Arc::default());
        ConnectionContext { router, peer, certificate, apis: self.apis, streams }.into()
    }
}

/// Service of one connection.
pub(crate) struct ConnectionService<L>(Arc<ConnectionContext<L>>);

/// Peer of a connection, and the APIs that it can use.
struct ConnectionContext<L> {
    router: Arc<Router<L>>,
    peer: PeerAddress,
    /// Client certificate that was verified in the handshake.
    certificate: Option<ClientCertificate>,
    /// APIs that the port serves.
    apis: ServedApis,
    /// Open responses of the connection that have no end.
    streams: Arc<ConnectionStreams>,
}

impl<L> From<ConnectionContext<L>> for ConnectionService<L> {
    fn from(context: ConnectionContext<L>) -> Self {
        Self(Arc::new(context))
    }
}

/// Response to a call. The future of the work is large and is boxed at the first poll, so that the calls of a
/// connection, which are polled one after the other, reuse the same memory.
pub(crate) struct ResponseFuture<L> {
    pending: &'static PendingCalls,
    /// Call, until the first poll.
    queued: Option<(Arc<ConnectionContext<L>>, Request<Incoming>)>,
    /// Work on the call, from the first poll on.
    running: Option<BoxFuture<'static, Response<ResponseBody>>>,
    /// Place among the calls that wait, if it was not ready at the first poll.
    place: Option<PendingCall>,
    /// Place among the streams without an end, for a call whose response is one.
    stream: Option<EndlessStream>,
}

/// Returns whether a path belongs to an RPC of the contract, to health or to reflection.
fn is_served(path: &str) -> bool {
    rpc_table::find(path).is_some() || path.starts_with("/grpc.")
}

/// Reads the body of a request for a path that is not served, as far as it arrives in time, and returns an empty one. The
/// response follows the request then, so that errors of the request's frames are found, and its stream counts while it is open.
async fn drain<B: http_body::Body + Unpin>(mut body: B) -> Body {
    while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
    Body::empty()
}

/// Returns the response to a call for which there is no room.
fn too_many_calls() -> Response<ResponseBody> {
    let status = tonic::Status::unavailable("too many calls wait for a store; try another replica, or later");
    status.into_http::<Body>().map(ResponseBody::from)
}

impl<L: Limiter + 'static> Service<Request<Incoming>> for ConnectionService<L> {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture<L>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        ResponseFuture {
            pending: self.0.router.pending,
            queued: Some((Arc::clone(&self.0), request)),
            running: None,
            place: None,
            stream: None,
        }
    }
}

impl<L: Limiter + 'static> Future for ResponseFuture<L> {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let first = self.queued.is_some();
        if let Some((context, request)) = self.queued.take() {
            if is_endless(request.uri().path()) {
                self.stream = context.streams.begin();
                if self.stream.is_none() {
                    return Poll::Ready(Ok(too_many_streams()));
                }
            }
            // Allocates the box first, so that the future is created in it instead of being moved there.
            let future = Box::write(Box::new_uninit(), ConnectionContext::respond(context, request));
            let future = Box::into_pin(future);
            self.running = Some(future);
        }
        let Some(response) = &mut self.running else { return Poll::Pending };
        let polled = response.as_mut().poll(cx);
        if polled.is_ready() {
            self.place = None;
            let kind = if self.stream.is_some() { ResponseKind::Endless } else { ResponseKind::Message };
            response_is_ready(kind);
        } else if first {
            self.place = self.pending.enter();
            if self.place.is_none() {
                self.running = None;
                return Poll::Ready(Ok(too_many_calls()));
            }
        }
        polled.map(|response| match self.stream.take() {
            Some(stream) => Ok(stream.hold(response)),
            None => Ok(response),
        })
    }
}

impl<L: Limiter + 'static> ConnectionContext<L> {
    async fn respond(context: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let path = request.uri().path();
        if !context.apis.includes(path) {
            let unimplemented = tonic::Status::unimplemented("this is served on another port");
            return unimplemented.into_http::<Body>().map(ResponseBody::from);
        }
        let certificate = context.certificate.as_ref();
        if let Err(status) = check_caller(&context.router.check_auth, path, request.headers(), certificate) {
            return status.into_http::<Body>().map(ResponseBody::from);
        }
        let method = CheckMethod::from_path(path);
        let (head, body) = request.into_parts();
        let body = MessageBody::new(body, head.uri.path(), context.router.pending);
        let body = match method {
            Some(method) => match context.router.fast_path.respond(method, &head.headers, body).await {
                Ok(response) => return response,
                Err(rewound) => rewound,
            },
            None if is_served(head.uri.path()) => Body::new(body),
            None => drain(body).await,
        };
        context.call_services(Request::from_parts(head, body)).await
    }

    /// Calls the services.
    async fn call_services(&self, request: Request<Body>) -> Response<ResponseBody> {
        self.router.call_services(request, self.peer, self.certificate.clone()).await
    }
}

impl<L: Limiter + 'static> Router<L> {
    /// Calls the services on the main runtime. If the caller drops the future, the work is aborted.
    async fn call_services(
        &self,
        request: Request<Body>,
        peer: PeerAddress,
        certificate: Option<ClientCertificate>,
    ) -> Response<ResponseBody> {
        let (mut request, unpacked) = match compression::decompress(request, self.pending) {
            Ok(readable) => readable,
            Err(status) => return status.into_http::<Body>().map(ResponseBody::from),
        };
        let remote_addr = match peer {
            PeerAddress::Tcp(address) => address,
            PeerAddress::Unix { .. } => SocketAddr::new(peer.ip(), 0),
        };
        request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr: Some(remote_addr) });
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate);
        }
        let mut routes = self.routes.clone();
        let work = self.main_runtime.spawn(async move {
            let _until_the_response = unpacked;
            routes.call(request).await
        });
        match AbortOnDrop(work).await {
            Ok(Ok(response)) => response.map(ResponseBody::from),
            Ok(Err(never)) => match never {},
            // The task panicked, or the runtime is shutting down.
            Err(_) => tonic::Status::internal("internal error").into_http::<Body>().map(ResponseBody::from),
        }
    }
}

/// Task that is aborted when its handle is dropped.
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
