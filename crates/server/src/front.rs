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
use latchkey_core::ports::Limiter;
use latchkey_core::principal::ClientCertificate;
use latchkey_grpc::{Answer, Asked, Looked, Whole, Wicket};
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
    /// The two questions.
    pub(crate) wicket: Wicket<L>,
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
    type Body = Answer;
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

/// A call on its way to its answer. What is answered at once has no box.
pub(crate) struct Visit<L> {
    /// One of the two questions, of which nothing was read yet.
    asked: Option<(Arc<About<L>>, Asked, Request<Incoming>)>,
    /// What takes longer, or is refused.
    waits: Option<BoxFuture<'static, Response<Answer>>>,
}

impl<L> Visit<L> {
    fn long(answer: impl Future<Output = Response<Answer>> + Send + 'static) -> Self {
        Self { asked: None, waits: Some(Box::pin(answer)) }
    }
}

impl<L: Limiter + 'static> Service<Request<Incoming>> for Visitor<L> {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Visit<L>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path();
        if !self.0.offers.includes(path) {
            let elsewhere =
                tonic::Status::unimplemented("this is served on another port").into_http::<Body>();
            return Visit::long(async move { elsewhere.map(Answer::from) });
        }
        let about = Arc::clone(&self.0);
        match Wicket::<L>::takes(path) {
            Some(asked) => Visit { asked: Some((about, asked, request)), waits: None },
            None => Visit::long(async move { about.behind(request.map(Body::new)).await }),
        }
    }
}

impl<L: Limiter + 'static> Future for Visit<L> {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some((about, asked, request)) = self.asked.take() {
            match about.front.wicket.at_once(asked, request, cx) {
                Looked::Answered(answer) => return Poll::Ready(Ok(answer)),
                Looked::Waits(request) => {
                    *self = Self::long(async move { about.later(asked, request).await });
                }
            }
        }
        match &mut self.waits {
            Some(answer) => answer.as_mut().poll(cx).map(Ok),
            None => Poll::Pending,
        }
    }
}

impl<L: Limiter + 'static> About<L> {
    /// Answers one of the two questions in time.
    async fn later(&self, asked: Asked, request: Request<Whole<Incoming>>) -> Response<Answer> {
        match self.front.wicket.answer(asked, request).await {
            Ok(answer) => answer,
            Err(odd) => self.behind(odd).await,
        }
    }

    /// Answers by the services.
    async fn behind(&self, request: Request<Body>) -> Response<Answer> {
        self.front.behind(request, (self.peer, self.certificate.clone())).await
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
