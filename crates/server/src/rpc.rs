//! The gRPC port: the services of the grpc room, health, and reflection, behind bounds that keep good clients
//! served whatever bad ones do.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use latchkey_proto::envoy::auth::authorization_server;
use latchkey_proto::v1::{
    audit_service_server, check_service_server, key_service_server, profile_service_server,
    signing_key_service_server, tenant_service_server, token_service_server,
};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::Builder as Reflection;

use crate::listen::Listener;

/// Calls in flight on one connection; Envoy opens another when it needs more.
const STREAMS: u32 = 1_024;
/// Metadata of one call, as HPACK counts it.
const METADATA: u32 = 64 * 1024;
/// Streams that were opened and reset at once: an attacker's pattern.
const RESETS: usize = 64;
/// A connection that is silent for so long is asked whether anybody is there, and has so long to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Health and reflection ask little.
const SMALL: usize = 64 * 1024;

/// What health answers for, besides the whole.
pub(crate) const SERVICES: [&str; 8] = [
    authorization_server::SERVICE_NAME,
    check_service_server::SERVICE_NAME,
    key_service_server::SERVICE_NAME,
    tenant_service_server::SERVICE_NAME,
    profile_service_server::SERVICE_NAME,
    token_service_server::SERVICE_NAME,
    signing_key_service_server::SERVICE_NAME,
    audit_service_server::SERVICE_NAME,
];

/// Adds health and reflection.
pub(crate) fn complete(
    routes: Routes,
    health: HealthServer<impl Health>,
) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(latchkey_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // What errors carry, so that grpcurl can show it.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
            // Both of its versions are named above, whichever of the two is asked.
            .include_reflection_service(false)
    };
    Ok(routes
        .add_service(health.max_decoding_message_size(SMALL))
        .add_service(reflection().build_v1()?.max_decoding_message_size(SMALL))
        .add_service(reflection().build_v1alpha()?.max_decoding_message_size(SMALL)))
}

/// Serves until `stop`, and then until every call in flight has ended.
pub(crate) async fn serve(
    listener: Arc<Listener>,
    routes: Routes,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await?;
        Some((Ok::<_, io::Error>(accepted), listener))
    });
    let (interval, patience) = KEEPALIVE;
    Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(METADATA)
        .http2_max_pending_accept_reset_streams(Some(RESETS))
        .http2_keepalive_interval(Some(interval))
        .http2_keepalive_timeout(Some(patience))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop)
        .await
}
