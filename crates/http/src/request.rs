//! Incoming HTTP request in the form that a profile reads. The body has limits of size and time, and is read only
//! when an endpoint matches the request.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use latchkey_profile::{Header, Request};

/// Largest size of a body.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Longest time until a body has been received completely.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Request without its body.
pub(crate) struct IncomingRequest {
    parts: Parts,
    host: String,
    target: String,
    peer: Option<IpAddr>,
    direct: bool,
}

/// Reasons why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    Incomplete,
}

impl BodyError {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::TooLarge => "The body is too large.",
            Self::Incomplete => "The body was not received completely.",
        }
    }
}

impl IncomingRequest {
    pub(crate) fn from_http<B>(request: http::Request<B>, peer: Option<IpAddr>) -> (Self, B) {
        let (parts, body) = request.into_parts();
        let host = host(&parts).to_owned();
        let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        (Self { parts, host, target, peer, direct: true }, body)
    }

    /// Sets the address that a trusted Envoy reports as its peer, and marks the request as not directly connected.
    pub(crate) fn set_client_peer(&mut self, peer: IpAddr) {
        (self.peer, self.direct) = (Some(peer), false);
    }

    pub(crate) fn request<'a>(&'a self, body: Option<&'a [u8]>) -> Request<'a> {
        let headers = self.parts.headers.iter();
        Request {
            method: self.parts.method.as_str(),
            path: &self.target,
            host: self.host.as_str().into(),
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

/// Returns the host of a request. Several different ones, or one that is not a text, become a text that is no host.
fn host(parts: &Parts) -> &str {
    let headers = parts.headers.get_all(http::header::HOST).into_iter();
    let headers = headers.map(|host| host.to_str().unwrap_or(","));
    let mut hosts = headers.chain(parts.uri.authority().map(http::uri::Authority::as_str));
    let first = hosts.next().unwrap_or_default();
    if hosts.all(|other| other.eq_ignore_ascii_case(first)) { first } else { "," }
}

/// Reads the whole body, at most `MAX_BODY_BYTES` in at most `BODY_TIMEOUT`.
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
