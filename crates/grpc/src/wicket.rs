//! The small door beside the big one, for the two questions that are asked all day: Envoy's and our own Check.
//! A call that comes as nearly all do (one whole message, not compressed) is read, judged and answered here
//! without tonic's streams and layers, which cost more than the judgement. Whatever comes in another way is
//! handed back, to go the way of all other calls; so nothing here has to know how gRPC's odd cases end.

mod message;
mod reply;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use latchkey_core::ports::Limiter;
use tonic::Status;

pub use self::message::Whole;
pub use self::reply::Answer;

use self::message::Came;
use crate::ext_authz::Judge;
use crate::native::Checks;
use crate::wire::framed::Framed;
use crate::{Services, calls, fate};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `envoy.service.auth.v3.Authorization/Check`.
    Envoy,
    /// `latchkey.v1.CheckService/Check`.
    Native,
}

/// A call that was looked at.
pub enum Looked<B> {
    /// It is answered.
    Answered(Response<Answer>),
    /// It has to wait: for its message, for a store, or for being ready.
    Waits(Request<Whole<B>>),
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

    /// Answers a call whose message is there, by what is in memory; or hands it back, to be answered in time.
    pub fn at_once<B>(&self, asked: Asked, mut request: Request<B>, cx: &mut Context<'_>) -> Looked<B>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut first = Bytes::new();
        if self.ready.load(Ordering::Relaxed) {
            first = message::first(request.body_mut(), cx);
            if request.body().is_end_stream()
                && let Some(message) = message::only(&first)
                && let Some(answer) = self.judge_at_once(asked, message, request.headers())
            {
                return Looked::Answered(worded(answer));
            }
        }
        Looked::Waits(request.map(|rest| Whole::again(first, rest)))
    }

    /// Answers a call, waiting for what it takes, or hands it back as it came.
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
        let (head, body) = request.into_parts();
        let message = match message::read(body).await {
            Came::Message(message) => message,
            Came::Otherwise(body) => return Err(Request::from_parts(head, tonic::body::Body::new(body))),
        };
        let answer = match asked {
            Asked::Envoy => self.envoy.answer(&message, &head.headers).await.map_err(fate::troubled),
            Asked::Native => self.native.answer(&message, &head.headers).await,
        };
        Ok(worded(answer))
    }

    /// By what is in memory; none where that doesn't do.
    fn judge_at_once(
        &self,
        asked: Asked,
        message: &[u8],
        metadata: &HeaderMap,
    ) -> Option<Result<Framed, Status>> {
        match asked {
            Asked::Envoy => self.envoy.answer_at_once(message, metadata).map(|a| a.map_err(fate::troubled)),
            Asked::Native => self.native.answer_at_once(message, metadata),
        }
    }
}

fn worded(answer: Result<Framed, Status>) -> Response<Answer> {
    answer.map_or_else(|status| reply::status(&status), reply::message)
}
