//! A request as it came in, as a profile sees it. Its body is bounded in size and in time, and only read once an
//! endpoint is known for it.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use latchkey_profile::{Header, Request};

/// The largest body.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest that a body takes to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// A request without its body.
pub(crate) struct IncomingRequest {
    parts: Parts,
    host: String,
    target: String,
    peer: Option<IpAddr>,
    direct: bool,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    Incomplete,
}

impl BodyError {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::TooLarge => "The body is too large.",
            Self::Incomplete => "The body did not come.",
        }
    }
}

impl IncomingRequest {
    pub(crate) fn from_http<B>(request: http::Request<B>, peer: Option<IpAddr>) -> (Self, B) {
        let (parts, body) = request.into_parts();
        let named = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let host = named.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        let host = host.unwrap_or_default().to_owned();
        let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        (Self { parts, host, target, peer, direct: true }, body)
    }

    /// Takes an Envoy's word for who was connected to it.
    pub(crate) fn set_client_peer(&mut self, peer: IpAddr) {
        (self.peer, self.direct) = (Some(peer), false);
    }

    pub(crate) fn request<'a>(&'a self, body: Option<&'a [u8]>) -> Request<'a> {
        let headers = self.parts.headers.iter();
        Request {
            method: self.parts.method.as_str(),
            path: &self.target,
            host: &self.host,
            headers: headers
                .map(|(n, v)| Header { name: n.as_str().as_bytes(), value: v.as_bytes() })
                .collect(),
            body,
            peer: self.peer,
            direct: self.direct,
            ..Request::default()
        }
    }
}

/// The whole body.
pub(crate) async fn read_body<B>(body: B) -> Result<Bytes, BodyError>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) | Err(_) => Err(BodyError::Incomplete),
    }
}
