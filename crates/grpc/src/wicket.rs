//! The small door beside the big one, for the two questions that are asked all day: Envoy's and our own Check.
//! A call that comes as nearly all do (one whole message, not compressed) is read, judged and answered here
//! without tonic's streams and layers, which cost more than the judgement. Whatever comes in another way is
//! handed back, to go the way of all other calls; so nothing here has to know how gRPC's odd cases end.

mod message;
mod reply;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::Body;
use latchkey_core::ports::Limiter;
use tonic::Status;

pub use self::reply::Answer;

use self::message::Came;
use crate::ext_authz::Judge;
use crate::native::Checks;
use crate::wire::framed::Framed;
use crate::{Services, calls, fate};

/// How a message is compressed, where it is.
static ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

type Later<'a> = Pin<Box<dyn Future<Output = Result<Framed, Status>> + Send + 'a>>;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `envoy.service.auth.v3.Authorization/Check`.
    Envoy,
    /// `latchkey.v1.CheckService/Check`.
    Native,
}

/// Answers both.
pub struct Wicket<L> {
    envoy: Judge<L>,
    native: Checks<L>,
    ready: Arc<AtomicBool>,
}

impl<L: Limiter + 'static> Wicket<L> {
    /// Judges as these services do.
    #[must_use]
    pub fn beside(services: &Services<L>) -> Self {
        let ready = Arc::clone(&services.ready);
        Self { envoy: Judge::beside(services), native: Checks::beside(services), ready }
    }

    /// Whether a call is one of the two, by its path.
    #[must_use]
    pub fn takes(path: &str) -> Option<Asked> {
        match path {
            calls::AUTHORIZE => Some(Asked::Envoy),
            calls::CHECK => Some(Asked::Native),
            _ => None,
        }
    }

    /// Answers a call, or hands it back as it came.
    pub async fn answer<B>(
        &self,
        asked: Asked,
        request: Request<B>,
    ) -> Result<Response<Answer>, Request<tonic::body::Body>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        if !self.ready.load(Ordering::Relaxed) {
            return Ok(reply::status(&fate::not_ready()));
        }
        if request.headers().contains_key(&ENCODING) {
            return Err(request.map(tonic::body::Body::new));
        }
        let (head, body) = request.into_parts();
        let message = match message::read(body).await {
            Came::Message(message) => message,
            Came::Otherwise(body) => return Err(Request::from_parts(head, tonic::body::Body::new(body))),
        };
        let at_once = match asked {
            Asked::Envoy => {
                self.envoy.answer_at_once(&message, &head.headers).map(|a| a.map_err(fate::troubled))
            }
            Asked::Native => self.native.answer_at_once(&message, &head.headers),
        };
        let answer =
            if let Some(answer) = at_once { answer } else { self.later(asked, message, head.headers).await };
        Ok(answer.map_or_else(|status: Status| reply::status(&status), reply::message))
    }

    /// Answers what has to wait. In a box of its own, so that a call that doesn't is small.
    fn later(&self, asked: Asked, message: Bytes, metadata: HeaderMap) -> Later<'_> {
        Box::pin(async move {
            match asked {
                Asked::Envoy => self.envoy.answer(&message, &metadata).await.map_err(fate::troubled),
                Asked::Native => self.native.answer(&message, &metadata).await,
            }
        })
    }
}
