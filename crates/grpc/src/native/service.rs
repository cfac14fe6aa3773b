//! Transport of native Checks by tonic, for calls that the fast path does not serve. The messages stay encoded until the
//! handler decodes them, since one that cannot be decoded is a denial.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use latchkey_core::ports::Limiter;
use latchkey_proto::v1::check_service_server;
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tower_service::Service;

use super::NativeCheckHandler;
use crate::raw_codec::{BoxFuture, RawCodec, frame_to_http, is_too_large};
use crate::wire::frame::GrpcFrame;
use crate::{rpc_table, status};

/// Service of native Checks.
pub(crate) struct NativeChecks<L> {
    handler: Arc<NativeCheckHandler<L>>,
}

impl<L> NativeChecks<L> {
    /// Creates a service that uses this handler.
    pub(crate) fn new(handler: NativeCheckHandler<L>) -> Self {
        Self { handler: Arc::new(handler) }
    }
}

impl<L> Clone for NativeChecks<L> {
    fn clone(&self) -> Self {
        Self { handler: Arc::clone(&self.handler) }
    }
}

impl<L> NamedService for NativeChecks<L> {
    const NAME: &'static str = check_service_server::SERVICE_NAME;
}

impl<L: Limiter + 'static> Service<Request<Body>> for NativeChecks<L> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let handler = Arc::clone(&self.handler);
        match request.uri().path() {
            rpc_table::NATIVE_CHECK => Box::pin(async move {
                let response = Grpc::new(RawCodec).unary(UnaryCheck(Arc::clone(&handler)), request).await;
                Ok(if is_too_large(&response) {
                    frame_to_http(handler.respond_too_large(&HeaderMap::new()))
                } else {
                    response
                })
            }),
            rpc_table::NATIVE_BATCH_CHECK => {
                Box::pin(async move { Ok(Grpc::new(RawCodec).unary(UnaryBatch(handler), request).await) })
            }
            _ => Box::pin(ready(Ok(status::unimplemented().into_http()))),
        }
    }
}

/// Handler of one Check, in the form that tonic needs.
struct UnaryCheck<L>(Arc<NativeCheckHandler<L>>);

impl<L: Limiter + 'static> UnaryService<Bytes> for UnaryCheck<L> {
    type Response = GrpcFrame;
    type Future = BoxFuture<Result<tonic::Response<GrpcFrame>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move {
            let result = handler.respond(request.get_ref(), request.metadata().as_ref()).await;
            result.map(tonic::Response::new).map_err(status::system_error_to_status)
        })
    }
}

/// Handler of one batch, in the form that tonic needs.
struct UnaryBatch<L>(Arc<NativeCheckHandler<L>>);

impl<L: Limiter + 'static> UnaryService<Bytes> for UnaryBatch<L> {
    type Response = GrpcFrame;
    type Future = BoxFuture<Result<tonic::Response<GrpcFrame>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move {
            let (metadata, _, message) = request.into_parts();
            handler.respond_batch(message, metadata.as_ref()).await.map(tonic::Response::new)
        })
    }
}
