//! Services of the gRPC port that are not in the grpc crate: health and reflection.

use latchkey_proto::envoy::auth::authorization_server;
use latchkey_proto::v1::{
    audit_service_server, caller_service_server, check_service_server, key_service_server,
    profile_service_server, shadow_service_server, signing_key_service_server, tenant_service_server,
    token_service_server, usage_service_server,
};
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::Builder as Reflection;

/// Maximum size of a message to health and reflection, whose requests are small.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Services whose health is reported, besides the server as a whole.
pub(crate) const HEALTH_SERVICES: [&str; 11] = [
    authorization_server::SERVICE_NAME,
    check_service_server::SERVICE_NAME,
    key_service_server::SERVICE_NAME,
    tenant_service_server::SERVICE_NAME,
    profile_service_server::SERVICE_NAME,
    token_service_server::SERVICE_NAME,
    signing_key_service_server::SERVICE_NAME,
    audit_service_server::SERVICE_NAME,
    shadow_service_server::SERVICE_NAME,
    caller_service_server::SERVICE_NAME,
    usage_service_server::SERVICE_NAME,
];

/// Adds health and reflection to the routes.
pub(crate) fn add_health_and_reflection(
    routes: Routes,
    health: HealthServer<impl Health>,
) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(latchkey_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Details of errors, so that grpcurl can decode them.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
            // All versions are registered above.
            .include_reflection_service(false)
    };
    Ok(routes
        .add_service(health.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(reflection().build_v1()?.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(reflection().build_v1alpha()?.max_decoding_message_size(MAX_MESSAGE_BYTES)))
}
