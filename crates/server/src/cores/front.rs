//! What answers a call of a connection: the wicket, where it is one of the two questions that are asked all day,
//! and else the services behind it, on the main runtime.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use latchkey_core::manage::ClientCertificate;
use latchkey_core::ports::Limiter;
use latchkey_grpc::{Answer, Wicket};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tower_service::Service as _;

use super::port::Offers;

/// Who answers.
pub(crate) struct Front<L> {
    /// The two questions.
    pub(crate) wicket: Wicket<L>,
    /// Everything.
    pub(crate) routes: Routes,
    /// Where everything else runs.
    pub(crate) main: Handle,
}

/// A connection's own way to the front.
pub(super) struct Visitor<L> {
    pub(super) front: Arc<Front<L>>,
    pub(super) peer: SocketAddr,
    /// The certificate that the client has proved.
    pub(super) certificate: Option<ClientCertificate>,
    /// What the port answers.
    pub(super) offers: Offers,
}

impl<L: Limiter + 'static> Service<Request<Incoming>> for Visitor<L> {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Answer>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path();
        if !self.offers.includes(path) {
            let elsewhere =
                tonic::Status::unimplemented("this is served on another port").into_http::<Body>();
            return Box::pin(async move { Ok(elsewhere.map(Answer::from)) });
        }
        let front = Arc::clone(&self.front);
        let who = (self.peer, self.certificate.clone());
        match Wicket::<L>::takes(path) {
            Some(asked) => Box::pin(async move {
                match front.wicket.answer(asked, request).await {
                    Ok(answer) => Ok(answer),
                    Err(odd) => Ok(front.behind(odd, who).await),
                }
            }),
            None => Box::pin(async move { Ok(front.behind(request.map(Body::new), who).await) }),
        }
    }
}

impl<L: Limiter + 'static> Front<L> {
    /// Answers by the services, on the main runtime. Whoever asked may go away: then the work ends too.
    async fn behind(
        &self,
        mut request: Request<Body>,
        (peer, certificate): (SocketAddr, Option<ClientCertificate>),
    ) -> Response<Answer> {
        request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr: Some(peer) });
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate);
        }
        let mut routes = self.routes.clone();
        let work = self.main.spawn(async move { routes.call(request).await });
        match Work(work).await {
            Ok(Ok(response)) => response.map(Answer::from),
            Ok(Err(never)) => match never {},
            // It panicked, or the process ends.
            Err(_) => tonic::Status::internal("internal error").into_http::<Body>().map(Answer::from),
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
