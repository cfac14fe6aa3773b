//! Fast path of the two Checks, Envoy's and the native one. A call whose body is one complete uncompressed message is
//! parsed, decided and answered here, without tonic's streams and layers, which cost more than the decision. Any
//! other call is returned with its body as it was received, and goes through tonic, so that the edge cases of gRPC
//! are handled in one place.

mod message;
mod response_body;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Body;
use latchkey_core::ports::Limiter;

pub use self::response_body::ResponseBody;

use self::message::UnaryBody;
use crate::ext_authz::CheckHandler;
use crate::native::NativeCheckHandler;
use crate::{Services, rpc_table, status};

/// RPC of a Check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckMethod {
    /// `envoy.service.auth.v3.Authorization/Check`.
    Envoy,
    /// `latchkey.v1.CheckService/Check`.
    Native,
}

impl CheckMethod {
    /// Returns the Check with this path, or `None` for the path of another RPC.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        match path {
            rpc_table::ENVOY_CHECK => Some(Self::Envoy),
            rpc_table::NATIVE_CHECK => Some(Self::Native),
            _ => None,
        }
    }
}

/// Responds to both Checks.
pub struct CheckFastPath<L> {
    envoy: CheckHandler<L>,
    native: NativeCheckHandler<L>,
    ready: Arc<AtomicBool>,
}

impl<L: Limiter + 'static> CheckFastPath<L> {
    /// Creates a fast path that decides as these services do.
    #[must_use]
    pub fn new(services: &Services<L>) -> Self {
        let ready = Arc::clone(&services.ready);
        Self { envoy: CheckHandler::new(services), native: NativeCheckHandler::new(services), ready }
    }

    /// Responds to a Check. The future is ready on its first poll if the message has arrived and the cache has
    /// everything that the decision needs; otherwise it waits for the rest.
    ///
    /// A body that is not one complete uncompressed message is an `Err`: the body rewound, to be sent through tonic.
    pub async fn respond<B>(
        &self,
        method: CheckMethod,
        headers: &HeaderMap,
        body: B,
    ) -> Result<Response<ResponseBody>, tonic::body::Body>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        if !self.ready.load(Ordering::Relaxed) {
            return Ok(response_body::status(&status::not_ready()));
        }
        let message = match message::read_unary(body).await {
            UnaryBody::Message(message) => message,
            UnaryBody::Other(body) => return Err(tonic::body::Body::new(body)),
        };
        let response = match method {
            CheckMethod::Envoy => self.envoy.respond(&message, headers).await,
            CheckMethod::Native => self.native.respond(&message, headers).await,
        };
        let failed = |error| response_body::status(&status::system_error_to_status(error));
        Ok(response.map_or_else(failed, response_body::message))
    }
}
